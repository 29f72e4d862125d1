/**
 * Flows in SQLite (`contract/flows.ts`). Each flow is a row of the table `flows`. `dueAt` is when the flow is
 * due, or NULL if it is not due. While a flow is handed out, `dueAt` and `lent` are the end of the lease.
 *
 *   `reached`     1 if members have reached a mark since the flow was handed out: as many members have ended
 *                 as `size` says, or as many have ended without completing as `alarm` says, or a member has
 *                 completed after an earlier end. While `reached` is 1, a write leaves the flow due. When the
 *                 flow is handed out, it gets a new number, so a writer that has read the flow earlier can no
 *                 longer write it definitions the table of definitions. A definition may be large, and SQLite
 *                 writes the whole row for each change, so definitions are not in the table `flows`
 *   members       the table that says which members have ended (`members.ts`)
 *   ends          the table of the ends of nodes, and of the starts of members that were started again
 *                 (`ends.ts`)
 *
 * `rev` is at least the time of the write: see `schedules.ts`.
 *
 * Measured on 2026-11-26 (2 cores, 24 GiB, shared and busy, Node 20.20, `libsql`, in a file): to count a
 * member takes 1.5 µs of CPU with 50 members a call, and 0.2 µs with 1,000. To keep the ends of 20 nodes,
 * hand out their flow and write its state takes 1.1 ms, and 4.9 ms if the definition has 2 MB. To find that
 * none of a million members is missing takes 20 ms. To remove a flow with 10,000 nodes takes 10 ms.
 * `effect.ts` has the time that a member takes in total.
 */
import {
  type Applied,
  type Bound,
  countsAsQueued,
  type DueFlows,
  type Fate,
  FLOW_BYTES,
  FLOW_LEASE_MS,
  type Flows,
  type FlowWrite,
  type FlowWritten,
  type KeptEnd,
  MAX_DUE,
  MAX_ITEMS,
  type MemberEnd,
  type StoredFlow,
} from '../../contract/store.ts'
import type { Access } from '../access.ts'
import type { Database } from '../database.ts'
import { endsOf, forgetEnds, hearNews, newsBytes, newsOf, purgeEnds } from '../effects/ends.ts'
import { Members } from '../effects/members.ts'
import {
  columns,
  countEnds,
  countEndsAtHome,
  type FlowRow,
  FlowTally,
  find,
  isReached,
} from '../effects/tally.ts'
import { bytesOf, queue } from '../enqueue/enqueue.ts'
import { fates } from '../look/read.ts'
import type { Partition } from '../partition.ts'
import { Room } from '../room.ts'
import { list } from '../row.ts'
import { nextOf, noteNext } from './tick.ts'

type WholeFlow = FlowRow & Pick<StoredFlow, 'id' | 'rev' | 'definition' | 'state'> & { cancelled: number }

interface FlowHead {
  number: number
  bytes: number
}

const shown = `
  SELECT ${columns}, id, rev, definition, state, cancelled FROM flows CROSS JOIN definitions ON definitions.flow = number`
const textBytes = 'octet_length(definition) + octet_length(state)'
const findRev = `${find} AND rev = ?`
const read = `${shown} WHERE partition = ? AND id = ?`
const readState = 'SELECT state FROM flows WHERE partition = ? AND id = ?'
const show = `${shown} WHERE number IN (SELECT value FROM json_each(?))`
const findDue = `
  SELECT number, ${textBytes} + ${newsBytes} AS bytes
  FROM flows CROSS JOIN definitions ON definitions.flow = number
  WHERE partition = ? AND dueAt <= ? AND dueAt IS NOT NULL ORDER BY dueAt LIMIT ${MAX_DUE}`
const lend = `
  UPDATE flows
  SET dueAt = ?1, lent = ?1, rev = CASE reached WHEN 1 THEN max(rev + 1, ?2) ELSE rev END, reached = 0
  WHERE number IN (SELECT value FROM json_each(?3))`
const make = `
  INSERT INTO flows (partition, id, rev, dueAt, reached, reserved, size, alarm, state)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number, rev`
const define = 'INSERT OR REPLACE INTO definitions (flow, definition) VALUES (?, ?)'
const change = `
  UPDATE flows
  SET rev = max(rev + 1, ?), dueAt = ?, lent = NULL, reached = ?, reserved = ?, size = ?, alarm = ?, state = ?
  WHERE number = ? RETURNING rev`
