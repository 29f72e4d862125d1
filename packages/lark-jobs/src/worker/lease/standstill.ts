/**
 * Whether this process stood still: its loop was blocked, it was stopped, or the machine slept. It is told so by whoever
 * ticks. By the wall clock, because a machine that sleeps stops the other.
 */

/** Milliseconds in which a process that stood still has read what came meanwhile. */
const READ = 100

export class Standstill {
  readonly #shortest: number
  #lastTick = Date.now()
  /** The last one: for how long, and until when it may matter to what comes in. */
  #last = { length: 0, until: 0 }

  /** @param shortest milliseconds between two ticks that are one */
  constructor(shortest: number) {
    this.#shortest = shortest
  }

  /** Ticks begin now. */
  begin(): void {
    this.#lastTick = Date.now()
  }

  /** @returns whether it stood still since the last tick */
  tick(): boolean {
    const now = Date.now()
    const length = now - this.#lastTick
    this.#lastTick = now
    if (length <= this.#shortest) return false
    this.#last = { length, until: now + READ }
    return true
  }

  /** Milliseconds for which it has stood still, or did just now. */
  get length(): number {
    const now = Date.now()
    return Math.max(now - this.#lastTick, now < this.#last.until ? this.#last.length : 0)
  }
}
