/**
 * A partition in one transaction: its counters, the present instant, and the callers to ring because of
 * changes.
 *
 * The row of a partition has counters, so that no call counts jobs one by one. `waiting` is the number of
 * pending jobs that are due at the instant `asOf`, and `delayed` is the number of pending jobs that are due
 * later. A transaction at a later instant moves only the jobs that have become due since `asOf` from one
 * counter to the other, and finds their number with an index. So each job is counted once in its life. (For a
 * million jobs that become due at one instant, this takes 58 ms once.) If `nextDue` says that no job has
 * become due, nothing is counted. `asOf` never goes back (`clock.ts`).
 */
import { defined } from '@s18i/lark/internal'
import type { EventKind, PUBLISHED } from '../../model/event.ts'
import type { Limits } from '../../model/limits.ts'
import { type Pause, packPause, readLimits, readPause } from '../contract/rules/pause.ts'
import { SUSPENDED, suspendedIn } from '../contract/rules/reason.ts'
import { MAX_LINES, type MemberEnd, MINUTE, type Minute, type SettingChange } from '../contract/store.ts'
import type { Database } from './database.ts'
import type { JobRow } from './row.ts'
import { ACTIVE, CANCELLED, COMPLETED, FAILED, KEPT, PENDING } from './states.ts'

interface PartitionRow {
  id: number
  held: number
  /** The text of the pause and the limits (`store/contract/rules/pause.ts`); 0 if there are none. */
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

/** The fields that decide which counters include a job. A job without runs needs no `failures`. */
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

/** SQL that lists the priorities of a lane's pending jobs, the highest first, with one seek for each. */
export const priorities = (lane: string) => `
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

/**
 * How many of the claimed jobs were suspended. `runs` already includes the run that begins now, so `runs - 1`
 * is the run that suspended the job.
 */
const countResumed = `
  SELECT count(*) AS count FROM jobs
  WHERE seq IN (SELECT value FROM json_each(?)) AND instr(reason, (runs - 1) || '|${SUSPENDED}') = 1`

/** Whether the last run of a pending job has suspended the job. */
export function isSuspended({ reason, runs }: Partial<Pick<JobRow, 'runs' | 'reason'>>): boolean {
  return reason != null && suspendedIn(reason, runs ?? 0) !== undefined
}

export class Partition {
  readonly database: Database
  readonly name: string
  readonly id: number
  /** The instant of this transaction, in milliseconds since 1970. */
  readonly now: number
  /** The pause of the partition. */
  pause: Pause
  /** The limits that are stored with the partition. */
  limits: Limits | undefined
  active: number
  completed: number
  failed: number
  cancelled: number
  /** Ended jobs that are not kept (`keep.ts`): `trim` removes them in this transaction. */
  readonly unkept: JobRow[] = []
  /** The kinds of the jobs that failed in this transaction (`failed-jobs.ts`). */
  readonly failedKinds = new Set<string>()
  /** Ends of nodes and members whose flow has its home here, until `tally.ts` counts them. */
  readonly ends: MemberEnd[] = []
  /**
   * How many ended jobs are kept for an age of their own (`keep.ts`). The counters `completed`, `failed` and
   * `cancelled` of the partition do not include these jobs.
   */
  readonly kept: { completed: number; failed: number; cancelled: number }
  /** How many pending jobs have failed and will be tried again. */
  retrying: number
  /** How many pending jobs are suspended. */
  suspended: number
  /** How many early journals the partition has (`journal.ts`). */
  early: number
  /** How many of the jobs that this transaction has queued or put back are due now. */
  came = 0
  /** How many jobs ended in this transaction, in a partition where limits or lanes let others begin. */
  freed = 0
  /** Whether this transaction has added a delayed job that is due before all other delayed jobs. */
  sooner = false
  /**
   * The number of lanes, the last turn that was given to a lane, and the turn of the jobs without a lane
   * (`order.ts`).
   */
  lanes: number
  turn: number
  ownTurn: number
  /** The names of the lanes that this transaction has changed. */
  readonly touched = new Set<string>()
  /**
   * Whether all waiting callers must be rung, because the partition was resumed or got a pause with an end.
   */
  ringsAll = false
  /** The callers that must be rung because this transaction left a notice for them. */
  readonly noticed: string[] = []
  /** How many jobs have become due since the counters were last saved. */
  fellDue = 0
  /** The jobs that ended in the current minute. */
  readonly minute: Minute
  /** The minute of the previous transaction, if it must still be written into `minutes`. */
  readonly lastMinute: Minute | undefined
  /** When the next effect is due (`effect.ts`); undefined if there is none. */
  nextEffect: number | undefined
  /** When the last watch runs out (`watch.ts`); undefined if there is no watch. */
  watched: number | undefined
  /** Until when the partition writes events (`events.ts`); undefined if there is no listener. */
  readonly listened: number | undefined
  /** The events of this transaction, in the order in which they happened. */
  readonly told: { kind: EventKind | typeof PUBLISHED; ids: string[] }[] = []
  /** How many priorities other than 0 are in use; undefined until a job needs a new priority. */
  #lines: number | undefined
  /** Whether this transaction has made a schedule or a flow due earlier than all others. */
  ticksSooner = false
  /** Whether this transaction leaves an effect to other callers, and no effect was due before. */
  owes = false
  #held: boolean
  #waiting: number
  #delayed: number
  /** When the next delayed job is due; too early if `#stale` is true and this job is gone. */
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
    this.limits = row.paused === 0 ? undefined : readLimits(row.paused)
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

  /** Finds a partition for reading; undefined if no call has ever written to the partition. */
  static find(database: Database, name: string): Partition | undefined {
    const row = database.get<PartitionRow>(find, name)
    return row && new Partition(database, name, row, database.now())
  }

