/**
 * Reads jobs page by page. A cursor is the place of the last job of a page. So the next page continues at the
 * right place, even if jobs were added or removed since then. To make a page, the places and sizes of jobs
 * are read first, and then the jobs that fit.
 */
import { type JobRecord, type LogLine, states } from '../../../model/record.ts'
import { damagedLine, readList } from '../../contract/rules/unreadable.ts'
import {
  type Counts,
  type Fate,
  type Filter,
  type JobHead,
  MAX_AHEAD,
  MAX_PRIORITY,
  type Page,
  type Prefilter,
  type Standing,
} from '../../contract/store.ts'
import { findLease, heldRows, type Lease, leasesBehind } from '../claim/lease.ts'
import { isOnItsWay } from '../effects/effect.ts'
import { bothOf } from '../end/keep.ts'
import type { Partition } from '../partition.ts'
import { keptBytes, payload, payloadBytes, payloadText, shownBytes } from '../payload.ts'
import { Room } from '../room.ts'
import {
  columns,
  endedStates,
  holderOf,
  type JobRow,
  list,
  type ShownRow,
  toEnded,
  toRecord,
} from '../row.ts'
import { COMPLETED, GONE, HIDDEN, PENDING } from '../states.ts'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000

/** The columns that decide the place of a job, and the size of the job's record in bytes. */
type Head = Pick<JobRow, 'seq' | 'id' | 'key' | 'priority' | 'dueAt' | 'finishedAt' | 'lane'> & {
  bytes: number
  /** The size of the job's record without the payload, in bytes. */
  leanBytes: number
  /** The lease of an active job. */
  lease?: Lease
}

const headColumns = `seq, id, key, priority, dueAt, finishedAt, lane, ${keptBytes} AS leanBytes, ${shownBytes}`
const shown = `SELECT ${columns}, result, progress, ${payload} FROM jobs`
const find = `${shown} WHERE partition = ? AND id = ? AND state < ${HIDDEN}`
const findLean = `
  SELECT ${columns}, result, progress, '' AS payload FROM jobs
  WHERE partition = ? AND id = ? AND state < ${HIDDEN}`
const findAll = `${shown} WHERE seq IN (SELECT value FROM json_each(?))`
const findAllLean = `
  SELECT ${columns}, result, progress, '' AS payload FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
const headsAt = (columns: string) =>
  `SELECT ${columns} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
/** The columns that determine the place of a job. */
const placeColumns = 'seq, id, priority, dueAt, finishedAt, lane'
type StateRow = Pick<ShownRow, 'seq' | 'id' | 'state' | 'progress'> & { born: string | null; bytes: number }
/** SQL that reads what `fates` needs, also of hidden jobs. */
const findStates = `
  SELECT seq, id, state, CASE WHEN state < ${COMPLETED} THEN progress END AS progress,
    CASE WHEN state < ${COMPLETED} AND options LIKE '%"born":%' AND json_valid(options)
      THEN options ->> '$.born' END AS born,
    CASE WHEN state < ${COMPLETED} THEN ifnull(octet_length(progress), 0) ELSE ${keptBytes} END AS bytes
  FROM jobs
  WHERE partition = ? AND id IN (SELECT value FROM json_each(?))`
const countLowered = `
  SELECT COUNT(*) AS count FROM (
    SELECT 1 FROM jobs INDEXED BY line
    WHERE state = ${PENDING} AND partition = ? AND lane = '' AND priority < 0 AND dueAt <= ?
    LIMIT ${MAX_AHEAD}
  )`
const findLog = `SELECT log FROM jobs WHERE partition = ? AND id = ? AND state < ${HIDDEN}`
const pending = (columns: string) => `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane = '' AND state = ${PENDING} AND priority = ? AND (dueAt, seq) > (?, ?) AND dueAt <= ?
  ORDER BY dueAt, seq LIMIT ?`
const laned = (columns: string) => `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane <> '' AND state = ${PENDING} AND (dueAt, seq) > (?, ?) AND dueAt <= ?
  ORDER BY dueAt, seq LIMIT ?`
