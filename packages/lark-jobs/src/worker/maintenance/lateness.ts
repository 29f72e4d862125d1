/**
 * How long the store has been late again and again. After a late answer, living workers get time to renew
 * their leases before any lease is taken back. With a store that is always late, because its disk is slow or
 * its machine busy, everybody would wait for ever. But such a store answers, so after a while all living
 * workers have renewed.
 */

/** In leases: how long the store may be late before recoveries go on anyway. */
export const PATIENCE = 4
/** In leases: late answers that are further apart do not count as one period. */
const APART = 1.5

export class Lateness {
  readonly #leaseMs: number
  /** By `performance.now()`. */
  #since = 0
  #until = 0

  /** @param leaseMs milliseconds */
  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs
  }

  /** An answer was late. @param isOutage so late that living workers may have lost their leases */
  note(isOutage: boolean): void {
    const now = performance.now()
    if (isOutage || now > this.#until) this.#since = now
    this.#until = now + APART * this.#leaseMs
  }

  /** Whether the store has been late for so long that all living workers have renewed. */
  get isLong(): boolean {
    const now = performance.now()
    return now <= this.#until && now - this.#since >= PATIENCE * this.#leaseMs
  }
}
