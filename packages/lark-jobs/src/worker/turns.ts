/**
 * Whose turn it is: the order in which the queues may ask for jobs, and how many a call.
 *
 * Strict: as listed; a later queue gets what the earlier ones leave. Fair: each queue begins once, and gets at most
 * its part of the slots a call, so that none of them takes all while others have jobs.
 */
import type { Claimer } from './claimer.ts'

export class Turns {
  readonly #claimers: readonly Claimer[]
  readonly #strict: boolean
  readonly #concurrency: number
  #first = 0

  constructor(claimers: readonly Claimer[], strict: boolean, concurrency: number) {
    this.#claimers = claimers
    this.#strict = strict
    this.#concurrency = concurrency
  }

  next(): readonly Claimer[] {
    if (this.#strict || this.#claimers.length === 1) return this.#claimers
    this.#first = (this.#first + 1) % this.#claimers.length
    return [...this.#claimers.slice(this.#first), ...this.#claimers.slice(0, this.#first)]
  }

  /** The most jobs that one queue asks for in one call. */
  share(now: number): number {
    if (this.#strict) return this.#concurrency
    const busy = this.#claimers.filter((claimer) => claimer.calling || claimer.restUntil <= now).length
    return Math.ceil(this.#concurrency / Math.max(1, busy))
  }
}
