/**
 * Notices when this process was frozen: its event loop was blocked, the process was stopped, or the machine
 * slept. It measures the time between ticks by the wall clock, because the monotonic clock stops while a
 * machine sleeps.
 */

/** Milliseconds in which a process reads all that came while it was frozen. */
const READ = 100

export class Standstill {
  readonly #shortest: number
  #lastTick = Date.now()
  /** The last standstill: how long it was, and until when answers may be read that came during it. */
  #last = { length: 0, until: 0 }

  /** @param shortest milliseconds between two ticks that count as a standstill */
  constructor(shortest: number) {
    this.#shortest = shortest
  }

  /** The ticks begin now. */
  begin(): void {
    this.#lastTick = Date.now()
  }

  /** @returns whether the process was frozen since the last tick */
  tick(): boolean {
    const now = Date.now()
    const length = now - this.#lastTick
    this.#lastTick = now
    if (length <= this.#shortest) return false
    this.#last = { length, until: now + READ }
    return true
  }

  /** Milliseconds for which this process is frozen, or has just been frozen. */
  get length(): number {
    const now = Date.now()
    return Math.max(now - this.#lastTick, now < this.#last.until ? this.#last.length : 0)
  }
}
