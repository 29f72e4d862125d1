/**
 * Removes ended jobs. A call that ends jobs removes older jobs if there are too many (`trim`). `prune`
 * removes jobs that are too old, and `clear` removes jobs because a person asks for it.
 */
import type { State } from '../../../model/record.ts'
import { MAX_ITEMS, type QueueRetention } from '../../contract/store.ts'
import { VOID } from '../change/revoked.ts'
import { laneMoves } from '../claim/lane.ts'
import { forgetDoubt } from '../claim/silence.ts'
import type { Value } from '../database.ts'
import { dropPayloads, rememberUnkept, withdrawEffects } from '../effects/effect.ts'
import { purgeThrottle } from '../enqueue/lock.ts'
import { goesNow } from '../enqueue/relayed.ts'
import { tell } from '../events/events.ts'
import { unwatch } from '../events/watch.ts'
import { forgetJournal } from '../journal/journal.ts'
import { lines, MAX, pendingRows } from '../look/read.ts'
import type { Partition } from '../partition.ts'
import { payloadBytes } from '../payload.ts'
import { Room } from '../room.ts'
import { endedStates, type JobRow, columns as jobColumns, list } from '../row.ts'
import { COMPLETED, FAILED, HIDDEN, PENDING } from '../states.ts'
import { endRemoved } from './end.ts'
import { excessOf, forgetFailed } from './failed-jobs.ts'
import { bothOf, expired, forgetExpiries, releaseKept } from './keep.ts'
import { noteRun } from './runs.ts'

type RemovedRow = Pick<
  JobRow,
  'seq' | 'id' | 'state' | 'dueAt' | 'runs' | 'failures' | 'reason' | 'lane' | 'laneLimits' | 'keep'
>
type Oldest = Pick<JobRow, 'seq' | 'id'>
type Gone = RemovedRow & Pick<JobRow, 'key'> & { bytes: number }

/** How many jobs one transaction has removed, and whether other jobs must still be removed. */
export interface Removal {
  count: number
  isCut: boolean
}

/**
 * The largest size of the payloads that one transaction removes, in bytes. Other processes must wait for the
 * file while a transaction removes payloads. (Measured on 2026-11-25, 2 cores, shared: a payload of 510 kB
 * takes 0.7 ms, and 1,000 of them took 724 ms.)
 */
const MAX_FREED = 16_777_216

