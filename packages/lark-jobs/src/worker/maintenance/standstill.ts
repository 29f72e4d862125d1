/**
 * Notices standstills of this process: its event loop was blocked, the process was suspended, or the machine
 * slept. The time between ticks is measured by the wall clock, because the monotonic clock stops while a
 * machine sleeps.
 */

/**
 * This many milliseconds after a standstill, the process has read all answers that came during the
 * standstill.
 */
const READ = 100

export class Standstill {
  readonly #shortest: number
  #lastTick = Date.now()
  /**
   * The last standstill: its length, and the time until which the process may still read answers that came
   * during the standstill.
   */
  #last = { length: 0, until: 0 }

  /** @param shortest the shortest time between two ticks that counts as a standstill, in milliseconds */
  constructor(shortest: number) {
    this.#shortest = shortest
  }

  /** Starts the measurement. To be called when the ticks begin. */
  begin(): void {
    this.#lastTick = Date.now()
  }

  /** @returns whether there was a standstill since the last tick */
  tick(): boolean {
    const now = Date.now()
    const length = now - this.#lastTick
    this.#lastTick = now
    if (length <= this.#shortest) return false
    this.#last = { length, until: now + READ }
    return true
  }

  /**
   * Milliseconds since the last tick, or the length of the last standstill while its answers may still be
   * read.
   */
  get length(): number {
    const now = Date.now()
    return Math.max(now - this.#lastTick, now < this.#last.until ? this.#last.length : 0)
  }
}
