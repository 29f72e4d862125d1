/**
 * Moves in SQLite (`contract/moves.ts`). A job on its way is a hidden row. The payload of the row is the text
 * of the complete job, and `reason` is the name of the new partition. The row has an effect of the kind
 * `move`, which is due when the lease of the caller that moves the job ends. When the job has arrived, the
 * payload is removed, and the effect is removed after `MOVED_MEMORY`.
 */
import { defined } from '@s18i/lark/internal'
import type { JobOptions, Keep } from '../../../model/record.ts'
import { suspendedIn, UNDOING } from '../../contract/rules/reason.ts'
import { readLaneName } from '../../contract/rules/unreadable.ts'
import {
  MAX_ITEMS,
  MAX_MOVED_JOURNAL,
  MOVE_LEASE_MS,
  MOVED_LEAST,
  MOVED_MEMORY,
  type MovedPlace,
  type Moves,
  type MovingJob,
  type TakeVerdict,
} from '../../contract/store.ts'
import type { Access } from '../access.ts'
import { findLane, goesFirst, laneMoves, openLane, putFirst, rulesTextOf } from '../claim/lane.ts'
import { isOnItsWay, owesHook } from '../effects/effect.ts'
import { makeWay } from '../end/retain.ts'
import { noteRun } from '../end/runs.ts'
import { inTheWay } from '../enqueue/enqueue.ts'
import { forgetLock, holderOfLock } from '../enqueue/lock.ts'
import { tell } from '../events/events.ts'
import { unwatch } from '../events/watch.ts'
import { type Carriage, carryJournal, forgetJournal, journalBytes, putJournal } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { forgetPayload, keepPayload, payload } from '../payload.ts'
import { Room } from '../room.ts'
import { columns, type JobRow, list, optionsOf } from '../row.ts'
import { GONE, HIDDEN, PENDING } from '../states.ts'
import { isRevoked, movedAtOf, revoke } from './revoked.ts'

const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`
const findAll = `SELECT ${columns} FROM jobs WHERE partition = ? AND id IN (SELECT value FROM json_each(?))`
const read = `SELECT ${payload}, log, progress FROM jobs WHERE seq = ?`
const leave = `
  UPDATE jobs SET state = ${GONE}, finishedAt = ?, reason = ?, options = ?, payload = ?, apart = ?, effects = 1,
    lock = NULL, holds = NULL, untilStart = NULL, hooked = NULL, keep = NULL, lane = '', laneLimits = NULL, errors = NULL, journal = NULL,
    log = NULL, progress = NULL, token = NULL, asked = NULL, runs = 0, failures = 0, crashes = 0, releases = 0
  WHERE seq = ?`
const lend = "INSERT OR REPLACE INTO effects (seq, kind, partition, at) VALUES (?, 'move', ?, ?)"
const due = `
  SELECT seq FROM effects WHERE partition = ? AND kind = 'move' AND at <= ? AND at IS NOT NULL ORDER BY at LIMIT ${MAX_ITEMS}`
const show = `
  SELECT seq, id, reason, options, ${payload} FROM jobs WHERE seq = ?`
const arrived = "UPDATE effects SET at = NULL, over = ? WHERE seq = ? AND kind = 'move'"
const bare = "UPDATE jobs SET payload = '', apart = NULL WHERE seq = ?"
const insert = `
  INSERT INTO jobs (
    partition, id, priority, queuedAt, dueAt, runs, failures, crashes, releases, direct, lane, laneLimits, lock, hooked,
    untilStart, holds, key, options, payload, apart, errors, log, keep, progress, reason, journal
  )
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

type ReadRow = { payload: string; log: string | null; progress: string | null }
type GoneRow = Pick<JobRow, 'seq' | 'id' | 'reason' | 'options'> & { payload: string }

/** The fields in the text of a job that moves. `first`: the job goes before all other jobs of its lane. */
type Carried = Pick<
  JobRow,
  | ('priority' | 'queuedAt' | 'dueAt' | 'runs' | 'failures' | 'crashes' | 'releases' | 'direct' | 'lane')
  | ('laneLimits' | 'lock' | 'hooked' | 'untilStart' | 'holds' | 'key' | 'options' | 'errors' | 'keep')
> &
  Partial<Pick<JobRow, 'reason'>> &
  ReadRow & { first?: true; steps?: Carriage }

export class SqliteMoves implements Moves {
  readonly #on: Access

