/**
 * A partition as one transaction sees it: its counters, its clock, and the callers to ring for its changes.
 *
 * Counting never scans. `waiting` and `delayed` are the numbers of pending jobs that are due by the instant
 * `asOf`, and after it. A transaction at a later instant counts, by index, only the jobs that have become due
 * in between, so each job is counted once in its life (a million jobs that are due at one instant take 58 ms,
 * once). While no job can have become due, `nextDue` saves even that. No process has to move due jobs. `asOf`
 * never goes back (`clock.ts`).
 */
import { defined } from '@s18i/lark/internal'
import type { EventKind, PUBLISHED } from '../../model/event.ts'
import { type Pause, packPause, readPause } from '../contract/rules/pause.ts'
import { SUSPENDED, suspendedIn } from '../contract/rules/reason.ts'
import { MAX_LINES, type MemberEnd, MINUTE, type Minute, type SettingChange } from '../contract/store.ts'
import type { Database } from './database.ts'
import type { JobRow } from './row.ts'
import { ACTIVE, CANCELLED, COMPLETED, FAILED, KEPT, PENDING } from './states.ts'

interface PartitionRow {
  id: number
  held: number
  /** See `store/contract/rules/pause.ts`. */
  paused: number | string
  waiting: number
  delayed: number
  active: number
  completed: number
  failed: number
  cancelled: number
  asOf: number
  nextDue: number | null
  lanes: number
  turn: number
  ownTurn: number
  minute: number
  minuteCompleted: number
  minuteFailed: number
  minuteRetried: number
  nextEffect: number | null
  watched: number | null
  listened: number | null
  nextTick: number | null
  keptCompleted: number
  keptFailed: number
  keptCancelled: number
  retrying: number
  suspended: number
  early: number
}

/** The fields of a job that are counted. Only a job that has run can have failures. */
type CountedJob = Pick<JobRow, 'state' | 'dueAt'> & Partial<Pick<JobRow, 'failures' | 'runs' | 'reason'>>

const unpaused: Pause = { until: 0 }

const find = 'SELECT * FROM partitions WHERE name = ?'
const findId = 'SELECT id FROM partitions WHERE name = ?'
const findAll = 'SELECT * FROM partitions WHERE name IN (SELECT value FROM json_each(?))'
const held = 'SELECT name FROM partitions WHERE held = 1'
const countHeld = 'SELECT count(*) AS count FROM partitions WHERE held = 1'
const latest = 'SELECT max(asOf) AS asOf FROM partitions'
const mostCompleted = 'SELECT name FROM partitions ORDER BY completed DESC LIMIT 1'
const create = 'INSERT INTO partitions (name, asOf) VALUES (?, ?)'
const update = `
  UPDATE partitions SET held = ?, paused = ?, waiting = ?, delayed = ?, active = ?, completed = ?, failed = ?,
    cancelled = ?, asOf = ?, nextDue = ?, lanes = ?, turn = ?, ownTurn = ?, minute = ?, minuteCompleted = ?, minuteFailed = ?, minuteRetried = ?,
    nextEffect = ?, watched = ?, keptCompleted = ?, keptFailed = ?, keptCancelled = ?, retrying = ?,
    suspended = ?
  WHERE id = ?`
const updateEarly = 'UPDATE partitions SET early = ? WHERE id = ?'
const updateTick = 'UPDATE partitions SET nextTick = ? WHERE id = ?'

/** The priorities that have pending jobs in a lane ('' for no lane), highest first: one seek for each. */
const priorities = (lane: string) => `
  WITH RECURSIVE lines (priority) AS (
    SELECT max(priority) FROM jobs WHERE partition = ?1 AND lane = ${lane} AND state = ${PENDING}
    UNION ALL
    SELECT (
      SELECT max(priority) FROM jobs
      WHERE partition = ?1 AND lane = ${lane} AND state = ${PENDING} AND priority < lines.priority
    )
    FROM lines WHERE lines.priority IS NOT NULL
  )`
const nextPriority = `
  SELECT max(priority) AS priority FROM jobs
  WHERE partition = ? AND lane = ? AND state = ${PENDING} AND priority < ?`
const isLine = `
  SELECT 1 FROM jobs WHERE partition = ? AND lane = '' AND state = ${PENDING} AND priority = ? LIMIT 1`
const countLines = `${priorities("''")} SELECT count(*) AS count FROM lines WHERE priority <> 0`
const countDue = `${priorities("''")}
  SELECT total((
    SELECT count(*) FROM jobs
    WHERE partition = ?1 AND lane = '' AND state = ${PENDING} AND priority = lines.priority
      AND dueAt > ?2 AND dueAt <= ?3
  )) + (
    SELECT count(*) FROM jobs
    WHERE partition = ?1 AND state = ${PENDING} AND lane <> '' AND dueAt > ?2 AND dueAt <= ?3
  ) AS count FROM lines WHERE priority IS NOT NULL`
