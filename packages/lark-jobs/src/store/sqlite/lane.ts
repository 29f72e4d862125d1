/**
 * A lane: where the jobs of one group and one limiter wait, apart from all others, so that nothing passes over what may
 * not begin. Those of a limiter begin with permits only that the claimer has.
 *
 *   turn     a job of it may begin; the lane with the lowest turn is next
 *   asleep   one may at `wakeAt`: it falls due, the group's rate allows it, or the group's pause is over
 *   full     neither is set: one may when one of its jobs has ended
 *
 * `busy` is how many of its jobs are active, `first` the id of the one that goes before all others, in a group whose
 * order is strict. A lane of which nothing is left goes. Whoever changes one touches it, and stirs all of them in the end.
 */
import type { Group } from '../../record.ts'
import { MAX_PAUSED, type MetGroup, type PausedGroup } from '../change.ts'
import { laneName, pausedGroup, readLane } from '../lane.ts'
import { parsed } from '../unreadable.ts'
import { permits } from './limit.ts'
import type { Partition } from './partition.ts'
import type { Row } from './row.ts'
import { ACTIVE, PENDING } from './schema.ts'

export interface Lane {
  name: string
  /** JSON of `Rules`. */
  limits: string | null
  busy: number
  turn: number | null
  wakeAt: number | null
  first: string | null
}

/** What a group says of itself. */
export type Rules = Pick<Group, 'limits' | 'strict'>

const NEVER = Number.MAX_SAFE_INTEGER

const columns = 'name, limits, busy, turn, wakeAt, first'
const find = `SELECT ${columns} FROM lanes WHERE partition = ? AND name = ?`
const create = 'INSERT OR IGNORE INTO lanes (partition, name, limiter) VALUES (?, ?, ?)'
const setLimits = 'UPDATE lanes SET limits = ? WHERE partition = ? AND name = ?'
const setFirst = 'UPDATE lanes SET first = ? WHERE partition = ? AND name = ?'
const addBusy = 'UPDATE lanes SET busy = busy + ? WHERE partition = ? AND name = ?'
const place = 'UPDATE lanes SET turn = ?, wakeAt = ? WHERE partition = ? AND name = ?'
const remove = 'DELETE FROM lanes WHERE partition = ? AND name = ?'
const pause = 'INSERT OR REPLACE INTO pauses (partition, name, until) VALUES (?, ?, ?)'
const findPause = 'SELECT until FROM pauses WHERE partition = ? AND name = ?'
const findPauses =
  'SELECT name, until FROM pauses WHERE partition = ? AND until > ? ORDER BY until, name LIMIT ?'
const endPause = 'DELETE FROM pauses WHERE partition = ? AND name = ?'
const anyPause = 'SELECT 1 FROM pauses WHERE partition = ? AND until > ? LIMIT 1'
const endPauses = 'DELETE FROM pauses WHERE partition = ? AND until <= ?'
/** The underscore comes next to the sign that is between group and limiter. */
const lanesOf = `
  SELECT name FROM lanes WHERE partition = ?1 AND name = ?2
  UNION ALL SELECT name FROM lanes WHERE partition = ?1 AND name >= ?2 || '^' AND name < ?2 || '_'`
const findJob = 'SELECT state, dueAt FROM jobs WHERE partition = ? AND id = ?'

export function findLane({ database, id }: Partition, name: string): Lane | undefined {
  return database.get<Lane>(find, id, name)
}

/** Makes a lane known, with what its group says now. @param limits JSON of `Rules` */
export function openLane(partition: Partition, name: string, limits: string | null): void {
  touch(partition, name)
  partition.database.run(setLimits, limits, partition.id, name)
}

/** As text, as it stands in a row. */
export function laneLimits({ limits, strict }: Group): string | null {
  return limits === undefined && !strict ? null : JSON.stringify({ limits, strict })
}

/** Something is different for a lane, which there is from then on. */
function touch(partition: Partition, name: string): void {
  partition.touched.add(name)
  partition.lanes += partition.database.run(create, partition.id, name, readLane(name).limiter ?? '')
}

