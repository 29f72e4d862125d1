/**
 * The clock of a store's file. This clock follows the clock of the machine, but never goes back. The store
 * keeps leases and delays as instants, so they would all last an hour longer if its clock went back by an
 * hour.
 *
 * Each partition keeps the instant of its last change. If a process reads an instant that is later than its
 * own clock, its clock continues from that instant. So the clocks of all processes agree, even if a process
 * starts after the machine's clock was set back.
 *
 *   level   the same as the clock of the machine
 *   ahead   the clock of the machine was set back: this clock runs slower by a sixteenth until both agree
 */
/** How much slower the clock runs while it is ahead. */
const SLOWER = 1 / 16

export class Clock {
  readonly #machine: () => number
  readonly #steady: () => number
  /** The latest time that `now()` returned. */
  #last = 0
  /**
   * Present only while this clock is ahead: the time from which this clock continued, and the time of the
   * steady clock at that moment.
   */
  #ahead: { from: number; since: number } | undefined

  /**
   * @param machine returns the time of the machine's clock: milliseconds since 1970
   * @param steady returns the milliseconds of a monotonic clock, to measure how long this clock has been
   *   ahead. The machine's clock cannot measure this, because somebody may set that clock again
   */
  constructor(machine: () => number = () => Date.now(), steady: () => number = () => performance.now()) {
    this.#machine = machine
    this.#steady = steady
  }

  /** The present time, in whole milliseconds since 1970. */
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

  /**
   * Moves this clock forward to an instant that another process has written into the file, if this instant is
   * later than now.
   */
  meet(at: number): void {
    if (at <= this.#last) return
    this.#last = at
    this.#ahead = undefined
    this.now()
  }
}
