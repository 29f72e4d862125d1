/**
 * Reading, by page. A cursor is the place of the last job shown, so a page goes on where the one before ended,
 * whatever came or went in between.
 */
import { type JobRecord, type LogLine, states } from '../../record.ts'
import type { Counts, Filter, Page } from '../store.ts'
import { findLease, heldJobs, type Lease, leasesBehind } from './lease.ts'
import type { Partition } from './partition.ts'
import { columns, endedStates, type Row, toRecord } from './row.ts'
import { COMPLETED, PENDING } from './schema.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`
const findLog = 'SELECT log FROM jobs WHERE partition = ? AND id = ?'
const pending = `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane = '' AND state = ${PENDING} AND priority = ? AND (dueAt, seq) > (?, ?) AND dueAt <= ?
  ORDER BY dueAt, seq LIMIT ?`
const laned = `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane <> '' AND state = ${PENDING} AND (dueAt, seq) > (?, ?) AND dueAt <= ?
  ORDER BY dueAt, seq LIMIT ?`
const ended = `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ? AND state >= ${COMPLETED} AND (finishedAt, seq) < (?, ?)
  ORDER BY finishedAt DESC, seq DESC LIMIT ?`

/** Later than any time, after any job. */
export const MAX = Number.MAX_SAFE_INTEGER

/** Instead of a priority: all jobs of groups, as if they were one more line, below the others. */
export const GROUPS = -1_000

/** Jobs of one priority that have not begun, behind a place up to a time, in their order. */
export function pendingJobs(
  { database, id }: Partition,
  priority: number,
  [dueAt, seq]: readonly [dueAt: number, seq: number],
  until: number,
  limit: number,
): Row[] {
  if (priority === GROUPS) return database.all<Row>(laned, id, dueAt, seq, until, limit)
  return database.all<Row>(pending, id, priority, dueAt, seq, until, limit)
}

export function get(partition: Partition, id: string): JobRecord | undefined {
  const { database, name, now } = partition
  const row = database.get<Row>(find, partition.id, id)
  const lease = row?.token ? findLease(partition, row.token) : undefined
  return row && toRecord(row, name, now, lease?.claimedAt)
}

export function log(partition: Partition, id: string): LogLine[] {
  const text = partition.database.get<{ log: string | null }>(findLog, partition.id, id)?.log
  return text ? JSON.parse(text) : []
}

/** Of a partition that was never named. */
export const noCounts = Object.fromEntries(states.map((state) => [state, 0])) as Counts

export function counts(partition: Partition): Counts {
  const { waiting, delayed, active, completed, failed, cancelled } = partition
  return { waiting, delayed, blocked: 0, active, completed, failed, cancelled }
}

export function listJobs(partition: Partition, filter: Filter): Page {
  const limit = Math.max(1, Math.min(Math.floor(filter.limit ?? DEFAULT_LIMIT), MAX_LIMIT))
  if (filter.state === 'active') return active(partition, filter.cursor, limit)
  const cursor = filter.cursor?.split(',').map(Number)
  const { rows, place } = pageOf(partition, filter.state, cursor, limit + 1)
  const shown = rows.slice(0, limit)
  const page: Page = { jobs: shown.map((row) => toRecord(row, partition.name, partition.now)) }
  if (rows.length > limit) page.cursor = place(shown.at(-1)!).join(',')
  return page
}

/** A job's lease end, token and `seq`. */
type ActivePlace = [leaseEnd: number, token: string, seq: number]

/** Claim by claim in the order of their ends; within a claim as it was handed out. */
function active(partition: Partition, cursor: string | undefined, limit: number): Page {
  const after: ActivePlace | undefined = cursor === undefined ? undefined : JSON.parse(cursor)
  const jobs: JobRecord[] = []
  let last: ActivePlace | undefined
  for (const lease of leasesFrom(partition, after)) {
    for (const row of heldJobs(partition, lease, lease.token === after?.[1] ? after[2] : undefined)) {
      if (jobs.length === limit) return { jobs, cursor: JSON.stringify(last) }
      jobs.push(toRecord(row, partition.name, partition.now, lease.claimedAt))
      last = [lease.leaseEnd, lease.token, row.seq]
    }
  }
  return { jobs }
}

function* leasesFrom(partition: Partition, place: ActivePlace | undefined): Generator<Lease> {
  if (place === undefined) return yield* leasesBehind(partition)
  const [leaseEnd, token] = place
  const lease = findLease(partition, token)
  if (lease?.leaseEnd === leaseEnd) yield lease
  yield* leasesBehind(partition, leaseEnd, token)
}

interface Rows {
  rows: Row[]
  /** A row's place in this order, as it stands in a cursor. */
  place: (row: Row) => number[]
}

function pageOf(
  partition: Partition,
  state: Exclude<Filter['state'], 'active'>,
  cursor: number[] | undefined,
  limit: number,
): Rows {
  switch (state) {
    case 'waiting':
      return waiting(partition, cursor, limit)
    case 'delayed':
      return delayed(partition, cursor, limit)
    case 'blocked':
      return { rows: [], place: () => [] }
    default: {
      const [finishedAt, seq] = cursor ?? [MAX, MAX]
      const rows = partition.database.all<Row>(
        ended,
        partition.id,
        endedStates[state],
        finishedAt!,
        seq!,
        limit,
      )
      return { rows, place: (row) => [row.finishedAt!, row.seq] }
    }
  }
}

/** Priority by priority, each in the order of its places; those of groups at last, since nobody can tell their turns. */
function waiting(partition: Partition, cursor: number[] | undefined, limit: number): Rows {
  const rows: Row[] = []
  const [from, dueAt, seq] = cursor ?? [MAX, -1, -1]
  for (const priority of lines(partition)) {
    if (priority > from!) continue
    const after: [number, number] = priority === from ? [dueAt!, seq!] : [-1, -1]
    rows.push(...pendingJobs(partition, priority, after, partition.now, limit - rows.length))
    if (rows.length >= limit) break
  }
  return { rows, place: (row) => [lineOf(row), row.dueAt, row.seq] }
}

/** By the time they fall due, the higher priority first: a merge of every priority's line. */
function delayed(partition: Partition, cursor: number[] | undefined, limit: number): Rows {
  const rows: Row[] = []
  const start = [partition.now, -MAX, MAX]
  const [dueAt, from, seq] = cursor && cursor[0]! > partition.now ? cursor : start
  for (const priority of lines(partition)) {
    // At the cursor's instant, higher priorities are shown already and lower ones are not.
    const after = priority > from! ? MAX : priority < from! ? -1 : seq!
    rows.push(...pendingJobs(partition, priority, [dueAt!, after], MAX, limit))
  }
  rows.sort((a, b) => a.dueAt - b.dueAt || lineOf(b) - lineOf(a) || a.seq - b.seq)
  return { rows: rows.slice(0, limit), place: (row) => [row.dueAt, lineOf(row), row.seq] }
}

/** Every priority that has jobs, highest first; and at last those of groups. */
export function lines(partition: Partition): number[] {
  const priorities = [...partition.priorities()]
  return partition.lanes > 0 ? [...priorities, GROUPS] : priorities
}

function lineOf({ lane, priority }: Row): number {
  return lane === '' ? priority : GROUPS
}