const ended = (after: '<' | '>', order: 'ASC' | 'DESC') => (columns: string) =>
  `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND state = ? AND state >= ${COMPLETED} AND (finishedAt, seq) ${after} (?, ?)
  ORDER BY finishedAt ${order}, seq ${order} LIMIT ?`
const arrivedAfter = (lane: string) =>
  `SELECT count(*) AS count FROM jobs WHERE partition = ? AND state = ${PENDING} AND dueAt > ? AND dueAt <= ? AND ${lane}`
const arrivedIn = arrivedAfter("lane = '' AND priority = ?")
const arrivedLaned = arrivedAfter("lane <> ''")
const latestFirst = ended('<', 'DESC')
const earliestFirst = ended('>', 'ASC')

/** A number that is greater than any time in milliseconds, and greater than the `seq` of any job. */
export const MAX = Number.MAX_SAFE_INTEGER

/** A number below all priorities. For lists, all jobs in lanes together are one line with this priority. */
export const GROUPS = -MAX_PRIORITY - 1

export type LinePlace = readonly [dueAt: number, seq: number]

/**
 * Reads some columns of pending jobs with one priority, in the order in which they run. Only jobs after the
 * given place that are due by the time `until` are read.
 */
export function pendingRows<T>(
  { database, id }: Partition,
  priority: number,
  [dueAt, seq]: LinePlace,
  until: number,
  limit: number,
  columns: string,
): T[] {
  if (priority === GROUPS) return database.all<T>(laned(columns), id, dueAt, seq, until, limit)
  return database.all<T>(pending(columns), id, priority, dueAt, seq, until, limit)
}

export function get(partition: Partition, id: string, isLean: boolean): JobRecord | undefined {
  const { database, name, now } = partition
  const row = database.get<ShownRow>(isLean ? findLean : find, partition.id, id)
  const lease = row?.token ? findLease(partition, row.token) : undefined
  return row && toRecord(row, name, now, lease?.claimedAt)
}

/** Reads the fates of jobs (`contract/watch.ts`). */
export function fates(partition: Partition, ids: readonly string[]): Fate[] {
  const { database, name, now } = partition
  // Jobs that have arrived in another partition are left out, so that their fate is `unknown`.
  const heads = database
    .all<StateRow>(findStates, partition.id, list(ids))
    .filter((row) => row.state !== GONE || isOnItsWay(partition, row))
  const room = new Room()
  const ended = room.take(heads.filter(({ state }) => state >= COMPLETED && state !== GONE))
  const rows = database.all<ShownRow>(findAllLean, list(ended.map(({ seq }) => seq)))
  const found = new Map<string, Fate>()
  for (const { id, state, born } of heads)
    found.set(
      id,
      state < COMPLETED || state === GONE
        ? { kind: 'present', ...(born !== null && { born }) }
        : { kind: 'cut' },
    )
  for (const row of rows) found.set(row.id, { kind: 'ended', job: toEnded(row, name, now) })
  const reported = heads.filter(({ progress }) => progress !== null)
  for (const { id, progress } of room.isFull ? [] : room.take(reported))
    Object.assign(found.get(id)!, { progress: progress! })
  return ids.map((id) => found.get(id) ?? { kind: 'unknown' })
}

export function log(partition: Partition, id: string): LogLine[] {
  const text = partition.database.get<{ log: string | null }>(findLog, partition.id, id)?.log
  return text ? readList(text, damagedLine) : []
}

/** The counts of a partition that does not exist. */
export const noCounts = Object.fromEntries(states.map((state) => [state, 0])) as Counts

// New state: add its count, and its page, in the order of its index.
export function counts(partition: Partition): Counts {
  const { waiting, delayed, active, kept } = partition
  const completed = partition.completed + kept.completed
  const failed = partition.failed + kept.failed
  const cancelled = partition.cancelled + kept.cancelled
  return { waiting, delayed, blocked: 0, active, completed, failed, cancelled }
}

/** The number of waiting jobs with a priority below 0, at most `MAX_AHEAD`. Jobs in lanes do not count. */
export function lowered({ database, id, now }: Partition): number {
  return database.get<{ count: number }>(countLowered, id, now)!.count
}

