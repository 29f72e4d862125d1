/**
 * Workers that have died. A worker counts as dead if it did not report its stop, and one of two things
 * happened: it was not announced again in time, or its supervisor noticed the end of its process. The record
 * of a dead worker is kept for an hour, with the jobs that were taken back from the worker and the ids of the
 * workers that took them.
 */
import type { WorkerRecord } from '../../model/record.ts'

/** Milliseconds for which the record of a dead worker is kept. */
export const LOST_KEPT = 3_600_000
/** How many takeovers are kept for one dead worker, and how many ids of jobs for one takeover. */
export const MOST_TAKEOVERS = 10
export const MOST_TAKEN = 10

/** A takeover: jobs that were taken back from a dead worker in one call. */
export interface Takeover {
  /**
   * The id of the worker that took the jobs back, or `supervisor`. If the process of the dead worker gave the
   * jobs back itself, the id is that of the dead worker.
   */
  by: string
  /** When the jobs were taken back: milliseconds since 1970, by the store's clock. */
  at: number
  count: number
  /** The first ids of the jobs that were taken back. */
  jobs: string[]
}

export interface LostWorker extends WorkerRecord {
  /** When the worker stopped counting as alive: milliseconds since 1970, by the store's clock. */
  endedAt: number
  /** What was taken back from the worker, the oldest takeover first. */
  taken: Takeover[]
}

/** Reads the takeovers in a value from a store. Takeovers that cannot be read are left out. */
export function takeoversIn(values: unknown): Takeover[] {
  if (!Array.isArray(values)) return []
  return values.filter(
    (each): each is Takeover =>
      typeof each?.by === 'string' && typeof each.at === 'number' && Array.isArray(each.jobs),
  )
}
