/**
 * Counts how the runs of a worker ended. The tally counts an outcome when the run ends, and subtracts the
 * outcome again if the store says that it does not count, or if the store never answers.
 */
import type { Outcome } from '../model/record.ts'
import type { WorkerSummary } from './report.ts'

export class Tally {
  readonly #counts = {
    completed: 0,
    retried: 0,
    failed: 0,
    released: 0,
    suspended: 0,
    cancelled: 0,
    lost: 0,
    unstored: 0,
  }
  #first: number | undefined
  #last = 0

  /** @param now by `performance.now()` */
  started(now: number): void {
    this.#first ??= now
  }

  ended(outcome: Outcome, now: number): void {
    this.#last = now
    this.#counts[kindOf(outcome)]++
  }

  /** @param outcome the outcome under which the run was counted. Undefined if the run was not counted */
  lost(outcome?: Outcome): void {
    this.#counts.lost++
    if (outcome !== undefined) this.#counts[kindOf(outcome)]--
  }

  /** @param outcome the outcome under which the run was counted */
  unstored(outcome: Outcome): void {
    this.#counts.unstored++
    this.#counts[kindOf(outcome)]--
  }

  get summary(): WorkerSummary {
    return { ...this.#counts, took: this.#first === undefined ? 0 : Math.max(0, this.#last - this.#first) }
  }
}

// New outcome: add the count to which it belongs.
/** The count to which an outcome belongs. */
export function kindOf(outcome: Outcome): Exclude<keyof WorkerSummary, 'lost' | 'unstored' | 'took'> {
  if (outcome.kind === 'failed') return outcome.retryIn === undefined ? 'failed' : 'retried'
  return outcome.kind === 'unstarted' ? 'released' : outcome.kind
}