  constructor(on: Access) {
    this.#on = on
  }

  where(name: string, ids: readonly string[]): Promise<MovedPlace[]> {
    const here = ids.map((): MovedPlace => ({ kind: 'here' }))
    return this.#on.look(name, here, (partition) => {
      const rows = partition.database.all<JobRow>(findAll, partition.id, list(ids))
      const found = new Map(rows.map((row) => [row.id, whereabouts(partition, row)]))
      return ids.map((id) => found.get(id) ?? { kind: 'here' })
    })
  }

  meets(...[name, jobs]: Parameters<Moves['meets']>): Promise<boolean[]> {
    const nothing = jobs.map(() => false)
    return this.#on.look(name, nothing, (partition) =>
      jobs.map(({ id, lock }) => {
        const row = partition.database.get<JobRow>(find, partition.id, id)
        const isThere = row !== undefined && (row.state < HIDDEN || owesHook(partition, row))
        return isThere || (lock !== undefined && holderOfLock(partition, lock) !== undefined)
      }),
    )
  }

  take(...[name, ids, to]: Parameters<Moves['take']>): ReturnType<Moves['take']> {
    return this.#on.change(name, (partition) => {
      const room = new Room()
      const jobs: MovingJob[] = []
      const verdicts = ids.map((id, i) => take(partition, id, to[i]!, room, jobs))
      return { verdicts, jobs }
    })
  }

  due(name: string, isAll = false): Promise<MovingJob[]> {
    return this.#on.change(name, (partition) => {
      const { database, id, now } = partition
      const room = new Room()
      const jobs: MovingJob[] = []
      for (const { seq } of database.all<Pick<JobRow, 'seq'>>(due, id, isAll ? now + MOVE_LEASE_MS : now)) {
        const job = moving(partition, database.get<GoneRow>(show, seq)!)
        if (room.take([{ bytes: Buffer.byteLength(job.text) }]).length === 0) break
        database.run(lend, seq, id, now + MOVE_LEASE_MS)
        jobs.push(job)
      }
      return jobs
    })
  }

  put(name: string, jobs: readonly MovingJob[]): Promise<boolean[]> {
    return this.#on.change(name, (partition) => jobs.map((job) => put(partition, job)))
  }

  settle(...[name, jobs]: Parameters<Moves['settle']>): Promise<void> {
    return this.#on.change(name, (partition) => {
      const { database, now } = partition
      for (const { id, movedAt } of jobs) {
        const row = database.get<JobRow>(find, partition.id, id)
        if (row?.state !== GONE || movedAtOf(row) !== movedAt || !isOnItsWay(partition, row)) continue
        forgetPayload(database, row.apart)
        database.run(bare, row.seq)
        database.run(arrived, now + MOVED_MEMORY, row.seq)
        unwatch(partition, [id])
      }
    })
  }

  revoke(...[name, jobs]: Parameters<Moves['revoke']>): Promise<void> {
    return this.#on.change(name, (partition) => {
      for (const { id, movedAt } of jobs) revoke(partition, id, movedAt)
    })
  }
}

function whereabouts(partition: Partition, row: JobRow): MovedPlace {
  if (row.state === GONE) {
    const kind = isOnItsWay(partition, row) ? 'moving' : 'moved'
    return { kind, to: row.reason!, movedAt: movedAtOf(row) }
  }
  const { group } = row.lane === '' ? {} : readLaneName(row.lane)
  const holds = row.lock !== null && holderOfLock(partition, row.lock)?.seq === row.seq
  return { kind: 'here', ...defined({ group }), ...(holds && { lock: row.lock! }) }
}

function moving({ name }: Partition, row: GoneRow): MovingJob {
  return { id: row.id, from: name, to: row.reason!, movedAt: movedAtOf(row), text: row.payload }
}

