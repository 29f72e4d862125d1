/**
 * The store's time, as the worker knows it without a call: the time that the store said last, and what has passed since
 * then by a clock that nobody sets. The maintenance (`maintenance.ts`) learns the time at its start and with each
 * survey, which also corrects the clock after the machine has slept.
 *
 *   unasked (the time of this process) → asked
 */
export class StoreClock {
  /** Milliseconds to add to `performance.now()`. */
  #ahead = performance.timeOrigin
  isAsked = false

  /**
   * The store said what time it is.
   *
   * @param at milliseconds since 1970, by the store
   * @param asked when the store was asked, by `performance.now()`. The answer counts as from half-way between then and
   *   now
   */
  heard(at: number, asked: number): void {
    this.#ahead = at - (asked + performance.now()) / 2
    this.isAsked = true
  }

  /** Milliseconds since 1970, by the store. */
  now(): number {
    return performance.now() + this.#ahead
  }
}