const remove = 'DELETE FROM flows WHERE number = ?'
const removeDefinition = 'DELETE FROM definitions WHERE flow = ?'
const freeResults = 'UPDATE flows SET results = max(0, results - ?) WHERE number = ?'
const page = `
  SELECT number, ${textBytes} AS bytes FROM flows CROSS JOIN definitions ON definitions.flow = number
  WHERE partition = ? AND number < ? ORDER BY number DESC LIMIT ?`

export class SqliteFlows implements Flows {
  readonly #on: Access

  constructor(on: Access) {
    this.#on = on
  }

  write(...[home, each, bound]: Parameters<Flows['write']>): Promise<FlowWritten> {
    return this.#on.change(home, (partition) => {
      const written = write(partition, each, bound)
      countEndsAtHome(partition)
      if (written.isWritten) noteNext(partition)
      return { ...written, ...nextOf(partition) }
    })
  }

  async get(home: string, flow: string): Promise<Awaited<ReturnType<Flows['get']>>> {
    const nothing: Awaited<ReturnType<Flows['get']>> = { at: this.#on.database().now() }
    return this.#on.look(home, nothing, ({ database, id, now }) => {
      const row = database.get<WholeFlow>(read, id, flow)
      return row === undefined ? { at: now } : { at: now, found: toFlow(database, row) }
    })
  }

  state(home: string, flow: string): Promise<string | undefined> {
    return this.#on.look<string | undefined>(home, undefined, ({ database, id }) => {
      const row = database.get<Pick<WholeFlow, 'state'>>(readState, id, flow)
      return row && String(row.state)
    })
  }

  apply(home: string, ends: readonly MemberEnd[]): Promise<Applied> {
    return this.#on.change(home, (partition) => {
      const { database } = partition
      const bytes = ends.reduce((sum, { result }) => sum + Buffer.byteLength(result ?? '') * 1.25, 0)
      if (bytes > 0) database.leaveRoom(() => bytes + ends.length * 512)
      const verdicts = countEnds(partition, ends)
      return { verdicts, ...nextOf(partition) }
    })
  }

  ends(home: string, flow: string, indices: readonly number[]): Promise<KeptEnd[]> {
    return this.#look(home, flow, [], ({ database }, { number }) => endsOf(database, number, indices))
  }

  missing(home: string, flow: string, after: number, most: number): Promise<number[]> {
    return this.#look(home, flow, [], ({ database }, { number, reserved }) =>
      new Members(database, number).missing(after + 1, reserved, Math.min(most, MAX_ITEMS)),
    )
  }

  failed(home: string, flow: string, after: number, most: number): Promise<number[]> {
    return this.#look(home, flow, [], ({ database }, { number, reserved }) =>
      new Members(database, number).failed(after + 1, reserved, Math.min(most, MAX_ITEMS)),
    )
  }

  reopen(...[home, flow, indices, starts = []]: Parameters<Flows['reopen']>): Promise<number> {
    return this.#on.change(home, (partition) => FlowTally.find(partition, flow)?.reopen(indices, starts) ?? 0)
  }

  purge(home: string, flow: string, indices: readonly number[]): Promise<void> {
    return this.#on.change(home, ({ database, id }) => {
      const row = database.get<FlowRow>(find, id, flow)
      if (row !== undefined) database.run(freeResults, purgeEnds(database, row.number, indices), row.number)
    })
  }

  fates(name: string, ids: readonly string[]): Promise<Fate[]> {
    const nothing = ids.map((): Fate => ({ kind: 'unknown' }))
    return this.#on.look(name, nothing, (partition) => fates(partition, ids))
  }

  list(home: string, most: number, before?: string): Promise<Omit<StoredFlow, 'news'>[]> {
    return this.#on.look<Omit<StoredFlow, 'news'>[]>(home, [], ({ database, id }) => {
      const last = before === undefined ? undefined : database.get<FlowRow>(find, id, before)
      const below = before === undefined ? Number.MAX_SAFE_INTEGER : (last?.number ?? 0)
      const heads = database.all<FlowHead>(page, id, below, Math.min(most, MAX_ITEMS))
      return rowsOf(database, new Room().take(heads)).map(toListed)
    })
  }

  #look<T>(
    home: string,
    flow: string,
    nothing: T,
    work: (partition: Partition, row: FlowRow) => T,
  ): Promise<T> {
    return this.#on.look(home, nothing, (partition) => {
      const row = partition.database.get<FlowRow>(find, partition.id, flow)
      return row === undefined ? nothing : work(partition, row)
    })
  }
}

/** The flows that are due. The flow that has been due for the longest time is first. */
export function dueFlows({ database, id, now }: Partition): FlowHead[] {
  return database.all<FlowHead>(findDue, id, now)
}

