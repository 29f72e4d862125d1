/**
 * By how many milliseconds two clocks may drift apart in one. NTP corrects a clock by at most 500 in a
 * million (RFC 5905, MAXFREQ).
 */
const DRIFT = 0.0005

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
  /**
   * When the offset was learned, by `performance.now()`, and by how many milliseconds it may have been wrong
   * then.
   */
  #learned = { at: 0, within: Number.POSITIVE_INFINITY }
  isAsked = false

  /**
   * The store has answered its time.
   *
   * @param at milliseconds since 1970, by the store
   * @param asked when the store was asked, by `performance.now()`. The store's time is assumed to be from the
   *   middle between then and now. A slow answer that agrees with the known offset is less exact than that
   *   offset, so it changes nothing. (When slow answers counted, they moved the clock under load by up to
   *   half the time that they took, and a sleeping job woke 55 ms early.)
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

  /** Milliseconds since 1970, by the store. */
  now(): number {
    return this.at(performance.now())
  }

  /** Milliseconds since 1970, by the store, of a time by `performance.now()`. */
  at(time: number): number {
    return time + this.#offset
  }
}
