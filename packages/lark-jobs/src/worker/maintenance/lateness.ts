/**
 * Measures for how long the store's answers have been late again and again. After a late answer, no job is
 * taken back until living workers have had time to renew their leases. If this rule had no limit, no job
 * would ever be taken back from a store that is always late (a slow disk, a busy machine). But such a store
 * does answer, so after `PATIENCE` all living workers have renewed their leases, and jobs may be taken back.
 */

/** When the answers have been late for the time of this many leases, jobs are taken back all the same. */
export const PATIENCE = 4
/** Late answers that are further apart than the time of this many leases belong to different periods. */
const APART = 1.5

export class Lateness {
  readonly #leaseMs: number
  /** When the present period of late answers began, by `performance.now()`. */
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
