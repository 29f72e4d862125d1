/**
 * For how long the store has been late again and again. After a late answer, living workers get time to renew
 * what they hold before anybody takes it. A store that is always late, because its disk is slow or its
 * machine busy, would make everybody wait for ever. But it answers: so after a while those who live have
 * renewed.
 */

/** In leases: how long a store is late until what it holds up goes on all the same. */
export const PATIENCE = 4
/** In leases: late answers that are further apart do not belong together. */
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

  /** An answer was late. @param isOutage so late that those who live may have lost what they hold */
  note(isOutage: boolean): void {
    const now = performance.now()
    if (isOutage || now > this.#until) this.#since = now
    this.#until = now + APART * this.#leaseMs
  }

  /** Whether the store has been late for so long that those who live have renewed. */
  get isLong(): boolean {
    const now = performance.now()
    return now <= this.#until && now - this.#since >= PATIENCE * this.#leaseMs
  }
}