export function listJobs(partition: Partition, filter: Filter): Page {
  const { database, name, now } = partition
  const { prefilter } = filter
  const { jobs: heads, ...rest } =
    prefilter === undefined
      ? pageOf(partition, filter, new Room())
      : prefilteredPage(partition, filter, prefilter)
  const rows = database.all<ShownRow>(
    filter.isLean ? findAllLean : findAll,
    list(heads.map(({ seq }) => seq)),
  )
  const found = new Map(rows.map((row) => [row.seq, row]))
  const jobs = heads.map(({ seq, lease }) => toRecord(found.get(seq)!, name, now, lease?.claimedAt))
  return { jobs, ...rest }
}

export function listHeads(partition: Partition, filter: Filter): Page<JobHead> {
  const { jobs, ...rest } = pageOf(partition, filter)
  const claim = ({ token, claimedAt }: Lease) => ({ holder: holderOf(token), claimedAt })
  return { jobs: jobs.map(({ id, key, lease }) => ({ id, key, ...(lease && claim(lease)) })), ...rest }
}

/** The keys of the next `limit` waiting jobs and the next `limit` delayed jobs, each key once. */
export function nextKeys(partition: Partition, limit: number): string[] {
  const keys = new Set<string>()
  let left = partition.waiting > 0 ? limit : 0
  for (const priority of left > 0 ? lines(partition) : []) {
    const rows = pendingRows<Pick<JobRow, 'key'>>(partition, priority, [-1, -1], partition.now, left, 'key')
    for (const { key } of rows) keys.add(key)
    left -= rows.length
    if (left === 0) break
  }
  const later = partition.delayed > 0 ? delayed(partition, undefined, limit, headColumns).rows : []
  for (const { key } of later) keys.add(key)
  return [...keys]
}

/** When the first waiting job was due, and how many of the waiting jobs became due after `since`. */
export function waitingSince(partition: Partition, since: number): Pick<Standing, 'oldest' | 'arrived'> {
  const { database, id, now } = partition
  let [oldest, arrived] = [Number.POSITIVE_INFINITY, 0]
  for (const priority of partition.waiting > 0 ? lines(partition) : []) {
    const [first] = pendingRows<Pick<JobRow, 'dueAt'>>(partition, priority, [-1, -1], now, 1, 'dueAt')
    oldest = Math.min(oldest, first?.dueAt ?? oldest)
    const values = priority === GROUPS ? [id, since, now] : [id, since, now, priority]
    arrived += database.get<{ count: number }>(
      priority === GROUPS ? arrivedLaned : arrivedIn,
      ...values,
    )!.count
  }
  return { arrived, ...(oldest < Number.POSITIVE_INFINITY && { oldest }) }
}

/** The rows of a page, and one more row if there are more jobs. */
function rowsOf(partition: Partition, filter: Filter, columns: string): HeadRows & { limit: number } {
  const limit = Math.max(1, Math.min(Math.floor(filter.limit ?? DEFAULT_LIMIT), MAX_LIMIT))
  const cursor = filter.cursor === undefined ? undefined : JSON.parse(filter.cursor)
  return { ...headsOf(partition, filter, cursor, limit + 1, columns), limit }
}

/**
 * Makes a page of the jobs that pass a prefilter. Of all jobs only the places are read, and all columns of
 * the jobs that pass.
 */