function take(partition: Partition, id: string, to: string, room: Room, jobs: MovingJob[]): TakeVerdict {
  const { database, now } = partition
  const row = database.get<JobRow>(find, partition.id, id)
  if (row === undefined) return 'missing'
  if (row.state === GONE) {
    const job = moving(partition, database.get<GoneRow>(show, row.seq)!)
    if (job.to !== to || !isOnItsWay(partition, row)) return 'missing'
    if (room.take([{ bytes: Buffer.byteLength(job.text) }]).length === 0) return 'left'
    database.run(lend, row.seq, partition.id, now + MOVE_LEASE_MS)
    jobs.push(job)
    return 'taken'
  }
  if (row.state >= HIDDEN) return 'missing'
  const options = optionsOf(row)
  const isSound = row.options === null || options !== undefined
  if (row.state !== PENDING || !isSound || to === partition.name) return 'refused'
  const all = database.get<ReadRow>(read, row.seq)!
  const bytes = journalBytes(database, row)
  if (bytes > MAX_MOVED_JOURNAL) return 'refused'
  if (room.take([{ bytes: Buffer.byteLength(all.payload) + bytes }]).length === 0) return 'left'
  const movedAt = Math.max(now, movedAtOf(row) + 1)
  const text = JSON.stringify(carried(partition, row, all, { ...options, movedAt }))
  partition.leave(row)
  laneMoves(partition, row)
  forgetPayload(database, row.apart)
  forgetJournal(partition, row)
  const { payload, apart } = keepPayload(database, text)
  database.run(leave, now, to, JSON.stringify({ movedAt }), payload, apart, row.seq)
  database.run(lend, row.seq, partition.id, now + MOVE_LEASE_MS)
  noteRun(partition, id, 'moved')
  tell(partition, 'moved', [id])
  jobs.push({ id, from: partition.name, to, movedAt, text })
  return 'taken'
}

function carried(partition: Partition, row: JobRow, all: ReadRow, options: JobOptions): Carried {
  const { priority, queuedAt, dueAt, runs, failures, crashes, releases, direct, lane, lock } = row
  const { hooked, untilStart, key, errors, keep } = row
  const suspended = suspendedIn(row.reason, row.runs)
  const holds = lock !== null && holderOfLock(partition, lock)?.seq === row.seq ? row.holds : null
  return {
    ...{ priority, queuedAt, dueAt, runs, failures, crashes, releases, direct, lane },
    // The job brings the rules of its group to the new partition, no matter which job brought these rules to
    // this partition.
    ...{ laneLimits: rulesTextOf(partition, lane), lock, hooked, untilStart, holds, key },
    ...{ options: JSON.stringify(options), errors, keep: keptFor(keep), ...all },
    ...(goesFirst(partition, row) && { first: true as const }),
    ...carryJournal(partition.database, row),
    ...((suspended || row.reason === UNDOING) && { reason: row.reason! }),
  }
}

/**
 * Adds a minimum age to the text in `keep`, so that the job is kept for a while after its end, and a late
 * `put` finds it.
 */
function keptFor(text: string | null): string {
  const keep = text === null ? {} : (JSON.parse(text) as Keep)
  return JSON.stringify({ ...keep, least: Math.max(keep.least ?? 0, MOVED_LEAST) })
}

/**
 * Puts a moved job into this partition. @returns whether the job is in this partition now or was in it before
 */
function put(partition: Partition, { id, movedAt, text }: MovingJob): boolean {
  const { database } = partition
  if (isRevoked(partition, id, movedAt)) return true
  const before = database.get<JobRow>(find, partition.id, id)
  if (before !== undefined) {
    if (movedAtOf(before) >= movedAt) return true
    if (inTheWay(partition, before, 'reuse') !== undefined) return false
    makeWay(partition, before)
  }
  const job = JSON.parse(text) as Carried
  const { journal, early } = putJournal(partition, id, job)
  const waits = suspendedIn(job.reason, job.runs) ?? []
  if (early.some((name) => waits.includes(name))) job.dueAt = Math.min(job.dueAt, partition.now)
  const { dueAt, failures, lane, lock } = job
  const holds = lock === null || holderOfLock(partition, lock) !== undefined ? null : job.holds
  if (holds !== null) forgetLock(partition, lock!)
  const kept = keepPayload(database, job.payload)
  database.run(
    insert,
    ...[partition.id, id, job.priority, job.queuedAt, dueAt, job.runs, failures, job.crashes, job.releases],
    ...[job.direct, lane, job.laneLimits, lock, job.hooked, job.untilStart, holds, job.key, job.options],
    ...[kept.payload, kept.apart, job.errors, job.log, job.keep, job.progress, job.reason ?? null],
    journal,
  )
  if (lane !== '') {
    openLane(partition, lane, findLane(partition, lane) === undefined ? job.laneLimits : undefined)
    if (job.first) putFirst(partition, lane, id)
  }
  partition.arrive({ ...job, state: PENDING })
  tell(partition, 'queued', [id])
  return true
}
