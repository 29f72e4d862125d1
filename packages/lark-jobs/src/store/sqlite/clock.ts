/**
 * The clock of a store's file: that of the machine, but it never goes back. What is kept are instants, so a clock that is
 * set back would have the leases of the dead, and all delays, last longer by as much.
 *
 * Each partition keeps the instant of its last change, and whoever reads a later one than his own clock has goes on from
 * there. So all processes agree, also one that starts after the clock was set back, or after the machine was.
 *
 *   level   as the machine
 *   ahead   the machine's was set back; this one is slower by a sixteenth until both agree
 */
/** By how much it is slower while it is ahead. */
const SLOWER = 1 / 16

export class Clock {
  readonly #machine: () => number
  /** The latest that was told. */
  #last = 0
  /** Milliseconds before the machine's, when that said `#since`. */
  #ahead = 0
  #since = 0

  /** @param machine milliseconds since 1970 */
  constructor(machine: () => number = () => Date.now()) {
    this.#machine = machine
  }

  /** Milliseconds since 1970, whole ones. */
  now(): number {
    const machine = this.#machine()
    const caughtUp = Math.max(0, machine - this.#since) * SLOWER
    const now = machine + Math.max(0, Math.floor(this.#ahead - caughtUp))
    if (now < this.#last) {
      this.#ahead = this.#last - machine
      this.#since = machine
    } else this.#last = now
    return this.#last
  }

  /** It is this late at least. */
  meet(at: number): void {
    if (at <= this.#last) return
    this.#last = at
    this.now()
  }
}
