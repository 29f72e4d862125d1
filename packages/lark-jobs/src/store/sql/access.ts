/** Runs the verbs that are not about jobs: those of schedules and flows. */
import type { Database } from './database.ts'
import type { Partition } from './partition.ts'

export interface Access {
  database(): Database
  /** A verb that reads; returns `nothing` if the partition does not exist. */
  look<T>(name: string, nothing: T, work: (partition: Partition) => T): Promise<T>
  /** A verb that writes. */
  change<T>(name: string, work: (partition: Partition) => T): Promise<T>
}