const earliestLaned = `
  SELECT min(dueAt) AS dueAt FROM jobs WHERE partition = ? AND state = ${PENDING} AND lane <> '' AND dueAt > ?`
const earliestAfter = `${priorities('?3')}
  SELECT min((
    SELECT min(dueAt) FROM jobs
    WHERE partition = ?1 AND lane = ?3 AND state = ${PENDING} AND priority = lines.priority AND dueAt > ?2
  )) AS dueAt FROM lines WHERE priority IS NOT NULL`

/** How many of these jobs were suspended by their last run. Their next run has just been counted. */
const countResumed = `
  SELECT count(*) AS count FROM jobs
  WHERE seq IN (SELECT value FROM json_each(?)) AND instr(reason, (runs - 1) || '|${SUSPENDED}') = 1`

/** Whether the last run of a pending job has suspended it. */
export function isSuspended({ reason, runs }: Partial<Pick<JobRow, 'runs' | 'reason'>>): boolean {
  return reason != null && suspendedIn(reason, runs ?? 0) !== undefined
}

export class Partition {
  readonly database: Database
  readonly name: string
  readonly id: number
  /** The instant of this transaction. */
  readonly now: number
  /** The pause of the partition, read from its text. */
  pause: Pause
  active: number
  completed: number
  failed: number
  cancelled: number
  /** Ended jobs of which this transaction keeps nothing (`keep.ts`). */
  readonly unkept: JobRow[] = []
  /** The kinds of the jobs that failed in this transaction (`failed-jobs.ts`). */
  readonly failedKinds = new Set<string>()
  /**
   * The ends of nodes and members whose flow has its home in this partition, until they are counted
   * (`tally.ts`).
   */
  readonly ends: MemberEnd[] = []
  /**
   * How many ended jobs are kept for an age of their own, beside those that are kept as the queue says
   * (`keep.ts`).
   */
  readonly kept: { completed: number; failed: number; cancelled: number }
  /** How many of the pending jobs have failed, and wait for their next try. */
  retrying: number
  /** How many of the pending jobs are suspended. */
  suspended: number
  /** How many ids without a job have signals (`journal.ts`). */
  early: number
  /** How many jobs were queued or put back in this transaction and may run at once. */
  came = 0
  /** With limits: how many jobs ended, so that others may begin. */
  freed = 0
  /** Whether a new delayed job is due earlier than all other delayed jobs. */
  sooner = false
  /**
   * The number of lanes, the last turn that was given, and the turn of the jobs without a group (`order.ts`).
   */
  lanes: number
  turn: number
  ownTurn: number
  /** Lanes that this transaction has changed. */
  readonly touched = new Set<string>()
  /** Whether all callers must be rung, because the partition was resumed, or paused for a time. */
  ringsAll = false
  /** The callers for whom this transaction left a notice. */
  readonly noticed: string[] = []
  /** How many jobs have become due since the counters were last saved. */
  fellDue = 0
  /** The jobs that ended in the current minute. */
  readonly minute: Minute
  /** The previous minute, until it is written into the table. */
  readonly lastMinute: Minute | undefined
  /** When the next effect is due (`effect.ts`); undefined if there is none. */
  nextEffect: number | undefined
  /** When the last watch lapses (`watch.ts`); undefined if there is none. */
  watched: number | undefined
  /** Until when somebody listens (`events.ts`); undefined if nobody does. */
  readonly listened: number | undefined
  /** The events of this transaction, in their order. */
  readonly told: { kind: EventKind | typeof PUBLISHED; ids: string[] }[] = []
  /** How many priorities other than 0 are in use, counted once a job needs one more; undefined before. */
  #lines: number | undefined
  /** Whether a schedule or a flow is now due earlier than any was before this transaction. */
  ticksSooner = false
  /** Whether this transaction wrote an effect while none was due, and has not handed it out. */
  owes = false
  #held: boolean
  #waiting: number
  #delayed: number
  /** The next due time; if `#stale` is set, possibly an earlier time. */
  #nextDue: number | undefined
  #stale = false
  #nextTick: number | undefined
  readonly #early: number