function prefilteredPage(partition: Partition, filter: Filter, prefilter: Prefilter): Page<Head> {
  const columns = prefilter.payload === undefined ? placeColumns : `${placeColumns}, ${payloadBytes}`
  const { rows, place, limit } = rowsOf(partition, filter, columns)
  const some = rows.slice(0, limit)
  const looked = prefilter.payload === undefined ? some : new Room().take(some)
  const [conditions, values] = prefilterSql(prefilter)
  const found = partition.database.all<Head>(
    `${headsAt(headColumns)}${conditions}`,
    list(looked.map(({ seq }) => seq)),
    ...values,
  )
  const heads = new Map(found.map((head) => [head.seq, head]))
  const picked = looked.flatMap(({ seq, lease }, index) => {
    const head = heads.get(seq)
    if (head === undefined) return []
    return {
      index,
      head: { ...head, ...(lease && { lease }), ...(filter.isLean && { bytes: head.leanBytes }) },
    }
  })
  const jobs = new Room().take(picked.map(({ head }) => head))
  const count = jobs.length < picked.length ? picked[jobs.length - 1]!.index + 1 : looked.length
  const last = looked[count - 1]
  const mark = (head: Head) => JSON.stringify(place(head))
  return {
    jobs,
    ...(last !== undefined && rows.length > count && { cursor: mark(last) }),
    ...(filter.isMarked && { marks: jobs.slice(0, -1).map(mark) }),
    passed: { count, ...(last != null && last.finishedAt !== null && { endedAt: last.finishedAt }) },
  }
}

/** The SQL of a prefilter's conditions on a row of `jobs`, and the values to bind. */
function prefilterSql({ id, key, group, options, payload }: Prefilter): [sql: string, values: string[]] {
  const conditions: [sql: string, value: string][] = []
  if (id !== undefined) conditions.push([`substr(id, 1, ${[...id].length}) = ?`, id])
  if (key !== undefined) conditions.push(['key = ?', key])
  for (const text of group ?? []) conditions.push(['instr(lane, ?) > 0', text])
  for (const text of options ?? []) conditions.push(['instr(options, ?) > 0', text])
  for (const text of payload ?? []) conditions.push([`instr(${payloadText}, ?) > 0`, text])
  return [conditions.map(([sql]) => ` AND ${sql}`).join(''), conditions.map(([, value]) => value)]
}

/** @param room the bytes that the page may have. Default: no limit */
function pageOf(partition: Partition, filter: Filter, room?: Room): Page<Head> {
  const { rows, place, limit } = rowsOf(partition, filter, headColumns)
  const some = rows.slice(0, limit)
  if (filter.isLean) for (const row of some) row.bytes = row.leanBytes
  const jobs = room === undefined ? some : room.take(some)
  const mark = (head: Head) => JSON.stringify(place(head))
  return {
    jobs,
    ...(rows.length > jobs.length && { cursor: mark(jobs.at(-1)!) }),
    ...(filter.isMarked && { marks: jobs.slice(0, -1).map(mark) }),
  }
}

interface HeadRows {
  rows: Head[]
  /** Returns the place of a job in the order of this list, for a cursor. */
  place: (head: Head) => (number | string)[]
}

function headsOf(
  partition: Partition,
  { state, isOldestFirst, isById }: Filter,
  // biome-ignore lint/suspicious/noExplicitAny: each state has its own kind of place
  cursor: any,
  limit: number,
  columns: string,
): HeadRows {
  switch (state) {
    case 'waiting':
      return waiting(partition, cursor, limit, columns)
    case 'delayed':
      return delayed(partition, cursor, limit, columns)
    case 'active':
      return isById
        ? activeById(partition, cursor?.[0], limit, columns)
        : active(partition, cursor, limit, columns)
    case 'blocked':
      return { rows: [], place: () => [] }
    default: {
      const { database, id } = partition
      const [finishedAt, seq] = cursor ?? (isOldestFirst ? [-1, -1] : [MAX, MAX])
      const sql = (isOldestFirst ? earliestFirst : latestFirst)(columns)
      const among = partition.kept[state] > 0 ? bothOf(state) : [endedStates[state]]
      const rows = among.flatMap((each) => database.all<Head>(sql, id, each, finishedAt, seq, limit))
      const order = isOldestFirst ? 1 : -1
      if (among.length > 1) rows.sort((a, b) => order * (a.finishedAt! - b.finishedAt! || a.seq - b.seq))
      return { rows: rows.slice(0, limit), place: (head) => [head.finishedAt!, head.seq] }
    }
  }
}

/** The place of an active job in a list: the end of its lease, its token and its `seq`. */
type ActivePlace = [leaseEnd: number, token: string, seq: number]

