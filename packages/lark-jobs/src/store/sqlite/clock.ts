/**
 * The clock of a store's file. It follows the clock of the machine, but never goes back. The store keeps
 * instants, so a clock that is set back would make all leases and delays longer by the same time.
 *
 * Each partition keeps the instant of its last change. A process that reads an instant later than its own
 * clock continues from there. So all processes agree, also one that starts after the machine's clock was set
 * back, or after a restart of the machine.
 *
 *   level   the same as the clock of the machine
 *   ahead   the clock of the machine was set back: this clock runs slower by a sixteenth until both agree
 */
/** How much slower the clock runs while it is ahead. */
const SLOWER = 1 / 16

export class Clock {
  readonly #machine: () => number
  readonly #steady: () => number
  /** The latest time that was returned. */
  #last = 0
  /**
   * Present only while this clock is ahead: the time from which it continued, and the time of the steady
   * clock at that moment.
   */
  #ahead: { from: number; since: number } | undefined

  /**
   * @param machine milliseconds since 1970
   * @param steady milliseconds of a monotonic clock. It measures how long this clock has been ahead; the
   *   machine's clock cannot, because it may be set again meanwhile
   */
  constructor(machine: () => number = () => Date.now(), steady: () => number = () => performance.now()) {
    this.#machine = machine
    this.#steady = steady
  }

  /** Whole milliseconds since 1970. */
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
   * Tells the clock an instant that another process has recorded: the clock continues from there if it is
   * later.
   */
  meet(at: number): void {
    if (at <= this.#last) return
    this.#last = at
    this.#ahead = undefined
    this.now()
  }
}
