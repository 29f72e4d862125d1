/**
 * What time it is for the store, as this worker knows it without asking: what it said the last time, and what has
 * passed since by a clock that nobody sets. The upkeep asks at its start and with every look for ended leases, which
 * also makes good what a machine that slept has missed.
 *
 *   unasked (this process's own time) → asked
 */
export class StoreClock {
  /** Milliseconds to add to `performance.now()`. */
  #ahead = performance.timeOrigin
  isAsked = false

  /**
   * The store said what time it is.
   *
   * @param at milliseconds since 1970, by the store
   * @param asked when, by `performance.now()`; the answer is taken to be from half-way between then and now
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
