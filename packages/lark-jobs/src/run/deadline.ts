/**
 * Timeouts, with one timer for all jobs that run: most jobs end long before theirs, so a timer each would be set
 * and cleared for nothing.
 */
import { LONGEST_TIMER } from '../model/run.ts'
import type { Execution } from './execution.ts'

/** Milliseconds that a handler gets to end after its signal, before it is reported as stuck. */
const GRACE = 5_000

export class Deadline<E extends Execution = Execution> {
  readonly #running: ReadonlySet<E>
  readonly #stuck: (running: E) => void
  #timer: NodeJS.Timeout | undefined
  #next = Number.POSITIVE_INFINITY

  /** @param stuck told of a handler that ignores its signal */
  constructor(running: ReadonlySet<E>, stuck: (running: E) => void) {
    this.#running = running
    this.#stuck = stuck
  }

  /** Will abort the signal of a job that began when its time is over. */
  watch(running: E): void {
    if (running.deadline < this.#next) this.#arm(running.deadline)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(at: number): void {
    clearTimeout(this.#timer)
    this.#next = at
    this.#timer = setTimeout(() => this.#look(), Math.min(LONGEST_TIMER, Math.max(0, at - performance.now())))
  }

  #look(): void {
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const running of this.#running) {
      if (running.deadline <= now) this.#pass(running, now)
      next = Math.min(next, running.deadline)
    }
    this.#next = Number.POSITIVE_INFINITY
    if (next < Number.POSITIVE_INFINITY) this.#arm(next)
  }

  #pass(running: E, now: number): void {
    if (running.isLate) {
      running.deadline = Number.POSITIVE_INFINITY
      this.#stuck(running)
      return
    }
    running.deadline = now + GRACE
    running.late()
  }
}
