/**
 * Silences of the store (`store/contract/rules/silence.ts`). A partition keeps the time of its last survey
 * and the end of its last silence. The table `doubts` has the jobs that were taken back after a silence.
 */
import { DOUBT_AGE, type DoubtedJob, MAX_DOUBTS, silenceOf } from '../../contract/rules/silence.ts'
import type { Finding } from '../../contract/store.ts'
import type { Database } from '../database.ts'
import type { Partition } from '../partition.ts'
import { list } from '../row.ts'

const hear = `
  UPDATE partitions SET heardAt = ?2, silentAt = CASE
    WHEN ?2 - max(coalesce(heardAt, 0), (SELECT min(leaseEnd) FROM leases WHERE partition = partitions.id) - ?3) > ?4
    THEN ?2 ELSE silentAt END
  WHERE name IN (SELECT value FROM json_each(?1)) AND EXISTS (SELECT 1 FROM leases WHERE partition = partitions.id)`
const findSilence = 'SELECT silentAt FROM partitions WHERE id = ?'
const isDoubt = 'SELECT 1 FROM doubts WHERE partition = ? AND id = ?'
const keep = 'INSERT OR REPLACE INTO doubts (partition, id, at) VALUES (?, ?, ?)'
const forget = `
  DELETE FROM doubts WHERE partition = ?1 AND (at <= ?2 OR id NOT IN (
    SELECT id FROM doubts WHERE partition = ?1 ORDER BY at DESC, id LIMIT ${MAX_DOUBTS}
  ))`
const resolve = 'DELETE FROM doubts WHERE partition = ? AND id = ?'
const newest = 'SELECT id, at FROM doubts WHERE partition = ? AND at > ? ORDER BY at DESC, id LIMIT 100'

export function hasLease({ nextLeaseEnd }: Finding): boolean {
  return nextLeaseEnd !== undefined
}

/** Notes that a worker has surveyed partitions. Nothing is written for partitions without leases. */
export function hearIn(
  database: Database,
  asked: readonly Pick<Finding, 'partition'>[],
  leaseMs: number,
  now: number,
): void {
  if (asked.length === 0) return
  database.run(hear, list(asked.map(({ partition }) => partition)), now, leaseMs, silenceOf(leaseMs))
}

/**
 * The time until which leases are prolonged that have not been renewed since the last silence; 0 if there was
 * no silence.
 */
export function graceOf({ database, id }: Partition, leaseMs: number): number {
  const { silentAt } = database.get<{ silentAt: number | null }>(findSilence, id)!
  return silentAt === null ? 0 : silentAt + leaseMs
}

/** Whether a job was taken back after an earlier silence. */
export function isDoubted({ database, id }: Partition, job: string): boolean {
  return database.get(isDoubt, id, job) !== undefined
}

export function keepDoubts({ database, id, now }: Partition, jobs: readonly string[]): void {
  for (const job of jobs) database.run(keep, id, job, now)
  if (jobs.length > 0) database.run(forget, id, now - DOUBT_AGE)
}

/** Removes the doubt about a job, because the job was purged or its late outcome has arrived. */
export function forgetDoubt({ database, id }: Partition, job: string): void {
  database.run(resolve, id, job)
}

export function doubtsIn({ database, id, now }: Partition): DoubtedJob[] {
  return database.all<DoubtedJob>(newest, id, now - DOUBT_AGE)
}
