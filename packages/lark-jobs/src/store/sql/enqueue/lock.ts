/**
 * Unique jobs. The column `lock` of a job is the name of its lock. Of all jobs with the same lock name, at
 * most one is marked as the holder: its column `holds` has the number of runs that the job had when it took
 * the lock. For all other jobs, `holds` is NULL. The holder has the lock until it ends, or with `untilStart`
 * until its next run starts.
 *
 * Nothing is written when a holder loses its lock. Instead, a new job with the same lock name checks whether
 * the marked holder still has the lock, and takes the lock if not.
 */
import type { Lock, NewJob } from '../../../model/record.ts'
import { saidOfPayload } from '../../contract/rules/options.ts'
import { isMarked } from '../../contract/rules/unreadable.ts'
import { type Enqueued, MAX_ITEMS } from '../../contract/store.ts'
import type { Value } from '../database.ts'
import { move } from '../end/move.ts'
import { hasRecorded } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { changeOptions, changePayload } from '../payload.ts'
import { columns, type JobRow, stateOf } from '../row.ts'
import { COMPLETED, PENDING } from '../states.ts'

/** The value of `untilStart` for a job that holds its lock only while it is being queued. */
const NOT_AT_ALL = 2

const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND lock = ? AND holds IS NOT NULL`
const hold = 'UPDATE jobs SET holds = ? WHERE seq = ?'
const throttled = 'SELECT id FROM throttles WHERE partition = ? AND lock = ? AND until > ?'
const throttle = `
  INSERT INTO throttles (partition, lock, until, id) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET until = excluded.until, id = excluded.id`
const purge = 'DELETE FROM throttles WHERE partition = ? AND lock = ? AND id = ?'
const forget = `
  DELETE FROM throttles WHERE partition = ?1 AND lock IN (
    SELECT lock FROM throttles WHERE partition = ?1 AND until <= ?2 ORDER BY until LIMIT ${MAX_ITEMS}
  )`

/**
 * The verdict for a new job with a lock; undefined if no other job has the lock, so that the new job must be
 * queued.
 */
export function meet(partition: Partition, job: NewJob, lock: Lock): Enqueued | undefined {
  const { database, id, now } = partition
  if (lock.throttle !== undefined) {
    const last = database.get<Pick<JobRow, 'id'>>(throttled, id, lock.name, now)
    if (last !== undefined) return { kind: 'rejected', reason: 'throttled', by: last.id }
  }
  const other = takeOver(partition, lock.name)
  if (other === undefined) {
    if (lock.throttle !== undefined) database.run(throttle, id, lock.name, now + lock.throttle, job.id)
    return undefined
  }
  // The payload of a job with an unknown format cannot be replaced, because this version of Lark cannot write
  // a payload in that format.
  const isChangeable = other.state === PENDING && !isMarked(other.options)
  // If the steps of a job have recorded something, its payload cannot be replaced, because the records would
  // not fit the new payload.
  const mayReplace = lock.replace && isChangeable && !hasRecorded(partition, other)
  if (!mayReplace) return { kind: 'rejected', reason: 'unique', by: other.id }
  changePayload(database, other, job.payload)
  changeOptions(database, other, saidOfPayload(job.options))
  if (lock.debounce !== undefined && stateOf(other, now) === 'delayed') putOff(partition, other, lock)
  return { kind: 'replaced', by: other.id }
}

/** The values of the columns `lock`, `untilStart` and `holds` for a new job. */
export function lockValues(lock: Lock | undefined): Value[] {
  if (lock === undefined) return [null, null, null]
  return [lock.name, lock.until === 'queued' ? NOT_AT_ALL : Number(lock.until === 'start'), 0]
}

/** The job that holds a lock; undefined if no job holds it. */
export function holderOfLock({ database, id }: Partition, name: string): JobRow | undefined {
  const row = database.get<JobRow>(find, id, name)
  return row !== undefined && isHeld(row) ? row : undefined
}

/** Removes the mark of a holder that no longer has the lock. */
export function forgetLock(partition: Partition, name: string): void {
  takeOver(partition, name)
}

/** Removes the mark of a holder that no longer has the lock. @returns the holder if it still has the lock */
function takeOver({ database, id }: Partition, name: string): JobRow | undefined {
  const row = database.get<JobRow>(find, id, name)
  if (row === undefined || isHeld(row)) return row
  database.run(hold, null, row.seq)
  return undefined
}

function isHeld({ state, untilStart, holds, runs }: JobRow): boolean {
  if (untilStart === NOT_AT_ALL) return false
  return untilStart === 1 ? state === PENDING && runs === holds : state < COMPLETED
}

function putOff(
  partition: Partition,
  row: JobRow,
  { debounce = 0, maxWait = Number.POSITIVE_INFINITY }: Lock,
): void {
  const { now } = partition
  const dueAt = Math.max(now, Math.min(now + debounce, row.queuedAt + maxWait))
  move(partition, row, { state: PENDING, dueAt })
}

/** Gives the lock to an ended job that is queued again. @returns false if another job holds the lock */
export function takeAgain(partition: Partition, row: JobRow): boolean {
  if (row.lock === null) return true
  if (takeOver(partition, row.lock) !== undefined) return false
  partition.database.run(hold, row.runs, row.seq)
  return true
}

/** Removes the throttle of a purged job, because the name of a lock may contain personal data. */
export function purgeThrottle({ database, id }: Partition, row: Pick<JobRow, 'id' | 'lock'>): void {
  if (row.lock !== null) database.run(purge, id, row.lock, row.id)
}

/** Removes throttles that have ended, a limited number in each call. */
export function forgetThrottles({ database, id, now }: Partition): void {
  database.run(forget, id, now)
}
