/**
 * Timeouts, with one timer for all jobs that run: most jobs end long before theirs, so a timer each would be set
 * and cleared for nothing.
 */
import { LONGEST_TIMER } from '../run.ts'
import type { Running } from './running.ts'

/** Milliseconds that a handler gets to end after its signal, before it is reported as stuck. */
const GRACE = 5_000

export class Deadline {
  readonly #running: ReadonlySet<Running>
  readonly #stuck: (running: Running) => void
  #timer: NodeJS.Timeout | undefined
  #next = Number.POSITIVE_INFINITY

  /** @param stuck told of a handler that ignores its signal */
  constructor(running: ReadonlySet<Running>, stuck: (running: Running) => void) {
    this.#running = running
    this.#stuck = stuck
  }

  /** @param timeout milliseconds from the job's start, after which its signal is aborted with `reason()` */
  set(running: Running, timeout: number, reason: () => Error): void {
    running.deadline = running.startedAt + timeout
    running.tooLate = reason
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

  #pass(running: Running, now: number): void {
    const reason = running.tooLate
    if (reason === undefined) {
      running.deadline = Number.POSITIVE_INFINITY
      this.#stuck(running)
      return
    }
    running.tooLate = undefined
    running.deadline = now + GRACE
    running.run.abort(reason())
  }
}
