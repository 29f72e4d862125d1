/**
 * The callers that wait for jobs, one row for each caller and partition.
 *
 *   idle    its last exchange, at `since`, got fewer jobs than it wanted
 *   rung    a job came for it. Its next `wait` returns the partition and removes the row
 *
 * A row with a `notice` other than 0 is for a caller that has a notice in the partition, not for one that
 * waits for jobs. It is in the state `rung` from the beginning. The notice is the `seq` of a job for which a
 * signal has come, or -1 for any other notice.
 *
 * Rows are in the file, so that any process can ring exactly as many callers as it brings jobs. A process
 * that dies leaves idle rows behind. They do not take rings away from live workers: the caller that asked
 * last is rung first, and live callers ask again every few seconds, so they come before the rows of dead
 * processes. If a ring is not taken within `STALE` (the process hangs or has just died), any other waiting
 * caller takes it over.
 */

import { latestToken } from '../claim/lease.ts'
import type { Database } from '../database.ts'
import type { Partition } from '../partition.ts'
import { holderOf, list } from '../row.ts'

/** Milliseconds after which a ring that was not taken goes to another caller. */
export const STALE = 1_000
/** Milliseconds after which a row counts as left behind by a dead process. */
const FORGOTTEN = 60_000
/**
 * Milliseconds after which a waiting caller refreshes its rows to show that it is alive, if it waits in few
 * or in many partitions. For this time, a ring may go to a dead process before it goes to a live one.
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
/** SQL: whether `forgetWaiters` would remove something of a row of `partitions`, at an instant. */
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
/** Few rows are in the state `rung`, so the query must begin with those. CROSS JOIN keeps this order. */
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
 * Removes all rows of a caller. A ring that this caller did not take goes to another caller.
 *
 * @returns the callers that are rung instead
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
 * Milliseconds after which the rows of a live caller are refreshed, if it waits in `partitions` partitions.
 */
export function refreshAge(partitions: number): number {
  return partitions > FEW ? REFRESH.many : REFRESH.few
}

/** @param partitions ids */
export function refreshWaiters(database: Database, caller: string, partitions: readonly number[]): void {
  if (partitions.length > 0) database.run(refresh, database.now(), caller, list(partitions))
}

/** Removes rings that a dead process did not take, and that no other caller has taken over. */
export function forgetRings(database: Database): void {
  database.run(forgetRung, database.now() - FORGOTTEN)
}

/** Rings at most `count` idle callers. @returns their ids */
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
 * Rings callers for jobs that were queued or put back in this transaction and have not been claimed. If a job
 * or a schedule is now due earlier than any before, one caller is rung to learn that time. If the partition
 * was resumed, or paused for a time, all callers are rung to learn when jobs may begin.
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

/** Rings a caller that will fetch the effects: one that waits, or one that holds jobs. */
function ringForEffects(partition: Partition, except?: string): string[] {
  const rung = ring(partition, 1, except)
  const token = rung.length === 0 ? latestToken(partition) : undefined
  if (token !== undefined) notify(partition, holderOf(token))
  return rung
}

/** Whether the caller has been rung, or can take over the ring of another. */
export function hasRing(database: Database, caller: string): boolean {
  if (database.get(isRung, caller) !== undefined) return true
  return database.get(stale, caller, database.now() - STALE) !== undefined
}

/**
 * Rings a caller that has a notice: a worker, about a job that it holds; or the watcher of a job that has
 * ended.
 *
 * @param signalled the `seq` of a job, if the only news is a signal for it
 */
export function notify({ database, id, now, noticed }: Partition, caller: string, signalled = -1): void {
  database.run(note, caller, id, now, signalled)
  noticed.push(caller)
}

/**
 * Takes the rings of the caller, and rings that others did not take.
 *
 * @returns the names of the partitions that may have jobs for it; those with a notice, and the job for which
 *   a signal has come, if that is the only news
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