const columns = `seq, id, state, dueAt, runs, failures, reason, lane, laneLimits, key, keep, ${payloadBytes}`
const these = `SELECT ${columns} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
const oldestSeqs = `(
    SELECT seq FROM jobs WHERE partition = ? AND state = ? AND state >= ${COMPLETED} ORDER BY finishedAt, seq LIMIT ?
  )`
const dropOldest = `DELETE FROM jobs WHERE seq IN ${oldestSeqs} AND effects IS NULL`
const findOldest = `SELECT seq, id FROM jobs WHERE seq IN ${oldestSeqs}`
/**
 * Removes the oldest job. Usually only one job must be removed, and this statement needs no list of ids (10.9
 * µs; with a list, 14.6 µs).
 */
const dropOne = `DELETE FROM jobs WHERE seq = ${oldestSeqs} AND effects IS NULL`
/** Hides a job whose effects are still needed: see `effect.ts`. */
const raise = `UPDATE jobs SET state = state + ${HIDDEN}`
const hideOldest = `${raise} WHERE seq IN ${oldestSeqs} RETURNING seq, journal`
const dropThese = 'DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?)) AND effects IS NULL'
const drop = 'DELETE FROM jobs WHERE seq = ?'
const hidden = `
  SELECT ${jobColumns} FROM jobs WHERE state >= ${HIDDEN} AND id NOT LIKE '${VOID}%' AND seq IN (
    SELECT seq FROM effects WHERE partition = ?1 AND kind IN ('hook', 'member') AND at IS NOT NULL
    UNION ALL SELECT seq FROM effects WHERE partition = ?1 AND over IS NOT NULL
  ) LIMIT ?2`
const hideThese = `${raise} WHERE seq IN (SELECT value FROM json_each(?)) RETURNING seq, journal`
const aged = `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ? AND state >= ${COMPLETED} AND finishedAt <= ?
  ORDER BY finishedAt, seq LIMIT ?`
const kinds = ['completed', 'failed', 'cancelled'] as const

/**
 * Removes the oldest ended jobs if there are more than the retention says, and the jobs that are not kept at
 * all. The counters of the partition say how many jobs to remove.
 */
export function trim(partition: Partition, retention: QueueRetention): void {
  const unkept = partition.unkept.splice(0)
  rememberUnkept(partition, unkept)
  remove(partition, unkept)
  trimFailed(partition, retention.failed)
  for (const kind of kinds) {
    if (retention[kind].bytes !== undefined) continue
    const excess = Math.min(partition[kind] - retention[kind].count, MAX_ITEMS)
    if (excess <= 0) continue
    partition[kind] -= dropOldestOf(partition, kind, excess, retention[kind].count === 0)
  }
}

/** Removes failed jobs of a queue whose configuration does not set their number (`failed-jobs.ts`). */
function trimFailed(partition: Partition, failed: QueueRetention['failed']): void {
  const mayExceed = partition.failed > failed.count || partition.failedKinds.size > 0
  if (failed.bytes === undefined || !mayExceed) return
  const gone = excessOf(partition, failed)
  if (gone.length > 0) remove(partition, partition.database.all<Gone>(these, list(gone)))
}

/**
 * @param isUnkept whether no jobs of this state are kept. The ends of the removed jobs must then be
 * remembered for `UNKEPT_MEMORY`
 * @returns how many jobs were removed or hidden
 */
function dropOldestOf(
  partition: Partition,
  kind: (typeof kinds)[number],
  count: number,
  isUnkept = false,
): number {
  const { database, id } = partition
  const state = endedStates[kind]
  const oldest = state === FAILED || isUnkept ? database.all<Oldest>(findOldest, id, state, count) : []
  if (isUnkept) rememberUnkept(partition, oldest)
  if (state === FAILED)
    forgetFailed(
      partition,
      oldest.map(({ seq }) => seq),
    )
  const dropped = database.run(count === 1 ? dropOne : dropOldest, id, state, count)
  // The oldest jobs that are still there have effects. These jobs are hidden now, and removed with their last
  // effect.
  return dropped === count ? count : dropped + hide(partition, hideOldest, id, state, count - dropped)
}

/** Hides jobs that still have effects. @returns how many jobs were hidden */
function hide(partition: Partition, statement: string, ...values: Value[]): number {
  const jobs = partition.database.all<Pick<JobRow, 'seq' | 'journal'>>(statement, ...values)
  dropPayloads(partition, jobs)
  forgetExpiries(partition, jobs)
  for (const job of jobs) forgetJournal(partition, job)
  return jobs.length
}

/** Removes jobs and their logs. Jobs that have not ended are ended first. */
export function remove(partition: Partition, rows: readonly RemovedRow[]): void {
  if (rows.length === 0) return
  endRemoved(partition, rows)
  const failed = rows.filter(({ state }) => state === FAILED)
  if (failed.length > 0)
    forgetFailed(
      partition,
      failed.map(({ seq }) => seq),
    )
  for (const row of rows) if (row.state === PENDING) goesNow(partition, row)
  const seqs = list(rows.map(({ seq }) => seq))
  if (partition.database.run(dropThese, seqs) < rows.length) hide(partition, hideThese, seqs)
  for (const row of rows) {
    partition.leave(row)
    if (row.state === PENDING) laneMoves(partition, row)
  }
}

/**
 * Removes a job and all data that the partition keeps about it. Only the schedule of the job counts the
 * removal as an end.
 */
export function purge(partition: Partition, row: JobRow): void {
  purgeThrottle(partition, row)
  forgetDoubt(partition, row.id)
  makeWay(partition, row)
}

/** Removes a job because a new job gets its id. The throttle that the old job has set stays. */
export function makeWay(partition: Partition, row: JobRow): void {
  withdrawEffects(partition, row)
  if (row.state === FAILED) forgetFailed(partition, [row.seq])
  if (row.state === PENDING) goesNow(partition, row)
  partition.database.run(drop, row.seq)
  unwatch(partition, [row.id])
  if (row.state === PENDING) noteRun(partition, row.id, 'cancelled')
  if (row.state < HIDDEN) partition.leave(row)
  if (row.state === PENDING) laneMoves(partition, row)
}

/**
 * When the disk is full, completed jobs are removed although their retention keeps them: at most `FEW` in one
 * call, and never the newest `LATEST` jobs of a partition.
 */
const LATEST = 10
const FEW = 100

/**
 * Removes some of the oldest completed jobs, although their retention keeps them. @returns how many jobs were
 * removed
 */
export function forgetCompleted(partition: Partition): number {
  const count = Math.min(partition.completed - LATEST, FEW)
  if (count <= 0) return 0
  const dropped = dropOldestOf(partition, 'completed', count)
  partition.completed -= dropped
  return dropped
}

/** Removes ended jobs that have reached their age, at most `most`. */
export function prune(partition: Partition, retention: QueueRetention, most: number): Removal {
  const room = new Room(MAX_FREED)
  let pruned = 0
  for (const kind of kinds) {
    if (room.isFull) break
    const before = partition.now - retention[kind].age
    const found = partition.database.all<Gone>(aged, partition.id, endedStates[kind], before, most - pruned)
    const gone = room.take(found)
    remove(partition, gone)
    pruned += gone.length
  }
  const left = room.isFull ? 0 : most - pruned
  const over = left > 0 ? expired(partition, left) : []
  const gone = releaseKept(partition, room.take(partition.database.all<Gone>(these, list(over))))
  remove(partition, gone)
  return { count: pruned + gone.length, isCut: room.isFull || (over.length > 0 && over.length === left) }
}

/** Removes jobs in a state, or purges hidden jobs, at most `most`. */
export function clear(
  partition: Partition,
  state: Exclude<State, 'active'> | 'hidden',
  most: number,
): Removal {
  if (state === 'hidden') {
    const rows = partition.database.all<JobRow>(hidden, partition.id, most)
    for (const row of rows) purge(partition, row)
    return { count: rows.length, isCut: false }
  }
  const room = new Room(MAX_FREED)
  const gone = room.take(stateRows(partition, state, most))
  // The event is written only for ended jobs, because `remove` itself writes it for jobs that have not ended.
  const ended = gone.filter((row) => row.state !== PENDING)
  tell(
    partition,
    'removed',
    ended.map(({ id }) => id),
  )
  remove(partition, gone)
  return { count: gone.length, isCut: room.isFull }
}

function stateRows(partition: Partition, state: Exclude<State, 'active'>, most: number): Gone[] {
  const { database, id, now } = partition
  if (state === 'blocked') return []
  if (state !== 'waiting' && state !== 'delayed')
    return bothOf(state)
      .flatMap((each) => database.all<Gone>(aged, id, each, MAX, most))
      .slice(0, most)
  const [after, until] = state === 'waiting' ? [-1, now] : [now, MAX]
  const found: Gone[] = []
  for (const line of lines(partition))
    found.push(...pendingRows<Gone>(partition, line, [after, MAX], until, most - found.length, columns))
  return found
}
