/**
 * A partition as one transaction sees it: its counters, its clock, and who comes to know of what changed.
 *
 * Counting never scans. `waiting` and `delayed` are the pending jobs due by, and after, the instant `asOf`;
 * whoever enters at another instant counts, by index, only the jobs that fell due in between, so each job is
 * counted once in its life (measured: a million that fall due at one instant, 58 ms, once). `nextDue` spares
 * even that look while nothing can have fallen due. Nobody needs to move a job. `asOf` never goes back (`clock.ts`).
 */
import type { Minute, Settings } from '../store.ts'
import type { Database } from './database.ts'
import type { Row as JobRow } from './row.ts'
import { ACTIVE, CANCELLED, COMPLETED, FAILED, PENDING } from './schema.ts'

interface Row {
  id: number
  held: number
  paused: number
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
}

/** Milliseconds. */
export const MINUTE = 60_000

const find = 'SELECT * FROM partitions WHERE name = ?'
const held = 'SELECT name FROM partitions WHERE held = 1'
const countHeld = 'SELECT count(*) AS count FROM partitions WHERE held = 1'
const latest = 'SELECT max(asOf) AS asOf FROM partitions'
const mostCompleted = 'SELECT name FROM partitions ORDER BY completed DESC LIMIT 1'
const create = 'INSERT INTO partitions (name, asOf) VALUES (?, ?)'
const update = `
  UPDATE partitions SET held = ?, paused = ?, waiting = ?, delayed = ?, active = ?, completed = ?, failed = ?,
    cancelled = ?, asOf = ?, nextDue = ?, lanes = ?, turn = ?, ownTurn = ?, minute = ?, minuteCompleted = ?, minuteFailed = ?, minuteRetried = ?
  WHERE id = ?`

/** Every priority that has pending jobs in a lane, or '' none, highest first: one seek each. */
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

export class Partition {
  readonly database: Database
  readonly name: string
  readonly id: number
  /** The instant of this transaction. */
  readonly now: number
  paused: boolean
  active: number
  completed: number
  failed: number
  cancelled: number
  /** Pending jobs that came in or fell back during this transaction and may run at once. */
  came = 0
  /** Places that became free, where they are limited. */
  freed = 0
  /** Whether a job came that is due before all others that are delayed. */
  sooner = false
  /** Lanes that jobs of groups have here, the last turn that was given, and that of the jobs without a group (`turn.ts`). */
  lanes: number
  turn: number
  ownTurn: number
  /** Lanes of which something is different. */
  readonly touched = new Set<string>()
  /** Whether it was paused until this transaction. */
  resumed = false
  /** Who holds jobs of which there is a notice since this transaction. */
  readonly noticed: string[] = []
  /** How many jobs fell due since the counters were saved last. */
  fellDue = 0
  /** What ended within the present minute. */
  readonly minute: Minute
  /** The minute that was the present one before, until it is written down. */
  readonly lastMinute: Minute | undefined
  #held: boolean
  #waiting: number
  #delayed: number
  /** Never later than the truth; exact unless `#stale`. */
  #nextDue: number | undefined
  #stale = false

  private constructor(database: Database, name: string, row: Row, clock: number) {
    const now = Math.max(clock, row.asOf)
    this.database = database
    this.name = name
    this.id = row.id
    this.now = now
    this.paused = row.paused === 1
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
    this.#moveTo(now, row.asOf)
  }

  /** For reading; undefined when nobody ever named it. */
  static find(database: Database, name: string, now: number): Partition | undefined {
    const row = database.get<Row>(find, name)
    return row && new Partition(database, name, row, now)
  }

  /** For writing: made if need be. Whoever enters saves. */
  static enter(database: Database, name: string, now: number): Partition {
    const found = Partition.find(database, name, now)
    if (found) return found
    database.run(create, name, now)
    return Partition.enter(database, name, now)
  }

  /** Every partition that ever held a job. */
  static names(database: Database): string[] {
    return database.all<{ name: string }>(held).map((row) => row.name)
  }

  static count(database: Database): number {
    return database.get<{ count: number }>(countHeld)!.count
  }

  /** The instant of the latest change of any; 0 when there was none. */
  static latest(database: Database): number {
    return database.get<{ asOf: number | null }>(latest)!.asOf ?? 0
  }

  /** The one that keeps the most jobs that completed. */
  static ofMostCompleted(database: Database): string | undefined {
    return database.get<{ name: string }>(mostCompleted)?.name
  }

  /** Keeps what is given. */
  configure(settings: Partial<Settings>): void {
    this.resumed = this.paused && settings.paused === false
    this.paused = settings.paused ?? this.paused
  }

  get waiting(): number {
    return this.#waiting
  }

  get delayed(): number {
    return this.#delayed
  }

  /** Milliseconds until a job is due, of a partition that is not paused. */
  get nextDue(): number | undefined {
    if (this.paused) return undefined
    if (this.#waiting > 0) return 0
    this.#refresh()
    return this.#nextDue === undefined ? undefined : this.#nextDue - this.now
  }

  /** When the earliest job of a lane, or '' of none, is due; undefined when it has none that has not begun. */
  earliest(lane: string, after = -1): number | undefined {
    return (
      this.database.get<{ dueAt: number | null }>(earliestAfter, this.id, after, lane)?.dueAt ?? undefined
    )
  }

  /** Counts a job into the state it is in now. */
  arrive(job: Pick<JobRow, 'state' | 'dueAt'>): void {
    if (job.state === PENDING) this.#queue(job.dueAt)
    else this.#count(job.state, 1)
  }

  /** Counts a job out of the state it was in. */
  leave(job: Pick<JobRow, 'state' | 'dueAt'>): void {
    if (job.state !== PENDING) this.#count(job.state, -1)
    else if (job.dueAt <= this.now) this.#waiting -= 1
    else {
      this.#delayed -= 1
      this.#stale = true
    }
  }

  /** `leave` and `arrive` of many waiting jobs that are claimed. */
  lease(count: number): void {
    this.#waiting -= count
    this.active += count
  }

  /** Every priority that has pending jobs in a lane, highest first: a seek for each that is asked for. */
  *priorities(lane = ''): Generator<number> {
    let priority: number | null = Number.MAX_SAFE_INTEGER
    for (;;) {
      priority = this.database.get<{ priority: number | null }>(
        nextPriority,
        this.id,
        lane,
        priority,
      )!.priority
      if (priority === null) return
      yield priority
    }
  }

  save(): void {
    this.#refresh()
    this.database.run(
      update,
      Number(this.#held),
      Number(this.paused),
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
      this.id,
    )
  }

  #queue(dueAt: number): void {
    this.#held = true
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

  #count(state: number, change: 1 | -1): void {
    if (state === ACTIVE) this.active += change
    else if (state === COMPLETED) this.completed += change
    else if (state === FAILED) this.failed += change
    else if (state === CANCELLED) this.cancelled += change
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
