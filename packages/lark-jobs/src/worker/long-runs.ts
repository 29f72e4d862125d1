/**
 * Jobs that have run for a while, each told of once, so that nobody takes a silent worker for a dead one. There is one
 * timer for all: most jobs end long before it, and a timer each would be set and cleared for nothing.
 */

/** Milliseconds after which a job is told of. Most jobs have ended by then. */
export const LONG = 3_000
/** Milliseconds between two looks, at the least: jobs that began shortly after each other are told of together. */
const LOOK = 500

export class LongRuns<R extends { readonly startedAt: number }> {
  readonly #running: Iterable<R>
  readonly #tell: (long: R[]) => void
  #timer: NodeJS.Timeout | undefined
  /** What began up to then, by `performance.now()`, has been told of. */
  #told = Number.NEGATIVE_INFINITY

  /** @param running in the order in which they began @param tell called with those that are new */
  constructor(running: Iterable<R>, tell: (long: R[]) => void) {
    this.#running = running
    this.#tell = tell
  }

  /** A job has begun. */
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
