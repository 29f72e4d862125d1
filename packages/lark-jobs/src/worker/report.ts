/**
 * What a worker tells people: an interface for whoever prints, and the figures it keeps.
 */
import type { LeasedJob, LogLine, Outcome } from '../model/record.ts'

/** A job that runs. */
export interface RunningJob {
  lease: LeasedJob
  /** The name of its class, else its key. */
  name: string
  queue: string
  /** Milliseconds so far. */
  took: number
}

/** How one run ended; `took` is its whole duration. */
export interface Ending extends RunningJob {
  outcome: Outcome
  /** Attempts in all; undefined when no class of the key is known. */
  tries?: number
  /** Time counts (`retryUntil`), and not `tries`. */
  isTimed?: boolean
  /** Of a released one: the job itself asked for it. */
  isAsked?: boolean
}

export interface Report {
  /** A job wrote a line. */
  wrote(lease: LeasedJob, name: string, line: LogLine): void
  /** Jobs that have run for some seconds and are still running; each is reported once. */
  running?(jobs: readonly RunningJob[]): void
  ended(ending: Ending): void
  /** Something that people should know and that ends nothing: the store is away, a lease was lost. */
  warn(text: string): void
  /** Good news of the same kind. */
  info(text: string): void
}

/** What a worker did, in jobs. */
export interface Summary {
  completed: number
  /** Attempts that failed and will be retried. */
  retried: number
  /** Failed for good. */
  failed: number
  /** Put back without failing: given back at the end, by their own wish, or of a key that no class here has. */
  released: number
  cancelled: number
  /** Ended after their lease was lost: another worker has them. */
  lost: number
  /** Milliseconds from the first job's start to the last one's end. */
  took: number
}

export class Tally {
  readonly #counts = { completed: 0, retried: 0, failed: 0, released: 0, cancelled: 0, lost: 0 }
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

  /** @param outcome how it was counted before the store said so */
  lost(outcome?: Outcome): void {
    this.#counts.lost++
    if (outcome !== undefined) this.#counts[kindOf(outcome)]--
  }

  get summary(): Summary {
    return { ...this.#counts, took: this.#first === undefined ? 0 : Math.max(0, this.#last - this.#first) }
  }
}

function kindOf(outcome: Outcome): Exclude<keyof Summary, 'lost' | 'took'> {
  if (outcome.kind === 'failed') return outcome.retryIn === undefined ? 'failed' : 'retried'
  return outcome.kind === 'returned' ? 'released' : outcome.kind
}
