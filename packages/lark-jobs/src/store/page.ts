/**
 * What a store shows of a partition to people: jobs by page, how many there are, what ended lately.
 */
import type { JobRecord, State } from '../record.ts'

/** A page of ids in their order. `cursor` undefined: the last page. */
export interface Page {
  jobs: JobRecord[]
  cursor?: string
}

/** Ended jobs: the newest end first; active: by lease end, token, place in the claim; others: as they would run. */
export interface Filter {
  state: State
  /** Default 100, at most 1,000. */
  limit?: number
  cursor?: string
}

export type Counts = Record<State, number>

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