/** A job of a lane is about to move, or to go. @param state it will have; undefined: it is removed */
export function laneMoves(
  partition: Partition,
  row: Pick<Row, 'id' | 'state' | 'lane' | 'laneLimits'>,
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

/** So many more of its jobs are active. */
export function addBusyTo(partition: Partition, lane: string, count: number): void {
  partition.touched.add(lane)
  partition.database.run(addBusy, count, partition.id, lane)
}

/** Pauses a group, in whichever of its lanes. @param until when it goes on; undefined: when it is told to */
export function pauseGroup(partition: Partition, group: string, until = NEVER): MetGroup {
  const { database, id, now, touched } = partition
  const name = laneName(group)
  const wasPaused = pausedUntil(partition, name) > now
  if (until > now) database.run(pause, id, name, until)
  else database.run(endPause, id, name)
  const lanes = database.all<Pick<Lane, 'name'>>(lanesOf, id, name)
  for (const lane of lanes) touched.add(lane.name)
  return { wasPaused, hasJobs: lanes.length > 0 }
}

export function pausedGroups({ database, id, now }: Partition): PausedGroup[] {
  const rows = database.all<{ name: string; until: number }>(findPauses, id, now, MAX_PAUSED)
  return rows.map(({ name, until }) => pausedGroup(name, until))
}

/** The same, unless it is paused for longer. */
export function pauseGroupMore(partition: Partition, group: string, until: number): void {
  pauseGroup(partition, group, Math.max(until, pausedUntil(partition, laneName(group))))
}

function pausedUntil({ database, id }: Partition, name: string): number {
  return database.get<{ until: number }>(findPause, id, name)?.until ?? 0
}

/** Whether a group is paused. */
export function hasPauses({ database, id, now }: Partition): boolean {
  return database.get(anyPause, id, now) !== undefined
}

/** Forgets the pauses that are over. */
export function forgetPauses({ database, id, now }: Partition): void {
  database.run(endPauses, id, now)
}

export function rulesOf(limits: string | null): Rules {
  // Damaged limits are none, until the next job of the group says what they are.
  return (parsed(limits) as Rules | null | undefined) ?? {}
}

/** Puts every lane that was touched where it belongs now, in the order of names: what touched them has none. */
export function stirLanes(partition: Partition): void {
  const names = [...partition.touched].sort()
  partition.touched.clear()
  for (const name of names) stirLane(partition, findLane(partition, name)!)
}

export function stirLane(partition: Partition, lane: Lane): void {
  const { database, id } = partition
  const { name, busy } = lane
  const earliest = partition.earliest(name)
  const at = opensAt(partition, lane, earliest)
  if (earliest === undefined && busy === 0) {
    partition.lanes -= database.run(remove, id, name)
    return
  }
  let { turn } = lane
  if (at > 0) turn = null
  else if (turn === null) turn = ++partition.turn
  database.run(place, turn, at > 0 && at < NEVER ? at : null, id, name)
}

/** When a job of a lane may begin: 0 now, a time, or NEVER before something happens. */
function opensAt(partition: Partition, lane: Lane, earliest: number | undefined): number {
  const { database, id, now } = partition
  const { name, busy, first } = lane
  let at = earliest === undefined ? NEVER : earliest > now ? earliest : 0
  if (first !== null) {
    const job = database.get<Pick<Row, 'state' | 'dueAt'>>(findJob, id, first)
    if (job?.state !== PENDING) database.run(setFirst, null, id, name)
    else if (job.dueAt > now) at = job.dueAt
  }
  const group = name.split('^', 1)[0]!
  const until = pausedUntil(partition, group)
  if (until > now) at = Math.max(at, until)
  const { limits } = rulesOf(lane.limits)
  if (at > 0 || limits === undefined) return at
  const { free, wait } = permits(partition, limits, name, busy)
  if (free > 0) return 0
  return wait === undefined ? NEVER : now + wait
}
