/**
 * Reports each long-running job once, so that a worker with long jobs does not look dead. All jobs share one
 * timer, because most jobs end so soon that a timer for each job would be set and cleared for nothing.
 */

/** Milliseconds after which a running job is reported. Most jobs have ended before this time. */
export const LONG = 3_000
/**
 * The minimum time between two reports, in milliseconds. So jobs that started shortly after each other are
 * reported together.
 */
const LOOK = 500

export class LongRuns<R extends { readonly startedAt: number }> {
  readonly #running: Iterable<R>
  readonly #tell: (long: R[]) => void
  #timer: NodeJS.Timeout | undefined
  /** All jobs that started before this time (by `performance.now()`) have been reported. */
  #told = Number.NEGATIVE_INFINITY

  /**
   * @param running the running jobs, in the order in which they began
   * @param tell called with the long-running jobs that were not reported before
   */
  constructor(running: Iterable<R>, tell: (long: R[]) => void) {
    this.#running = running
    this.#tell = tell
  }

  /** Notes that a job has started. */
  watch(): void {
    if (this.#timer === undefined) this.#arm(LONG)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #arm(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), ms)
  }

  #look(): void {
    this.#timer = undefined
    const now = performance.now()
    const long: R[] = []
    for (const running of this.#running) {
      if (running.startedAt > now - LONG) {
        this.#arm(Math.max(LOOK, running.startedAt + LONG - now))
        break
      }
      if (running.startedAt > this.#told) long.push(running)
    }
    this.#told = now - LONG
    if (long.length > 0) this.#tell(long)
  }
}
