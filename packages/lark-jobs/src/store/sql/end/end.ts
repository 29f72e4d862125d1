/**
 * Ends jobs. Every job that gets an ended state passes through this file. One transaction writes the state
 * and the effects (`effect.ts`). If the partition is the home of the job's flow, the flow counts the end in
 * the same transaction (`tally.ts`).
 *
 * Most runs complete without a result and without log lines. One statement ends all such jobs of a claim.
 * (With 50 jobs a claim, this takes 2.8 µs a job; a statement for each job takes 7.1 µs.)
 */
import { defined } from '@s18i/lark/internal'
import { type Member, memberOf } from '../../../model/effect.ts'
import { readReason } from '../../contract/rules/reason.ts'
import { endOf, type Settlement } from '../../contract/store.ts'
import { addBusyTo } from '../claim/lane.ts'
import { writeEffects, writeMembers } from '../effects/effect.ts'
import { tell } from '../events/events.ts'
import { ringWatchers, watchersOf } from '../events/watch.ts'
import type { Partition } from '../partition.ts'
import { columns, endedStates, errorsOf, type JobRow, list } from '../row.ts'
import { ACTIVE, COMPLETED, FAILED, NOT_STARTED, PENDING } from '../states.ts'
import { noteFailed } from './failed-jobs.ts'
import { endIn } from './keep.ts'
import { type Move, move } from './move.ts'
import { noteRun } from './runs.ts'

const complete = (more = '') => `
  UPDATE jobs SET state = ${COMPLETED}, finishedAt = ?, token = NULL, asked = NULL${more}
  WHERE state = ${ACTIVE} AND token = ? AND partition = ? AND keep IS NULL`
const completeOne = `${complete()} AND id = ?`
const completeAll = `${complete()} AND id IN (SELECT value FROM json_each(?))`
const completeMany = `${completeAll} RETURNING id, lane`
/**
 * This statement is used only while a process listens for events, because the additional column `ahead` costs
 * 0.7 µs of CPU for each job; without this column, a job takes 21 µs (2 cores, Node 20.20, 2026-11-26).
 */
const completeHeard = `${completeMany}, ahead`
const completeMembers = `
  ${complete(', effects = 1')} AND id IN (SELECT value FROM json_each(?)) RETURNING id, lane, ahead, seq`