  private constructor(database: Database, name: string, row: PartitionRow, clock: number) {
    const now = Math.max(clock, row.asOf)
    this.database = database
    this.name = name
    this.id = row.id
    this.now = now
    this.pause = row.paused === 0 ? unpaused : readPause(row.paused, now)
    this.active = row.active
    this.completed = row.completed
    this.failed = row.failed
    this.cancelled = row.cancelled
    this.lanes = row.lanes
    this.turn = row.turn
    this.ownTurn = row.ownTurn
    this.#held = row.held === 1
    this.#waiting = row.waiting
    this.#delayed = row.delayed
    this.#nextDue = row.nextDue ?? undefined
    const { minute: at, minuteCompleted: completed, minuteFailed: failed, minuteRetried: retried } = row
    const kept = { at, completed, failed, retried }
    const isNow = at === now - (now % MINUTE)
    this.minute = isNow ? kept : { at: now - (now % MINUTE), completed: 0, failed: 0, retried: 0 }
    this.lastMinute = isNow ? undefined : kept
    this.nextEffect = row.nextEffect ?? undefined
    this.watched = row.watched ?? undefined
    this.listened = row.listened ?? undefined
    this.#nextTick = row.nextTick ?? undefined
    this.retrying = row.retrying
    this.suspended = row.suspended
    this.early = this.#early = row.early
    this.kept = { completed: row.keptCompleted, failed: row.keptFailed, cancelled: row.keptCancelled }
    this.#moveTo(now, row.asOf)
  }

  /** Finds a partition for reading; undefined if no call ever wrote to it. */
  static find(database: Database, name: string): Partition | undefined {
    const row = database.get<PartitionRow>(find, name)
    return row && new Partition(database, name, row, database.now())
  }

  /** The id of a partition; 0 if no call ever wrote to the partition. */
  static idOf(database: Database, name: string): number {
    return database.get<Pick<PartitionRow, 'id'>>(findId, name)?.id ?? 0
  }

  /** The partitions of these names that exist, by name. */
  static findAll(database: Database, names: readonly string[]): Map<string, Partition> {
    const rows = database.all<PartitionRow & { name: string }>(findAll, JSON.stringify(names))
    const now = database.now()
    return new Map(rows.map((row) => [row.name, new Partition(database, row.name, row, now)]))
  }

  /** Finds a partition for writing, or creates it. The caller must save it. */
  static enter(database: Database, name: string): Partition {
    const found = Partition.find(database, name)
    if (found) return found
    database.run(create, name, database.now())
    return Partition.enter(database, name)
  }

  /** Every partition that ever held a job, a schedule or a flow. */
  static names(database: Database): string[] {
    return database.all<{ name: string }>(held).map((row) => row.name)
  }

  static count(database: Database): number {
    return database.get<{ count: number }>(countHeld)!.count
  }

  /** The instant of the latest change of any partition; 0 if there was none. */
  static latest(database: Database): number {
    return database.get<{ asOf: number | null }>(latest)!.asOf ?? 0
  }

  /** The partition with the most completed jobs. */
  static ofMostCompleted(database: Database): string | undefined {
    return database.get<{ name: string }>(mostCompleted)?.name
  }

  get paused(): boolean {
    return this.pause.until > 0
  }

  /** Stores the given settings. */
  configure({ paused, for: ms, because, by, keepsLonger = false }: SettingChange): void {
    if (paused === undefined) return
    if (!paused) {
      this.ringsAll = this.paused
      this.pause = unpaused
      return
    }
    const until = ms === undefined ? Number.POSITIVE_INFINITY : this.now + Math.ceil(ms)
    // Callers that know an earlier end of the pause learn the new end when they ask at the earlier one.
    this.ringsAll ||= ms !== undefined && !(keepsLonger && this.paused)
    if (keepsLonger && until <= this.pause.until) return
    const who = by === undefined ? {} : { by, at: this.now }
    this.pause = readPause(packPause({ until, ...defined({ because }), ...who }), this.now)
  }

  get waiting(): number {
    return this.#waiting
  }

  get delayed(): number {
    return this.#delayed
  }

