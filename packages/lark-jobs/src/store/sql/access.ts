/** Runs the verbs of the interfaces beside the job verbs: flows, schedules, journals and moves. */
import type { Database } from './database.ts'
import type { Partition } from './partition.ts'

export interface Access {
  database(): Database
  /** Runs a verb that reads; returns `nothing` if the partition does not exist. */
  look<T>(name: string, nothing: T, work: (partition: Partition) => T): Promise<T>
  /** Runs a verb that writes. */
  change<T>(name: string, work: (partition: Partition) => T): Promise<T>
}
