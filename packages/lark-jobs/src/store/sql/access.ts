/** Gives the code of flows, schedules, journals and moves access to partitions of a store. */
import type { Database } from './database.ts'
import type { Partition } from './partition.ts'

export interface Access {
  database(): Database
  /** Runs a verb that only reads. If the partition does not exist, the result is `nothing`. */
  look<T>(name: string, nothing: T, work: (partition: Partition) => T): Promise<T>
  /** Runs a verb that writes. */
  change<T>(name: string, work: (partition: Partition) => T): Promise<T>
}
