/**
 * Measures for how long the store's answers have been late again and again. After a late answer, living
 * workers get time to renew their leases before any job is taken back. If a store is always late, because its
 * disk is slow or its machine busy, no job would ever be taken back. But such a store does answer, so after a
 * while all living workers have renewed.
 */

/** In leases: how long the store may be late before recoveries go on anyway. */
export const PATIENCE = 4
/** In leases: late answers that are further apart than this do not belong to the same period. */
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