/** Hands out flows under a lease that ends at `until`. */
export function lendFlows(
  { database, now }: Partition,
  heads: readonly FlowHead[],
  until: number,
): StoredFlow[] {
  if (heads.length === 0) return []
  database.run(lend, until, now, list(heads.map(({ number }) => number)))
  return rowsOf(database, heads).map((row) => toFlow(database, row))
}

/** Hands out due flows with an `exchange`. Undefined if the first of them is too large for that. */
export function handOutFlows(partition: Partition): DueFlows | undefined {
  const heads = dueFlows(partition)
  if (heads.length === 0 || heads[0]!.bytes > FLOW_BYTES) return undefined
  const flows = lendFlows(partition, new Room(FLOW_BYTES).take(heads), partition.now + FLOW_LEASE_MS)
  noteNext(partition)
  return { at: partition.now, flows }
}

function rowsOf(database: Database, heads: readonly FlowHead[]): WholeFlow[] {
  const numbers = heads.map(({ number }) => number)
  const rows = new Map(database.all<WholeFlow>(show, list(numbers)).map((row) => [row.number, row]))
  return numbers.map((number) => rows.get(number)!)
}

function toFlow(database: Database, row: WholeFlow): StoredFlow {
  return { ...toListed(row), news: newsOf(database, row.number) }
}

/**
 * Converts a row without its news. In a damaged row, the texts may be values of another type; the code that
 * parses the texts reports the damage.
 */
function toListed({
  id,
  rev,
  definition,
  state,
  reserved,
  size,
  completed,
  failed,
  cancelled,
}: WholeFlow): Omit<StoredFlow, 'news'> {
  const more = { ...(size !== null && { size }), ...(cancelled > 0 && { cancelled }) }
  const crowd = { reserved, completed, failed, ...more }
  return { id, rev, definition: String(definition), state: String(state), crowd }
}

function write(partition: Partition, each: FlowWrite, bound: Bound | undefined): FlowWritten {
  const { database, id } = partition
  const { jobs = [] } = each
  const row = each.rev === 0 ? undefined : database.get<FlowRow>(findRev, id, each.id, each.rev)
  const isRight = each.rev === 0 ? database.get(find, id, each.id) === undefined : row !== undefined
  if (!isRight) return { isWritten: false, rev: 0, jobs: [] }
  if (jobs.length > 0 || row === undefined) database.leaveRoom(() => sizeOf(each))
  const rev = 'remove' in each ? removeFlow(database, row) : store(partition, each, row)
  const answers = jobs.length === 0 ? [] : queue(partition, jobs, bound)
  return { isWritten: true, rev, jobs: answers.map((each) => (countsAsQueued(each) ? 'queued' : each)) }
}

function removeFlow(database: Database, row: FlowRow | undefined): 0 {
  if (row === undefined) return 0
  const { number } = row
  Members.remove(database, number)
  forgetEnds(database, number)
  database.run(removeDefinition, number)
  database.run(remove, number)
  return 0
}

/** Writes the row of a flow. @returns the new number of the flow */
function store(
  { database, id: own, now }: Partition,
  { id, definition, state, next, heard = 0, crowd = {} }: Exclude<FlowWrite, { remove: true }>,
  row: FlowRow | undefined,
): number {
  const reserved = crowd.reserved ?? row?.reserved ?? 0
  const size = crowd.size ?? row?.size ?? null
  const alarm = crowd.alarm ?? row?.alarm ?? null
  const { completed = 0, failed = 0 } = row ?? {}
  const reaches = (count: number, before: number | null | undefined, after: number | null) =>
    isReached(after, count) && !isReached(before ?? null, count)
  const reached =
    row?.reached === 1 || reaches(completed + failed, row?.size, size) || reaches(failed, row?.alarm, alarm)
  const hasNews = row !== undefined && hearNews(database, row.number, heard)
  const instant = next === undefined ? null : Math.ceil(next)
  const dueAt = reached || hasNews ? Math.min(instant ?? now, now) : instant
  const values = [dueAt, Number(reached), reserved, size, alarm, state] as const
  const written =
    row === undefined
      ? database.get<{ number: number; rev: number }>(make, own, id, now, ...values)!
      : { ...row, ...database.get<{ rev: number }>(change, now, ...values, row.number)! }
  if (definition !== undefined || row === undefined) database.run(define, written.number, definition ?? '')
  return written.rev
}

/** An upper bound of the bytes that a change takes on the disk. */
function sizeOf(each: FlowWrite): number {
  const texts = 'remove' in each ? '' : `${each.definition ?? ''}${each.state}`
  return Buffer.byteLength(texts) * 1.25 + 512 + bytesOf(each.jobs ?? [])
}
