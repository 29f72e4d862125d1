/**
 * By how many milliseconds two clocks may drift apart in one millisecond. NTP changes the speed of a clock by
 * at most 500 parts in a million (RFC 5905, MAXFREQ).
 */
const DRIFT = 0.0005

/**
 * Estimates the store's time without a call. The estimate is the last time that the store has told, plus the
 * time since that answer by the monotonic clock. The maintenance (`maintenance.ts`) asks for the store's time
 * at its start and with each survey. So the estimate is also corrected after the machine has slept.
 *
 *   unasked (the time of this process) → asked
 */
export class StoreClock {
  /** Milliseconds by which the store's time is ahead of `performance.now()`. */
  #offset = performance.timeOrigin
  /**
   * When the offset was learned, by `performance.now()`, and by how many milliseconds the offset may have
   * been wrong at that time.
   */
  #learned = { at: 0, within: Number.POSITIVE_INFINITY }
  isAsked = false

  /**
   * Called when the store has told its time.
   *
   * @param at milliseconds since 1970, by the store
   * @param asked when the store was asked, by `performance.now()`. The store is assumed to have read its
   *   clock in the middle between this time and now. A slow answer that agrees with the known offset is
   *   ignored, because the offset is more exact. (When slow answers counted, they moved the estimate under
   *   load by up to half of their own duration, and a sleeping job woke 55 ms early.)
   */
  heard(at: number, asked: number): void {
    const now = performance.now()
    const within = (now - asked) / 2
    const offset = at - (asked + now) / 2
    this.isAsked = true
    const known = this.#learned.within + (now - this.#learned.at) * DRIFT
    if (known < within && Math.abs(offset - this.#offset) <= within) return
    this.#offset = offset
    this.#learned = { at: now, within }
  }

  /** The present time of the store, in milliseconds since 1970. */
  now(): number {
    return this.at(performance.now())
  }

  /** Converts a time by `performance.now()` to the store's time in milliseconds since 1970. */
  at(time: number): number {
    return time + this.#offset
  }
}
