/**
 * Types of `Store.survey`: what there is to do in partitions. A worker asks this every few seconds for many partitions
 * at once, instead of calling each verb on each partition.
 */
import type { WorkerRecord } from '../../model/record.ts'

/** A partition to survey. Leases and effects are always surveyed; the flags ask for more. */
export interface Surveyed {
  partition: string
  /** The caller is idle there, and asks when a job may begin. */
  waits?: boolean
  /** Asks whether `prune` would find something. */
  prunes?: boolean
}

/** A worker to announce, as `announce` does. */
export interface Announced {
  worker: WorkerRecord
  /** Milliseconds. */
  ttl: number
}

/** What there is to do in a partition. A field is undefined if there is nothing, or if it was not asked for. */
export interface Finding {
  partition: string
  /** Milliseconds since 1970, by the clock of its part of the store. */
  at: number
  /** Milliseconds until the next lease ends; 0 when one has ended. */
  nextLeaseEnd?: number
  /** Milliseconds until there is an effect to hand out. */
  nextEffect?: number
  /**
   * Milliseconds until a job may begin, as far as the store knows. Also 0 if the caller is not registered as waiting
   * there, because it was rung, or because another server has taken over that does not know the caller.
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
  /** Only partitions with something to do, in no order. */
  findings: Finding[]
  /** The error for each partition that could not be surveyed: its part of the store is away, or its data is damaged. */
  failures: ReadonlyMap<string, unknown>
  /** The error, if the partitions could be surveyed but the worker could not be announced. */
  unannounced?: unknown
}
