/** Lets the code of flows, schedules, journals and moves read and change the partitions of a store. */
import type { Database } from './database.ts'
import type { Partition } from './partition.ts'

export interface Access {
  database(): Database
  /**
   * Runs `work` on a partition, without writing. If the partition does not exist, the result is `nothing`.
   */
  look<T>(name: string, nothing: T, work: (partition: Partition) => T): Promise<T>
  /** Runs `work`, which writes, on a partition. */
  change<T>(name: string, work: (partition: Partition) => T): Promise<T>
}