  /** The id of a partition; 0 if no call has ever written to the partition. */
  static idOf(database: Database, name: string): number {
    return database.get<Pick<PartitionRow, 'id'>>(findId, name)?.id ?? 0
  }

  /** Finds the named partitions. Partitions that do not exist are left out of the map. */
  static findAll(database: Database, names: readonly string[]): Map<string, Partition> {
    const rows = database.all<PartitionRow & { name: string }>(findAll, JSON.stringify(names))
    const now = database.now()
    return new Map(rows.map((row) => [row.name, new Partition(database, row.name, row, now)]))
  }

  /**
   * Finds or creates a partition for writing. The caller must call `save()` at the end of the transaction.
   */
  static enter(database: Database, name: string): Partition {
    const found = Partition.find(database, name)
    if (found) return found
    database.run(create, name, database.now())
    return Partition.enter(database, name)
  }

  /** The name of every partition that ever had a job, a schedule or a flow. */
  static names(database: Database): string[] {
    return database.all<{ name: string }>(held).map((row) => row.name)
  }

  static count(database: Database): number {
    return database.get<{ count: number }>(countHeld)!.count
  }

  /** The instant of the latest change in the file; 0 if there was none. */
  static latest(database: Database): number {
    return database.get<{ asOf: number | null }>(latest)!.asOf ?? 0
  }

  /** The name of the partition with the most completed jobs. */
  static ofMostCompleted(database: Database): string | undefined {
    return database.get<{ name: string }>(mostCompleted)?.name
  }

  get paused(): boolean {
    return this.pause.until > 0
  }

  /** Changes the given settings of the partition. */
  configure({ paused, for: ms, because, by, keepsLonger = false, limits }: SettingChange): void {
    if (limits !== undefined) {
      this.limits = limits ?? undefined
      this.ringsAll = true
    }
    if (paused === undefined) return
    if (!paused) {
      this.ringsAll ||= this.paused
      this.pause = unpaused
      return
    }
    const until = ms === undefined ? Number.POSITIVE_INFINITY : this.now + Math.ceil(ms)
    // If a pause only becomes longer, callers need no ring: they call again at the end that they know, and
    // then learn the new end.
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
   * Milliseconds until a job is due; undefined if there is no job. While the partition is paused:
   * milliseconds until the pause ends; undefined if the pause has no end.
   */
  get nextDue(): number | undefined {
    const { until } = this.pause
    if (until > 0) return until === Number.POSITIVE_INFINITY ? undefined : until - this.now
    if (this.#waiting > 0) return 0
    this.#refresh()
    return this.#nextDue === undefined ? undefined : this.#nextDue - this.now
  }

  /** Milliseconds until the next schedule or flow is due (`tick.ts`); undefined if none will be due. */
  get nextTick(): number | undefined {
    return this.#nextTick === undefined ? undefined : Math.max(0, this.#nextTick - this.now)
  }

  /**
   * When the first pending job of a lane ('' for the jobs without a lane) is due; undefined if there is none.
   */
  earliest(lane: string, after = -1): number | undefined {
    const found = this.database.get<{ dueAt: number | null }>(earliestAfter, this.id, after, lane)
    return found?.dueAt ?? undefined
  }

  /** When the first pending job in any lane with a name is due; undefined if there is none. */
  earliestInLanes(after = -1): number | undefined {
    return this.database.get<{ dueAt: number | null }>(earliestLaned, this.id, after)?.dueAt ?? undefined
  }

  /** Adds a job to the counters of its new state. */
  arrive(job: CountedJob): void {
    this.#held = true
    if (job.state !== PENDING) this.#count(job.state, 1)
    else {
      if (job.failures) this.retrying += 1
      if (isSuspended(job)) this.suspended += 1
      this.#queue(job.dueAt)
    }
  }

  /** Removes a job from the counters of its old state. */
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

  /** Notes that this transaction has written an effect that is due now. */
  owe(): void {
    if (this.nextEffect !== undefined && this.nextEffect <= this.now) return
    this.nextEffect = this.now
    this.owes = true
  }

  /** Stores when the next schedule or flow is due. Only calls that change this due time write the column. */
  tickAt(at: number | undefined): void {
    this.#held = true
    if (at === this.#nextTick) return
    this.ticksSooner = at !== undefined && at < (this.#nextTick ?? Number.POSITIVE_INFINITY)
    this.#nextTick = at
    this.database.run(updateTick, at ?? null, this.id)
  }

  /** Does the work of `leave` and `arrive` for waiting jobs that were claimed. */
  claimed(jobs: readonly Pick<JobRow, 'seq' | 'failures'>[]): void {
    this.#waiting -= jobs.length
    this.active += jobs.length
    for (const { failures } of jobs) if (failures > 0) this.retrying -= 1
    if (this.suspended === 0) return
    const seqs = JSON.stringify(jobs.map(({ seq }) => seq))
    this.suspended -= this.database.get<{ count: number }>(countResumed, seqs)!.count
  }

  /** The priorities of a lane's pending jobs, the highest first, with one seek in the index for each. */
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
   * Whether jobs of this priority may be queued: other jobs have the same priority, or fewer than `MAX_LINES`
   * priorities are in use.
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
      this.paused || this.limits ? packPause(this.pause, this.limits) : 0,
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
    const [own, laned] = [this.earliest('', this.now), this.earliestInLanes(this.now)]
    this.#nextDue = own === undefined || (laned !== undefined && laned < own) ? laned : own
  }

  #dueBetween(after: number, upTo: number): number {
    return this.database.get<{ count: number }>(countDue, this.id, after, upTo)!.count
  }
}
