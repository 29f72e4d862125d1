/**
 * A lane contains the pending jobs of one group that need the same permits, separate from all other jobs. So
 * no claim has to skip jobs that may not begin. Jobs with a limiter may begin only if the claimer has
 * permits. A lane is in one of these states:
 *
 *   turn     `turn` is set. A job may begin. The lane with the lowest turn is next.
 *   asleep   `wakeAt` is set. A job may begin at this time: it is due, the rate allows it, or the pause
 *            ends at this time.
 *   full     Neither column is set. A job may begin when an active job of the lane has ended.
 *
 * `order.ts` decides which lane is next, and how many jobs each lane gives to a claim.
 *
 * The column `busy` is the number of active jobs of the lane. In a strict group, the column `first` is the id
 * of the job that goes before all other jobs of the lane. A lane without jobs is removed. Code that changes a
 * lane calls `touch`. At the end of the transaction, `repositionLanes` computes the states of all touched
 * lanes.
 */
import type { Group } from '../../../model/record.ts'
import { MAX_PAUSED, type MetGroup, type PausedGroup } from '../../contract/change.ts'
import { laneName, readLane } from '../../contract/rules/lane.ts'
import { packPaused, pausedGroup } from '../../contract/rules/pause.ts'
import { checkLimits } from '../../contract/rules/rate.ts'
import { parsed } from '../../contract/rules/unreadable.ts'
import type { LaneStand } from '../../contract/stand.ts'
import { allowedStarts } from '../limits/rate.ts'
import { type Partition, priorities } from '../partition.ts'
import type { JobRow } from '../row.ts'
import { ACTIVE, PENDING } from '../states.ts'

export interface LaneRow {
  name: string
  /** The rules of the group (`Rules`) as JSON. */
  limits: string | null
  busy: number
  turn: number | null
  wakeAt: number | null
  first: string | null
}

type First = NonNullable<LaneStand['first']>

/** The rules of a group. Each new job of the group brings them. */
export type Rules = Pick<Group, 'limits' | 'strict'>

/** A time that means "never" as the end of a pause or of a wait. */
export const NEVER = Number.MAX_SAFE_INTEGER

const columns = 'name, limits, busy, turn, wakeAt, first'
const find = `SELECT ${columns} FROM lanes WHERE partition = ? AND name = ?`
const create = 'INSERT OR IGNORE INTO lanes (partition, name, limiter) VALUES (?, ?, ?)'
const setLimits = 'UPDATE lanes SET limits = ? WHERE partition = ? AND name = ?'
const setFirst = 'UPDATE lanes SET first = ? WHERE partition = ? AND name = ?'
const addBusy = 'UPDATE lanes SET busy = busy + ? WHERE partition = ? AND name = ?'
const place = 'UPDATE lanes SET turn = ?, wakeAt = ? WHERE partition = ? AND name = ?'
const remove = 'DELETE FROM lanes WHERE partition = ? AND name = ?'
const pause = 'INSERT OR REPLACE INTO pauses (partition, name, until, paused) VALUES (?, ?, ?, ?)'
const findPause = 'SELECT until, paused FROM pauses WHERE partition = ? AND name = ?'
const findPauses =
  'SELECT name, until, paused FROM pauses WHERE partition = ? AND until > ? ORDER BY until, name LIMIT ?'
const endPause = 'DELETE FROM pauses WHERE partition = ? AND name = ?'
const anyPause = 'SELECT 1 FROM pauses WHERE partition = ? AND until > ? LIMIT 1'
const endPauses = 'DELETE FROM pauses WHERE partition = ? AND until <= ?'
/**
 * SQL that finds the lanes of a group. In the name of a lane, `^` is between the group and the limiter. The
 * character after `^` is `_`, so all names that begin with the group and `^` are between `<group>^` and
 * `<group>_`.
 */
const lanesOf = `
  SELECT name FROM lanes WHERE partition = ?1 AND name = ?2
  UNION ALL SELECT name FROM lanes WHERE partition = ?1 AND name >= ?2 || '^' AND name < ?2 || '_'`
/** A due job of the highest priority that has one. SQLite looks at no priority after this one. */
const anyDue = `${priorities('?3')}
  SELECT dueAt FROM (
    SELECT (
      SELECT min(dueAt) FROM jobs
      WHERE partition = ?1 AND lane = ?3 AND state = ${PENDING} AND priority = lines.priority
    ) AS dueAt FROM lines WHERE priority IS NOT NULL
  ) WHERE dueAt <= ?2 LIMIT 1`
