/**
 * The timeouts of running jobs. All jobs share one timer. Most jobs end long before their timeout, so setting
 * and clearing a timer for each job would be wasted work.
 *
 * If a handler blocks the event loop, the other handlers of the process cannot continue, but their timeouts
 * go on running. When the event loop runs again, nobody knows which handler has blocked it. So each handler
 * gets the lost time back.
 */
import { LONGEST_TIMER } from '../model/run/run.ts'
import type { Execution } from './execution.ts'

/**
 * How long a handler may take to end after the abort of its signal, in milliseconds. After that time, the
 * handler is reported as stuck.
 */
const GRACE = 5_000
/**
 * An event loop that has not run for so many milliseconds counts as blocked. An idle worker records once a
 * second that its event loop runs.
 */
const BLOCKED = 2_000
/**
 * How many times a job may get lost time back. Without this limit, a job that blocks the event loop again and
 * again would never time out.
 */
const MOST_EXTENSIONS = 10

export class Deadline<E extends Execution = Execution> {
  readonly #running: ReadonlySet<E>
  readonly #stuck: (running: E) => void
  readonly #turnedAt: () => number
  #timer: NodeJS.Timeout | undefined
  #next = Number.POSITIVE_INFINITY

  /**
   * @param stuck called for a handler that ignores its signal
   * @param turnedAt returns the last time at which the event loop is known to have run, by
   *   `performance.now()`
   */
  constructor(running: ReadonlySet<E>, stuck: (running: E) => void, turnedAt = () => performance.now()) {
    this.#running = running
    this.#stuck = stuck
    this.#turnedAt = turnedAt
  }

  /** Begins to watch a job: when the timeout of the job is over, its signal is aborted. */
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
