/**
 * Workers that have died: their time ran out, or their supervisor gave them up, without a message that they
 * stop. Their records are kept for an hour, together with the jobs that were taken back from them and who
 * took them.
 */
import type { WorkerRecord } from '../../model/record.ts'

/** Milliseconds for which the record of a dead worker is kept. */
export const LOST_KEPT = 3_600_000
/** How many takeovers are kept for one worker, and how many job ids for each takeover. */
export const MOST_TAKEOVERS = 10
export const MOST_TAKEN = 10

/** Jobs that were taken back from a worker. */
export interface Takeover {
  /**
   * The id of the worker that took the jobs; the lost worker's own id, if its process gave them back when it
   * ended; or `supervisor`.
   */
  by: string
  /** Milliseconds since 1970, by the store. */
  at: number
  count: number
  /** The first of their ids. */
  jobs: string[]
}

export interface LostWorker extends WorkerRecord {
  /** When the worker stopped counting as alive: milliseconds since 1970, by the store. */
  endedAt: number
  /** The oldest first. */
  taken: Takeover[]
}

/** The takeovers in a value of a store, without those that cannot be read. */
export function takeoversIn(values: unknown): Takeover[] {
  if (!Array.isArray(values)) return []
  return values.filter(
    (each): each is Takeover =>
      typeof each?.by === 'string' && typeof each.at === 'number' && Array.isArray(each.jobs),
  )
}