const findJob = 'SELECT state, dueAt FROM jobs WHERE partition = ? AND id = ?'

export function findLane({ database, id }: Partition, name: string): LaneRow | undefined {
  return database.get<LaneRow>(find, id, name)
}

/**
 * Creates a lane if it does not exist, and stores the rules of its group.
 *
 * @param limits the rules (`Rules`) as JSON. Undefined: the lane keeps its rules
 */
export function openLane(partition: Partition, name: string, limits: string | null | undefined): void {
  touch(partition, name)
  if (limits !== undefined) partition.database.run(setLimits, limits, partition.id, name)
}

/** Makes the JSON text of a group's rules for the column `limits`; null if the group has no rules. */
export function laneLimits({ limits, strict }: Group): string | null {
  if (limits !== undefined) checkLimits(limits)
  return limits === undefined && !strict ? null : JSON.stringify({ limits, strict })
}

/** Notes that a lane changes in this transaction. A missing lane is created. */
function touch(partition: Partition, name: string): void {
  partition.touched.add(name)
  partition.lanes += partition.database.run(create, partition.id, name, readLane(name).limiter ?? '')
}

/**
 * Call this before a job changes its state or is removed. If the job has a lane, updates the lane.
 *
 * @param state the new state; undefined if the job is removed
 */
export function laneMoves(
  partition: Partition,
  row: Pick<JobRow, 'id' | 'state' | 'lane' | 'laneLimits'>,
  state?: number,
): void {
  const { id, lane } = row
  if (lane === '') return
  const known = findLane(partition, lane)
  if (known === undefined) openLane(partition, lane, row.laneLimits)
  partition.touched.add(lane)
  if (row.state !== ACTIVE) return
  addBusyTo(partition, lane, -1)
  if (state === PENDING && rulesOf(known === undefined ? row.laneLimits : known.limits).strict)
    partition.database.run(setFirst, id, partition.id, lane)
}

/** The text of a lane's rules; null if the lane has no rules or does not exist. */
export function rulesTextOf(partition: Partition, lane: string): string | null {
  return lane === '' ? null : (findLane(partition, lane)?.limits ?? null)
}

/** Whether a job goes before all other jobs of its lane. */
export function goesFirst(partition: Partition, { id, lane }: Pick<JobRow, 'id' | 'lane'>): boolean {
  return lane !== '' && findLane(partition, lane)?.first === id
}

/**
 * Lets a job go before all other jobs of its lane, if the group is strict. Called for a job that was the
 * first of its lane in another partition and has moved to this partition.
 */
export function putFirst(partition: Partition, lane: string, id: string): void {
  if (rulesOf(rulesTextOf(partition, lane)).strict) partition.database.run(setFirst, id, partition.id, lane)
}

/** Changes the number of active jobs of a lane by `count`. */
export function addBusyTo(partition: Partition, lane: string, count: number): void {
  partition.touched.add(lane)
  partition.database.run(addBusy, count, partition.id, lane)
}

/**
 * Pauses or resumes a group in all lanes of the group.
 *
 * @param until the end of the pause. A time that is not later than now resumes the group. Default: the pause
 * lasts until somebody resumes the group
 * @param by the person who pauses the group
 */
export function pauseGroup(partition: Partition, group: string, until = NEVER, by?: string): MetGroup {
  const { database, id, now, touched } = partition
  const name = laneName(group)
  const wasPaused = pausedUntil(partition, name) > now
  if (until > now) database.run(pause, id, name, until, by === undefined ? null : packPaused(by, now))
  else database.run(endPause, id, name)
  const lanes = database.all<Pick<LaneRow, 'name'>>(lanesOf, id, name)
  for (const lane of lanes) touched.add(lane.name)
  return { wasPaused, hasJobs: lanes.length > 0 }
}

export function pausedGroups({ database, id, now }: Partition): PausedGroup[] {
  const rows = database.all<{ name: string } & GroupPause>(findPauses, id, now, MAX_PAUSED)
  return rows.map(({ name, until, paused }) => pausedGroup(name, until, paused))
}

/** Pauses a group, unless its present pause ends later. */
export function pauseGroupMore(partition: Partition, group: string, until: number): void {
  if (until > pausedUntil(partition, laneName(group))) pauseGroup(partition, group, until)
}

