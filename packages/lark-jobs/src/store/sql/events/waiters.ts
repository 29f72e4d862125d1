/**
 * The callers that wait for jobs. The table `waiters` has one row for each caller and partition. A row is in
 * one of two states:
 *
 *   idle    The caller waits for jobs: its last `exchange`, at `since`, got fewer jobs than it wanted.
 *   rung    A job came for the caller. The next `wait` of the caller returns the partition and removes the
 *           row.
 *
 * Other rows have a `notice` that is not 0. Such a row says that the caller has a notice in the partition,
 * and is in the state `rung` from the beginning. `notice` is the `seq` of a job for which a signal
 * has come, or -1 for any other notice.
 *
 * The rows are in the file, so that a process that queues N jobs can ring exactly N callers. A process that
 * dies leaves its idle rows behind. Such rows seldom take a ring from a live caller: the caller that called
 * last is rung first, and live callers call again every few seconds. If a caller does not take a ring within
 * `STALE`, because its process hangs or has just died, another waiting caller takes the ring.
 */

import { latestToken } from '../claim/lease.ts'
import type { Database } from '../database.ts'
import type { Partition } from '../partition.ts'
import { holderOf, list } from '../row.ts'

/** Milliseconds after which another caller may take a ring that its caller has not taken. */
export const STALE = 1_000
/** Milliseconds after which a row is removed, because its process has died or hangs. */
const FORGOTTEN = 60_000
/**
 * Milliseconds after which a waiting caller refreshes its rows to show that it is alive. `few` is for callers
 * that wait in at most `FEW` partitions, and `many` for all other callers. During this time after the death
 * of a process, a ring may still go to the dead process first.
 */
const REFRESH = { few: 4_000, many: 15_000 }
const FEW = 100

const join = `
  INSERT INTO waiters (caller, partition, since) VALUES (?, ?, ?)
  ON CONFLICT DO UPDATE SET since = excluded.since, rungAt = NULL`
const leave = 'DELETE FROM waiters WHERE caller = ? AND partition = ? AND notice = 0'
const leaveAll = 'DELETE FROM waiters WHERE caller = ? RETURNING partition, rungAt, notice'
const forget = 'DELETE FROM waiters WHERE partition = ? AND rungAt IS NULL AND since < ?'
const forgetRung = 'DELETE FROM waiters WHERE rungAt < ?'
/**
 * SQL for a row of `partitions`: whether the partition has rows that `forgetWaiters` would remove at the
 * instant `now`.
 */
export const olderWaiters = (now: string) =>
  `EXISTS (SELECT 1 FROM waiters WHERE partition = partitions.id AND rungAt IS NULL AND since < ${now} - ${FORGOTTEN})`
const refresh = `
  UPDATE waiters SET since = ?
  WHERE caller = ? AND partition IN (SELECT value FROM json_each(?)) AND notice = 0 AND rungAt IS NULL`
const idle = `
  SELECT caller FROM waiters WHERE partition = ? AND rungAt IS NULL AND caller <> ?
  ORDER BY since DESC LIMIT ?`
const setRung = 'UPDATE waiters SET rungAt = ? WHERE caller = ? AND partition = ? AND notice = 0'
const note = `
  INSERT INTO waiters (caller, partition, since, rungAt, notice) VALUES (?1, ?2, ?3, ?3, ?4) ON CONFLICT DO NOTHING`
const take = `
  DELETE FROM waiters WHERE caller = ? AND rungAt IS NOT NULL
  RETURNING (SELECT name FROM partitions WHERE id = partition) AS name, notice,
    (SELECT id FROM jobs WHERE seq = notice) AS job`
const isRung = 'SELECT 1 FROM waiters WHERE caller = ? AND rungAt IS NOT NULL LIMIT 1'
/**
 * SQL that finds rings that other callers have not taken. CROSS JOIN makes SQLite begin with the rows in the
 * state `rung`, because these are few.
 */
const stale = `
  SELECT theirs.partition, theirs.caller FROM waiters AS theirs CROSS JOIN waiters AS mine
  WHERE theirs.rungAt <= ?2 AND theirs.caller <> ?1 AND theirs.notice = 0
    AND mine.caller = ?1 AND mine.partition = theirs.partition AND mine.notice = 0 AND mine.rungAt IS NULL
  GROUP BY theirs.partition`

export function joinWaiters(partition: Partition, caller: string): void {
  partition.database.run(join, caller, partition.id, partition.now)
}

export function leaveWaiters(partition: Partition, caller: string): void {
  partition.database.run(leave, caller, partition.id)
}

