/**
 * The timeouts of running jobs. All jobs share one timer: most jobs end long before their timeout, so a timer
 * for each would be set and cleared for nothing.
 *
 * If a handler blocks the event loop, the other handlers of its process cannot go on, but their timeouts do.
 * When the loop runs again, it is not known which of them blocked it. So each of them gets the lost time
 * back.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'
import type { Execution } from './execution.ts'

/**
 * Milliseconds after its signal was aborted in which a handler must end; after that, it is reported as stuck.
 */
const GRACE = 5_000
/**
 * Milliseconds: a loop that has not run for this long was blocked. An idle worker records every second that
 * its loop runs.
 */
const BLOCKED = 2_000
/** How often a job gets time back. A job that blocks the loop again and again must time out in the end. */
const MOST_EXTENSIONS = 10

export class Deadline<E extends Execution = Execution> {
  readonly #running: ReadonlySet<E>
  readonly #stuck: (running: E) => void
  readonly #turnedAt: () => number
  #timer: NodeJS.Timeout | undefined
  #next = Number.POSITIVE_INFINITY

  /**
   * @param stuck called for a handler that ignores its signal
   * @param turnedAt when the event loop last ran, as far as is known, by `performance.now()`
   */
  constructor(running: ReadonlySet<E>, stuck: (running: E) => void, turnedAt = () => performance.now()) {
    this.#running = running
    this.#stuck = stuck
    this.#turnedAt = turnedAt
  }

  /** Watches a job that begins: when its timeout is over, its signal is aborted. */
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
    const lost = now - Math.max(this.#turnedAt(), running.startedAt)
    const mayGoOn =
      running.environment.hasOthers?.(running) === true &&
      lost > BLOCKED &&
      running.extensions < MOST_EXTENSIONS
    if (mayGoOn) {
      running.extensions += 1
      running.deadline += lost
      return
    }
    running.deadline = running.isIsolated ? Number.POSITIVE_INFINITY : now + GRACE
    running.late()
  }
}
