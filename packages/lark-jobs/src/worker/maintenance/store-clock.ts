/**
 * The store's time, as the worker knows it without a call: the last time that the store has answered, plus
 * the time since then by the monotonic clock. The maintenance (`maintenance.ts`) learns the time at its start
 * and with each survey, which also corrects the clock after the machine has slept.
 *
 *   unasked (the time of this process) → asked
 */
export class StoreClock {
  /** Milliseconds by which the store's time is ahead of `performance.now()`. */
  #offset = performance.timeOrigin
  isAsked = false

  /**
   * The store has answered its time.
   *
   * @param at milliseconds since 1970, by the store
   * @param asked when the store was asked, by `performance.now()`. The answer is assumed to be from the
   *   middle between then and now
   */
  heard(at: number, asked: number): void {
    this.#offset = at - (asked + performance.now()) / 2
    this.isAsked = true
  }

  /** Milliseconds since 1970, by the store. */
  now(): number {
    return this.at(performance.now())
  }

  /** Milliseconds since 1970, by the store, of a time by `performance.now()`. */
  at(time: number): number {
    return time + this.#offset
  }
}