/**
 * Removes all rows of a caller. If the caller has not taken a ring, another caller is rung in its place.
 *
 * @returns the callers that are rung in place of this caller
 */
export function leaveAllWaiters(database: Database, caller: string): string[] {
  return database
    .all<{ partition: number; rungAt: number | null; notice: number }>(leaveAll, caller)
    .filter((row) => row.rungAt !== null && row.notice === 0)
    .flatMap((row) => ring({ database, id: row.partition, now: database.now() }, 1))
}

export function forgetWaiters(partition: Partition): void {
  partition.database.run(forget, partition.id, partition.now - FORGOTTEN)
}

/**
 * Milliseconds after which a live caller refreshes its rows. @param partitions the number of partitions in
 * which the caller waits
 */
export function refreshAge(partitions: number): number {
  return partitions > FEW ? REFRESH.many : REFRESH.few
}

/** @param partitions the ids of the partitions */
export function refreshWaiters(database: Database, caller: string, partitions: readonly number[]): void {
  if (partitions.length > 0) database.run(refresh, database.now(), caller, list(partitions))
}

/** Removes old rings that no caller has taken. */
export function forgetRings(database: Database): void {
  database.run(forgetRung, database.now() - FORGOTTEN)
}

/** Rings idle callers of the partition, at most `count`. @returns the ids of the callers */
export function ring(
  partition: Pick<Partition, 'database' | 'id' | 'now'>,
  count: number,
  except = '',
): string[] {
  if (count <= 0) return []
  const { database, id, now } = partition
  const callers = database.all<{ caller: string }>(idle, id, except, count).map((row) => row.caller)
  for (const caller of callers) database.run(setRung, now, caller, id)
  return callers
}

/**
 * Rings callers because of what this transaction has changed. For each job that was queued or put back and
 * was not claimed, one caller is rung. If this transaction made a job, a schedule or a flow due earlier than
 * all others, one caller is rung, so that it learns the new time. If the partition was resumed, or got a
 * pause with an end, all callers are rung, so that they learn when jobs may begin.
 */
export function ringForNews(partition: Partition, except?: string): string[] {
  const rung = ringForJobs(partition, except)
  if (partition.ticksSooner) rung.push(...ring(partition, 1, except))
  if (partition.owes && rung.length === 0) return ringForEffects(partition, except)
  return rung
}

function ringForJobs(partition: Partition, except?: string): string[] {
  if (partition.ringsAll) return ring(partition, Number.MAX_SAFE_INTEGER, except)
  if (partition.paused) return []
  const left = Math.min(partition.came + partition.freed, partition.waiting)
  return ring(partition, left + Number(partition.sooner), except)
}

/**
 * Rings a caller that will ask for the effects: a caller that waits, or if none waits, a caller that holds
 * jobs.
 */
function ringForEffects(partition: Partition, except?: string): string[] {
  const rung = ring(partition, 1, except)
  const token = rung.length === 0 ? latestToken(partition) : undefined
  if (token !== undefined) notify(partition, holderOf(token))
  return rung
}

/** Whether the caller was rung, or can take a ring that another caller has not taken. */
export function hasRing(database: Database, caller: string): boolean {
  if (database.get(isRung, caller) !== undefined) return true
  return database.get(stale, caller, database.now() - STALE) !== undefined
}

/**
 * Leaves a notice for a caller, which will be rung after the commit. The caller is a worker that holds the
 * job of the notice, a watcher, or a listener.
 *
 * @param signalled the `seq` of a job, if the notice says only that a signal has come for this job
 */
export function notify({ database, id, now, noticed }: Partition, caller: string, signalled = -1): void {
  database.run(note, caller, id, now, signalled)
  noticed.push(caller)
}

/**
 * Takes the rings of a caller, and rings that other callers have not taken.
 *
 * @returns `rung`: the names of the partitions that may have jobs for the caller. `noticed`: the names of the
 *   partitions with a notice, each with the id of a job if the notice is only about a signal
 */
export function takeRings(
  database: Database,
  caller: string,
): { rung: string[]; noticed: [partition: string, signalled?: string][] } {
  const now = database.now()
  for (const theirs of database.all<{ partition: number; caller: string }>(stale, caller, now - STALE)) {
    database.run(leave, theirs.caller, theirs.partition)
    database.run(setRung, now, caller, theirs.partition)
  }
  const rows = database.all<{ name: string; notice: number; job: string | null }>(take, caller)
  return {
    rung: rows.filter(({ notice }) => notice === 0).map(({ name }) => name),
    noticed: rows
      .filter(({ notice }) => notice !== 0)
      .map(({ name, job }) => (job === null ? [name] : [name, job])),
  }
}