/**
 * The pause of a group: its end, and the text that says who paused the group
 * (`store/contract/rules/pause.ts`).
 */
interface GroupPause {
  until: number
  paused: string | null
}

function pausedUntil(partition: Partition, name: string): number {
  return pauseOf(partition, name).until
}

function pauseOf({ database, id }: Partition, name: string): GroupPause {
  return database.get<GroupPause>(findPause, id, name) ?? { until: 0, paused: null }
}

/** Whether any group of the partition is paused. */
export function hasPauses({ database, id, now }: Partition): boolean {
  return database.get(anyPause, id, now) !== undefined
}

/** Removes the pauses that have ended. */
export function forgetPauses({ database, id, now }: Partition): void {
  database.run(endPauses, id, now)
}

export function rulesOf(limits: string | null): Rules {
  // Damaged rules count as no rules, until the next job of the group brings new rules.
  return (parsed(limits) as Rules | null | undefined) ?? {}
}

/**
 * Computes the state of every touched lane, in the order of their names, so that the result does not depend
 * on the order of the changes.
 */
export function repositionLanes(partition: Partition): void {
  const names = [...partition.touched].sort()
  partition.touched.clear()
  for (const name of names) repositionLane(partition, findLane(partition, name)!)
}

export function repositionLane(partition: Partition, lane: LaneRow): void {
  const { database, id } = partition
  const { name, busy } = lane
  const next = nextStart(partition, name)
  const first = firstOf(partition, lane)
  if (lane.first !== null && first === undefined) database.run(setFirst, null, id, name)
  const { at } = openingOf(partition, lane, next, first)
  if (next === undefined && busy === 0) {
    partition.lanes -= database.run(remove, id, name)
    return
  }
  let { turn } = lane
  if (at > 0) turn = null
  else if (turn === null) turn = ++partition.turn
  database.run(place, turn, at > 0 && at < NEVER ? at : null, id, name)
}

/**
 * When the next job of a lane is due; undefined if there is none. If a job is due now, the result is the time
 * at which any due job was due, because `earliest` has to look at each priority of the lane. (For 50 lanes
 * with 2,000 priorities each, a claim took 115 ms with `earliest`, and takes 6 ms now, 2026-12-03.)
 *
 * @param lane the name, or '' for the jobs without a lane
 */
export function nextStart(partition: Partition, lane: string): number | undefined {
  const { database, id, now } = partition
  return database.get<{ dueAt: number }>(anyDue, id, now, lane)?.dueAt ?? partition.earliest(lane)
}

/** The job that goes before all other jobs of a strict lane, if this job is still pending. */
export function firstOf({ database, id }: Partition, { first }: LaneRow): First | undefined {
  const job = first === null ? undefined : database.get<Pick<JobRow, 'state' | 'dueAt'>>(findJob, id, first)
  return job?.state === PENDING ? { id: first!, dueAt: job.dueAt } : undefined
}

interface Opening {
  /** When a job of the lane may begin. 0: now. `NEVER`: an active job must end first. */
  at: number
  waitsFor?: LaneStand['waitsFor']
}

/**
 * Computes when a job of the lane may begin, and what the lane waits for. @param next when the next job of
 * the lane is due (`nextStart`); undefined if the lane has no pending job
 */
export function openingOf(
  partition: Partition,
  { name, busy, limits }: LaneRow,
  next: number | undefined,
  first: First | undefined,
): Opening {
  const { now } = partition
  let opening: Opening = { at: 0 }
  if (next === undefined) opening = { at: NEVER, waitsFor: 'end' }
  else if (next > now) opening = { at: next, waitsFor: 'due' }
  if (first !== undefined && first.dueAt > now) opening = { at: first.dueAt, waitsFor: 'retry' }
  const { until } = groupPause(partition, name)
  if (until > now && until >= opening.at) return { at: until, waitsFor: 'pause' }
  const rules = rulesOf(limits)
  if (opening.at > 0 || rules.limits === undefined) return opening
  const { free, wait } = allowedStarts(partition, rules.limits, name, busy)
  if (free > 0) return opening
  return wait === undefined ? { at: NEVER, waitsFor: 'end' } : { at: now + wait, waitsFor: 'rate' }
}

/** The pause of the group to which a lane belongs. */
export function groupPause(partition: Partition, lane: string): GroupPause {
  return pauseOf(partition, lane.split('^', 1)[0]!)
}
