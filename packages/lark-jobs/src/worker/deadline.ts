/**
 * Timeouts, with one timer for all jobs that run: most jobs end long before theirs, so a timer each would be set
 * and cleared for nothing.
 */
import type { Running } from './running.ts'

/** The longest that a Node timer can wait; a later deadline is looked at again then. */
const LONGEST = 2_147_483_647

export class Deadline {
  readonly #running: ReadonlySet<Running>
  readonly #reasons = new WeakMap<Running, () => Error>()
  #timer: NodeJS.Timeout | undefined
  #next = Number.POSITIVE_INFINITY

  constructor(running: ReadonlySet<Running>) {
    this.#running = running
  }

  /** @param timeout milliseconds from the job's start, after which its signal is aborted with `reason()` */
  set(running: Running, timeout: number, reason: () => Error): void {
    running.deadline = running.startedAt + timeout
    this.#reasons.set(running, reason)
    if (running.deadline < this.#next) this.#arm(running.deadline)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(at: number): void {
    clearTimeout(this.#timer)
    this.#next = at
    this.#timer = setTimeout(() => this.#look(), Math.min(LONGEST, Math.max(0, at - performance.now())))
  }

  #look(): void {
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const running of this.#running) {
      if (running.deadline <= now) {
        running.deadline = Number.POSITIVE_INFINITY
        running.run.abort(this.#reasons.get(running)!())
      } else {
        next = Math.min(next, running.deadline)
      }
    }
    this.#next = Number.POSITIVE_INFINITY
    if (next < Number.POSITIVE_INFINITY) this.#arm(next)
  }
}
