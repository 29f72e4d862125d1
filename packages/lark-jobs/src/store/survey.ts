/**
 * What there is to do in partitions: what a worker asks every few seconds, of many at once, instead of asking each what
 * each verb would find there.
 */
import type { WorkerRecord } from '../record.ts'

/** A partition that is looked at: for leases and endings, and for what else is said. */
export interface Surveyed {
  partition: string
  /** The caller rests there: when may a job begin? */
  waits?: boolean
  /** Would `prune` find something? */
  prunes?: boolean
}

/** A worker that is made known, as by `announce`. */
export interface Announced {
  worker: WorkerRecord
  /** Milliseconds. */
  ttl: number
}

/** What a partition has. Where it has nothing of a kind, or was not asked for it, that is undefined. */
export interface Finding {
  partition: string
  /** Milliseconds since 1970, by the clock of its part of the store. */
  at: number
  /** Milliseconds until the next lease ends; 0 when one has ended. */
  nextLeaseEnd?: number
  /** Milliseconds until there is something for `endings`. */
  nextEnding?: number
  /**
   * Milliseconds until a job may begin, as far as that is known. 0 as well when the caller is not noted as waiting there:
   * it was rung, or another server has taken over that never heard of it.
   */
  nextDue?: number
  /** `prune` would find something. */
  isOld?: boolean
}

export interface Survey {
  /** Milliseconds since 1970, by the clock of any part of the store that answered. */
  at: number
  /** How many partitions ever held a job; undefined when no worker was announced. */
  partitions?: number
  /** Of the partitions that have something, in no order. */
  findings: Finding[]
  /** Partitions that could not be looked at, and why: their part of the store is away, or what it keeps is damaged. */
  failures: ReadonlyMap<string, unknown>
  /** Why the worker could not be announced, where the partitions could be looked at all the same. */
  unannounced?: unknown
}
