/**
 * The order in which failed jobs are removed (`store/contract/rules/retention.ts#Retention`). Each failed job
 * whose class sets no age has a row in the table `failedJobs`, with its bytes and its kind. The table
 * `failedSums` has one row for each partition.
 *
 *   spare   1 for a job that is not among the newest jobs of its kind, and so is removed before others.
 *   whole   1 for a job that still has all of its errors.
 */
import type { Dropped } from '../../contract/page.ts'
import { MAX_ITEMS, type Retention } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { payloadBytes } from '../payload.ts'
import { errorsOf, type JobRow, list } from '../row.ts'
import { FAILED } from '../states.ts'

interface Sums {
  bytes: number
  whole: number
  dropped: number
  droppedAt: number
}
interface FailedPlace {
  seq: number
  at: number
  bytes: number | null
}

const note = `
  INSERT OR REPLACE INTO failedJobs (seq, partition, at, kind, bytes)
  SELECT seq, partition, finishedAt, ?, bytes + ifnull(octet_length(errors), 0)
  FROM (SELECT seq, partition, finishedAt, errors, ${payloadBytes} FROM jobs WHERE seq = ?) RETURNING bytes`
const forget = 'DELETE FROM failedJobs WHERE seq IN (SELECT value FROM json_each(?)) RETURNING bytes, whole'
const sumsOf = 'SELECT bytes, whole, dropped, droppedAt FROM failedSums WHERE partition = ?'
const add = `
  INSERT INTO failedSums (partition, bytes, whole) VALUES (?1, max(?2, 0), max(?3, 0))
  ON CONFLICT (partition) DO UPDATE SET bytes = max(bytes + ?2, 0), whole = max(whole + ?3, 0)`
const addDropped = 'UPDATE failedSums SET dropped = dropped + ?, droppedAt = ? WHERE partition = ?'
const droppedOf =
  'SELECT dropped AS count, droppedAt AS at FROM failedSums WHERE partition = ? AND dropped > 0'
const beyond = `
  SELECT seq FROM failedJobs WHERE partition = ? AND kind = ? AND spare = 0 ORDER BY at DESC, seq DESC LIMIT 1 OFFSET ?`
const toSpare = 'UPDATE failedJobs SET spare = 1 WHERE seq = ?'
const spares =
  'SELECT seq, at, bytes FROM failedJobs WHERE partition = ? AND spare = 1 ORDER BY at, seq LIMIT ?'
const oldest = `
  SELECT jobs.seq, jobs.finishedAt AS at, failedJobs.bytes
  FROM jobs LEFT JOIN failedJobs ON failedJobs.seq = jobs.seq
  WHERE jobs.partition = ? AND jobs.state = ${FAILED} AND ifnull(failedJobs.spare, 0) = 0
  ORDER BY jobs.finishedAt, jobs.seq LIMIT ?`
const wholes = 'SELECT seq FROM failedJobs WHERE partition = ? AND whole = 1 ORDER BY at, seq LIMIT ?'
const findErrors = 'SELECT errors FROM jobs WHERE seq = ?'
const shorten = 'UPDATE jobs SET errors = ? WHERE seq = ?'
const shortened = 'UPDATE failedJobs SET whole = 0, bytes = max(bytes - ?, 0) WHERE seq = ?'

/**
 * Adds the row of a job that has failed.
 *
 * @param kind a text that jobs have in common if they failed for the same reason. Default: the key of the job
 */
export function noteFailed(
  partition: Partition,
  { seq, key }: Pick<JobRow, 'seq' | 'key'>,
  kind: string | undefined,
): void {
  const { database, id } = partition
  const noted = database.get<{ bytes: number }>(note, kind ?? `key ${key}`, seq)
  if (noted === undefined) return
  database.run(add, id, noted.bytes, 1)
  partition.failedKinds.add(kind ?? `key ${key}`)
}

/** Removes the rows of jobs that leave the state `failed`, or get an age from their class. */
export function forgetFailed(partition: Partition, seqs: readonly number[]): void {
  const { database, id } = partition
  const rows = database.all<{ bytes: number; whole: number }>(forget, list(seqs))
  if (rows.length === 0) return
  const sum = (of: 'bytes' | 'whole') => rows.reduce((all, row) => all + row[of], 0)
  database.run(add, id, -sum('bytes'), -sum('whole'))
}

/**
 * Applies the retention of failed jobs after jobs have failed: marks jobs as spare, removes errors of older
 * jobs, and finds the jobs to remove.
 *
 * @returns the jobs to remove, at most `MAX_ITEMS`
 */
export function excessOf(partition: Partition, { count, age, bytes, whole, ofKind }: Retention): number[] {
  const { database, id, failed, now } = partition
  const kinds = [...partition.failedKinds]
  partition.failedKinds.clear()
  if (failed > ofKind!) for (const kind of kinds) spareOldest(partition, kind, ofKind!)
  const sums = database.get<Sums>(sumsOf, id)
  if (sums !== undefined && sums.whole > whole!) shortenOldest(partition, sums.whole - whole!)
  let excess = failed - count
  let over = (sums?.bytes ?? 0) - bytes!
  if (excess <= 0 && over <= 0) return []
  const most = Math.min(over > 0 ? MAX_ITEMS : excess, MAX_ITEMS)
  const first = database.all<FailedPlace>(spares, id, most)
  const places =
    first.length < most ? [...first, ...database.all<FailedPlace>(oldest, id, most - first.length)] : first
  const gone: FailedPlace[] = []
  for (const place of places) {
    if (excess <= 0 && over <= 0) break
    gone.push(place)
    excess -= 1
    over -= place.bytes ?? 0
  }
  const early = gone.filter(({ at }) => at > now - age).length
  if (early > 0) {
    database.run(add, id, 0, 0)
    database.run(addDropped, early, now, id)
  }
  return gone.map(({ seq }) => seq)
}

/** How many failed jobs were removed before they reached their age; undefined if there are none. */
export function droppedIn({ database, id }: Partition): Dropped | undefined {
  return database.get<Dropped>(droppedOf, id)
}

/**
 * Marks as spare all jobs of a kind except the newest `ofKind` jobs of this kind. Several jobs may be spare,
 * because one call may fail several jobs of a kind.
 */
function spareOldest({ database, id }: Partition, kind: string, ofKind: number): void {
  for (let n = 0; n < MAX_ITEMS; n++) {
    const row = database.get<{ seq: number }>(beyond, id, kind, ofKind)
    if (row === undefined) return
    database.run(toSpare, row.seq)
  }
}

function shortenOldest({ database, id }: Partition, count: number): void {
  const rows = database.all<{ seq: number }>(wholes, id, Math.min(count, MAX_ITEMS))
  let freed = 0
  for (const { seq } of rows) {
    const { errors } = database.get<Pick<JobRow, 'errors'>>(findErrors, seq) ?? { errors: null }
    const all = errors === null ? [] : errorsOf({ errors })
    const text = all.length > 1 ? JSON.stringify(all.slice(-1)) : undefined
    const less = text === undefined ? 0 : Buffer.byteLength(errors!) - Buffer.byteLength(text)
    if (text !== undefined) database.run(shorten, text, seq)
    database.run(shortened, less, seq)
    freed += less
  }
  database.run(add, id, -freed, -rows.length)
}
