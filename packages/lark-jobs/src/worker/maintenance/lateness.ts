/**
 * Measures for how long the store's answers have been late again and again. After a late answer, no job is
 * taken back until living workers have had time to renew their leases. With a store that is always late (a
 * slow disk, a busy machine), no job would ever be taken back. Such a store does answer, however, so after a
 * while all living workers have renewed their leases, and jobs may be taken back.
 */

/** After this time of late answers, jobs are taken back in spite of them. In lengths of a lease. */
export const PATIENCE = 4
/** Late answers that are further apart than this belong to different periods. In lengths of a lease. */
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

  /**
   * Notes a late answer. @param isOutage whether the answer was so late that living workers may have lost
   * their leases
   */
  note(isOutage: boolean): void {
    const now = performance.now()
    if (isOutage || now > this.#until) this.#since = now
    this.#until = now + APART * this.#leaseMs
  }

  /**
   * Whether the store has been late for so long that all living workers have renewed their leases meanwhile.
   */
  get isLong(): boolean {
    const now = performance.now()
    return now <= this.#until && now - this.#since >= PATIENCE * this.#leaseMs
  }
}
