/**
 * What a store shows of a partition to people: jobs by page, how many there are, what ended lately.
 */
import type { JobRecord, State } from '../record.ts'

/**
 * Jobs in their order, as many as were asked for or as go into `MAX_BYTES`: one that is larger comes alone. `cursor`
 * undefined: the last page. A page that has one may be short, or empty.
 */
export interface Page<T = JobRecord> {
  jobs: T[]
  cursor?: string
}

/** Only what is needed to choose jobs and to name them. */
export type JobHead = Pick<JobRecord, 'id' | 'key'>

/** Ended jobs: the newest end first; active: by lease end, token, place in the claim; others: as they would run. */
export interface Filter {
  state: State
  /** Default 100, at most 1,000. */
  limit?: number
  cursor?: string
}

export type Counts = Record<State, number>

/** The counts, minutes and pauses of a partition. */
export interface Standing {
  counts: Counts
  /** It is paused, or a group of it. */
  isPaused: boolean
  /** As `Store.minutes` has them. */
  minutes: Minute[]
}

/** What ended within one minute. */
export interface Minute {
  /** Its first millisecond, since 1970. */
  at: number
  completed: number
  /** For good: by their tries or by their crashes. */
  failed: number
  /** Attempts that failed and were to be made again. */
  retried: number
}