  /**
   * Milliseconds until a job is due; undefined if there is none. While the partition is paused: until the
   * pause ends; undefined if it does not end by itself.
   */
  get nextDue(): number | undefined {
    const { until } = this.pause
    if (until > 0) return until === Number.POSITIVE_INFINITY ? undefined : until - this.now
    if (this.#waiting > 0) return 0
    this.#refresh()
    return this.#nextDue === undefined ? undefined : this.#nextDue - this.now
  }

  /** Milliseconds until a schedule or a flow is due (`tick.ts`); undefined if none will be. */
  get nextTick(): number | undefined {
    return this.#nextTick === undefined ? undefined : Math.max(0, this.#nextTick - this.now)
  }

  /** When the earliest pending job of a lane ('' for no lane) is due; undefined if it has no pending job. */
  earliest(lane: string, after = -1): number | undefined {
    const found = this.database.get<{ dueAt: number | null }>(earliestAfter, this.id, after, lane)
    return found?.dueAt ?? undefined
  }

  /** Counts a job into its new state. */
  arrive(job: CountedJob): void {
    this.#held = true
    if (job.state !== PENDING) this.#count(job.state, 1)
    else {
      if (job.failures) this.retrying += 1
      if (isSuspended(job)) this.suspended += 1
      this.#queue(job.dueAt)
    }
  }

  /** Counts a job out of its old state. */
  leave(job: CountedJob): void {
    if (job.state === PENDING && job.failures) this.retrying -= 1
    if (job.state === PENDING && isSuspended(job)) this.suspended -= 1
    if (job.state !== PENDING) this.#count(job.state, -1)
    else if (job.dueAt <= this.now) this.#waiting -= 1
    else {
      this.#delayed -= 1
      this.#stale = true
    }
  }

  /** Notes that an effect was written that is due now. */
  owe(): void {
    if (this.nextEffect !== undefined && this.nextEffect <= this.now) return
    this.nextEffect = this.now
    this.owes = true
  }

  /** Notes when the next schedule or flow is due, if any will be. Only calls that change it write this. */
  tickAt(at: number | undefined): void {
    this.#held = true
    if (at === this.#nextTick) return
    this.ticksSooner = at !== undefined && at < (this.#nextTick ?? Number.POSITIVE_INFINITY)
    this.#nextTick = at
    this.database.run(updateTick, at ?? null, this.id)
  }

  /** `leave` and `arrive` for many waiting jobs that were claimed. */
  claimed(jobs: readonly Pick<JobRow, 'seq' | 'failures'>[]): void {
    this.#waiting -= jobs.length
    this.active += jobs.length
    for (const { failures } of jobs) if (failures > 0) this.retrying -= 1
    if (this.suspended === 0) return
    const seqs = JSON.stringify(jobs.map(({ seq }) => seq))
    this.suspended -= this.database.get<{ count: number }>(countResumed, seqs)!.count
  }

  /**
   * The priorities that have pending jobs in a lane, highest first: one seek for each that the caller reads.
   */
  *priorities(lane = ''): Generator<number> {
    let last = Number.MAX_SAFE_INTEGER
    for (;;) {
      const found = this.database.get<{ priority: number | null }>(nextPriority, this.id, lane, last)
      if (found!.priority === null) return
      last = found!.priority
      yield last
    }
  }

  /**
   * Whether jobs of this priority may be queued: there are some already, or few enough other priorities are
   * in use.
   */
  mayOpen(priority: number): boolean {
    const { database, id } = this
    if (database.get(isLine, id, priority) !== undefined) return true
    this.#lines ??= database.get<{ count: number }>(countLines, id)!.count
    if (this.#lines >= MAX_LINES - 1) return false
    this.#lines += 1
    return true
  }

  save(): void {
    this.#refresh()
    this.database.run(
      update,
      Number(this.#held),
      this.paused ? packPause(this.pause) : 0,
      this.#waiting,
      this.#delayed,
      this.active,
      this.completed,
      this.failed,
      this.cancelled,
      this.now,
      this.#nextDue ?? null,
      this.lanes,
      this.turn,
      this.ownTurn,
      this.minute.at,
      this.minute.completed,
      this.minute.failed,
      this.minute.retried,
      this.nextEffect ?? null,
      this.watched ?? null,
      this.kept.completed,
      this.kept.failed,
      this.kept.cancelled,
      this.retrying,
      this.suspended,
      this.id,
    )
    if (this.early !== this.#early) this.database.run(updateEarly, this.early, this.id)
  }

  #queue(dueAt: number): void {
    if (dueAt <= this.now) {
      this.#waiting += 1
      this.came += 1
      return
    }
    this.#delayed += 1
    if (this.#nextDue !== undefined && this.#nextDue <= dueAt) return
    this.#nextDue = dueAt
    this.sooner = true
  }

  // New state: add its counter.
  #count(state: number, change: 1 | -1): void {
    if (state === ACTIVE) this.active += change
    else if (state === COMPLETED) this.completed += change
    else if (state === FAILED) this.failed += change
    else if (state === CANCELLED) this.cancelled += change
    else if (state === COMPLETED + KEPT) this.kept.completed += change
    else if (state === FAILED + KEPT) this.kept.failed += change
    else if (state === CANCELLED + KEPT) this.kept.cancelled += change
  }

  #moveTo(now: number, asOf: number): void {
    if (this.#nextDue === undefined || this.#nextDue > now) return
    this.fellDue = this.#dueBetween(asOf, now)
    this.#waiting += this.fellDue
    this.#delayed -= this.fellDue
    this.#stale = true
  }

  #refresh(): void {
    if (!this.#stale) return
    this.#stale = false
    this.#nextDue = undefined
    if (this.#delayed === 0) return
    const laned = this.database.get<{ dueAt: number | null }>(earliestLaned, this.id, this.now)?.dueAt
    const own = this.earliest('', this.now)
    this.#nextDue = own === undefined || (laned != null && laned < own) ? (laned ?? undefined) : own
  }

  #dueBetween(after: number, upTo: number): number {
    return this.database.get<{ count: number }>(countDue, this.id, after, upTo)!.count
  }
}