const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`

/**
 * How a job ends. `isUntold`: the class does not know of the end and must be told. `took`: how long a
 * completed run took, in milliseconds.
 */
export type Ended = Omit<Move, 'state' | 'finishedAt' | 'effects'> & {
  state: keyof typeof endedStates
  isUntold?: boolean | undefined
  took?: number | undefined
  /** The fingerprint that the job shares with jobs that failed for the same reason (see `Outcome`). */
  alike?: string | undefined
}

/** Ends one job. */
export function end(partition: Partition, row: JobRow, ended: Ended): void {
  const { state, isUntold = false, took, alike, ...change } = ended
  const effects = writeEffects(partition, row, isUntold)
  const kept = change.reason === 'removed' ? endedStates[state] : endIn(partition, row, state)
  move(partition, row, { ...change, state: kept ?? endedStates[state], finishedAt: partition.now, effects })
  if (kept === undefined) partition.unkept.push(row)
  else if (kept === FAILED) noteFailed(partition, row, alike)
  noteEnd(partition, row, ended)
  if (isNamed(row.id)) noteRun(partition, row.id, state, took)
  ringWatchers(partition, [row.id])
  tell(partition, change.reason === 'removed' ? 'removed' : state, [row.id])
}

/**
 * Notes the end of a node or member whose flow has its home in this partition. The flow counts the end at the
 * end of the transaction.
 */
function noteEnd({ name, ends, now }: Partition, row: JobRow, { state, result }: Ended): void {
  const { id, reason, runs } = row
  if (!isNamed(id) || memberOf(id)?.home !== name) return
  const errors = state === 'failed' ? errorsOf(row) : []
  const why = reason === null ? {} : readReason(state, reason, runs)
  ends.push(endOf({ id, state, ...why, errors, ...defined({ result }), finishedAt: now }))
}

/**
 * Ends jobs of one claim whose runs completed without a result and without log lines. Leaves out jobs whose
 * class says how long they are kept. @returns the ids of the jobs that were ended: those that the claim still
 * held
 */
export function endCompleted(
  partition: Partition,
  token: string,
  settlements: readonly Settlement[],
): string[] {
  const { name, now, ends } = partition
  const ids = settlements.map(({ id }) => id)
  const members = membersOf(ids)
  const isAway = (id: string) => (members.get(id)?.home ?? name) !== name
  const away = members.size === 0 ? [] : ids.filter(isAway)
  const ended = endPlain(partition, token, away.length === 0 ? ids : ids.filter((id) => !isAway(id)))
  for (const id of members.size === 0 ? [] : ended) {
    const member = members.get(id)
    if (member !== undefined)
      ends.push({ flow: member.flow, index: member.index, state: 'completed', at: now })
  }
  ended.push(...endMembers(partition, token, away))
  partition.active -= ended.length
  partition.completed += ended.length
  partition.minute.completed += ended.length
  if (ids.some((id) => isNamed(id) && !members.has(id))) noteCompleted(partition, settlements, new Set(ended))
  ringWatchers(partition, ended)
  tell(partition, 'completed', ended)
  return ended
}

/** The nodes and members of flows among these jobs, by the id of the job. */
function membersOf(ids: readonly string[]): Map<string, Member> {
  const members = new Map<string, Member>()
  for (const id of ids) {
    const member = isNamed(id) ? memberOf(id) : undefined
    if (member !== undefined) members.set(id, member)
  }
  return members
}

/**
 * Whether an id may be that of a node or member of a flow, or of the job of a tick. No other id contains a
 * colon.
 */
function isNamed(id: string): boolean {
  return id.includes(':')
}

function noteCompleted(
  partition: Partition,
  settlements: readonly Settlement[],
  ended: ReadonlySet<string>,
): void {
  for (const { id, outcome } of settlements)
    if (isNamed(id) && ended.has(id)) noteRun(partition, id, 'completed', outcome.took)
}

function endPlain(partition: Partition, token: string, ids: readonly string[]): string[] {
  const { database, id, now } = partition
  const isPlain = partition.lanes === 0 && partition.listened === undefined
  if (isPlain && ids.length < 2)
    return ids.filter((one) => database.run(completeOne, now, token, id, one) > 0)
  if (ids.length === 0) return []
  if (isPlain && endAll(partition, token, ids)) return [...ids]
  const many = partition.listened === undefined ? completeMany : completeHeard
  return left(partition, database.all(many, now, token, id, list(ids)))
}

/**
 * Ends jobs with a statement that returns no rows, because returning rows takes more time than ending the
 * jobs. (Measured on 2026-12-02, 2 cores, Node 20.20, `libsql`: 1.1 µs a job with 150 jobs, and 2.0 µs if
 * rows are returned; 6.2 and 7.9 µs with two jobs.)
 *
 * @returns whether all of these jobs were ended. If the claim no longer held one of them, no job was ended
 */
function endAll({ database, id, now }: Partition, token: string, ids: readonly string[]): boolean {
  database.run('SAVEPOINT ending')
  const isAll = database.run(completeAll, now, token, id, list(ids)) === ids.length
  if (!isAll) database.run('ROLLBACK TO ending')
  database.run('RELEASE ending')
  return isAll
}

function endMembers(partition: Partition, token: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return []
  const { database, id, now } = partition
  const rows = database.all<LeftRow & Pick<JobRow, 'seq'>>(completeMembers, now, token, id, list(ids))
  const seqs = rows.map(({ seq }) => seq)
  writeMembers(partition, seqs)
  return left(partition, rows)
}

/**
 * The columns of an ended job that the code for lanes and events needs. `ahead` is read only while a process
 * listens for events.
 */
type LeftRow = Pick<JobRow, 'id' | 'lane'> & Partial<Pick<JobRow, 'ahead'>>

/**
 * Lowers the number of active jobs of each ended job's lane, and writes the events `started` that are still
 * missing.
 */
function left(partition: Partition, rows: readonly LeftRow[]): string[] {
  for (const { lane } of rows) if (lane !== '') addBusyTo(partition, lane, -1)
  if (partition.listened !== undefined) {
    // A prefetched job that has ended must have started, although no `extend` has reported its start.
    const begun = rows.filter(({ ahead }) => ahead === NOT_STARTED)
    tell(
      partition,
      'started',
      begun.map(({ id }) => id),
    )
  }
  return rows.map(({ id }) => id)
}

/**
 * Ends jobs that a person removes before their end, so that flows, schedules and watchers learn of the end.
 * If no flow, schedule or watcher waits for a job, this function leaves the job unchanged, because an end
 * would read and write the row once more. The caller removes all of the jobs.
 */
export function endRemoved(partition: Partition, rows: readonly Pick<JobRow, 'id' | 'state'>[]): void {
  const pending = rows.filter(({ state }) => state === PENDING)
  const watched = watchersOf(
    partition,
    pending.map(({ id }) => id),
  )
  for (const each of pending) {
    if (!isNamed(each.id) && !watched.has(each.id)) {
      tell(partition, 'removed', [each.id])
      continue
    }
    const row = partition.database.get<JobRow>(find, partition.id, each.id)!
    end(partition, row, { state: 'cancelled', reason: 'removed' })
    each.state = row.state
  }
}
