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
  readonly #steady: () => number
  /** The latest time that was returned. */
  #last = 0
  /** While it is ahead: where it goes on from, and what the steady clock said then. */
  #ahead: { from: number; since: number } | undefined

  /**
   * @param machine milliseconds since 1970
   * @param steady milliseconds that nobody can set. The machine's clock does not tell how long it is ahead: when that is
   *   set right again, no time has passed.
   */
  constructor(machine: () => number = () => Date.now(), steady: () => number = () => performance.now()) {
    this.#machine = machine
    this.#steady = steady
  }

  /** Milliseconds since 1970, whole ones. */
  now(): number {
    const machine = this.#machine()
    if (this.#ahead !== undefined) {
      const { from, since } = this.#ahead
      const slow = from + Math.floor((this.#steady() - since) * (1 - SLOWER))
      this.#last = Math.max(this.#last, slow)
    } else if (machine < this.#last) this.#ahead = { from: this.#last, since: this.#steady() }
    if (machine >= this.#last) {
      this.#ahead = undefined
      this.#last = machine
    }
    return this.#last
  }

  /** Tells the clock that the time is at least this late. */
  meet(at: number): void {
    if (at <= this.#last) return
    this.#last = at
    this.#ahead = undefined
    this.now()
  }
}
