/**
 * Workers that have died: their time ran out, or their supervisor let go of them, and they had not said that
 * they stop. Their records are kept for an hour, with what was taken back from them and by whom.
 */
import type { WorkerRecord } from '../../model/record.ts'

/** Milliseconds. */
export const LOST_KEPT = 3_600_000
/**
 * The most that is kept of one worker: times at which jobs were taken back, and jobs of each by their ids.
 */
export const MOST_TAKEOVERS = 10
export const MOST_TAKEN = 10

/** Jobs that were taken back from a worker. */
export interface Takeover {
  /**
   * A worker by its id, which is that of the worker itself if its process handed them back at its end; or
   * `supervisor`.
   */
  by: string
  /** Milliseconds since 1970, by the store. */
  at: number
  count: number
  /** The first of their ids. */
  jobs: string[]
}

export interface LostWorker extends WorkerRecord {
  /** Until when it counted as alive: milliseconds since 1970, by the store. */
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