/**
 * Lists active jobs. The claims are in the order in which their leases end, and the jobs of a claim are in
 * the order in which they were handed out.
 */
function active(
  partition: Partition,
  after: ActivePlace | undefined,
  limit: number,
  columns: string,
): HeadRows {
  const rows: Head[] = []
  for (const lease of leasesFrom(partition, after)) {
    const from = lease.token === after?.[1] ? after[2] : undefined
    for (const head of heldRows<Head>(partition, lease, columns, from)) rows.push({ ...head, lease })
    if (rows.length >= limit) break
  }
  return { rows, place: ({ lease, seq }) => [lease!.leaseEnd, lease!.token, seq] }
}

/**
 * Lists active jobs in the order of their ids. The ids of all active jobs are read and sorted, because there
 * is no index of them.
 */
function activeById(partition: Partition, after = '', limit: number, columns: string): HeadRows {
  const found: { id: string; seq: number; lease: Lease }[] = []
  for (const lease of leasesBehind(partition))
    for (const row of heldRows<{ id: string; seq: number }>(partition, lease, 'seq, id'))
      if (row.id > after) found.push({ ...row, lease })
  const some = found.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit)
  const rows = partition.database.all<Head>(headsAt(columns), list(some.map(({ seq }) => seq)))
  const heads = new Map(rows.map((head) => [head.seq, head]))
  return { rows: some.map(({ seq, lease }) => ({ ...heads.get(seq)!, lease })), place: ({ id }) => [id] }
}

function* leasesFrom(partition: Partition, place: ActivePlace | undefined): Generator<Lease> {
  if (place === undefined) return yield* leasesBehind(partition)
  const [leaseEnd, token] = place
  const lease = findLease(partition, token)
  if (lease?.leaseEnd === leaseEnd) yield lease
  yield* leasesBehind(partition, leaseEnd, token)
}

/**
 * Lists waiting jobs in the order of their priorities, and jobs with the same priority in the order of their
 * places. Jobs in lanes come last, because their turns are not known.
 */
function waiting(
  partition: Partition,
  cursor: number[] | undefined,
  limit: number,
  columns: string,
): HeadRows {
  const rows: Head[] = []
  const [from, dueAt, seq] = cursor ?? [MAX, -1, -1]
  for (const priority of lines(partition)) {
    if (priority > from!) continue
    const after: [number, number] = priority === from ? [dueAt!, seq!] : [-1, -1]
    const left = limit - rows.length
    rows.push(...pendingRows<Head>(partition, priority, after, partition.now, left, columns))
    if (rows.length >= limit) break
  }
  return { rows, place: (head) => [lineOf(head), head.dueAt, head.seq] }
}

/**
 * Lists delayed jobs in the order of their due times. Of jobs with the same due time, a job with a higher
 * priority comes first. To find this order, the lines of all priorities are merged.
 */
function delayed(
  partition: Partition,
  cursor: number[] | undefined,
  limit: number,
  columns: string,
): HeadRows {
  const rows: Head[] = []
  const start = [partition.now, -MAX, MAX]
  const [dueAt, from, seq] = cursor && cursor[0]! > partition.now ? cursor : start
  for (const priority of lines(partition)) {
    // Some jobs have the same due time as the cursor. Such jobs were on earlier pages if their priority is
    // higher than the cursor's, and come on later pages if it is lower.
    const after = priority > from! ? MAX : priority < from! ? -1 : seq!
    rows.push(...pendingRows<Head>(partition, priority, [dueAt!, after], MAX, limit, columns))
  }
  rows.sort((a, b) => a.dueAt - b.dueAt || lineOf(b) - lineOf(a) || a.seq - b.seq)
  return { rows: rows.slice(0, limit), place: (head) => [head.dueAt, lineOf(head), head.seq] }
}

/** The priorities of pending jobs, the highest first. `GROUPS` comes last if the partition has lanes. */
export function lines(partition: Partition): number[] {
  const priorities = [...partition.priorities()]
  return partition.lanes > 0 ? [...priorities, GROUPS] : priorities
}

function lineOf({ lane, priority }: Head): number {
  return lane === '' ? priority : GROUPS
}
