/**
 * Decides which jobs a claim takes next. In a lane, the job with the higher priority goes first. Of two jobs
 * with the same priority, the job with the earlier place goes first. The lanes take turns, and all jobs
 * without a lane together count as one lane.
 *
 * A claim takes the same number of jobs from each lane whose turn it is, and lists one job of each lane after
 * the other. The bytes of the claim are shared among the lanes, too. After the claim, the lanes that gave
 * jobs have the last turns.
 */
import { laneName, readLane } from '../../contract/rules/lane.ts'
import { MAX_ITEMS, type Want } from '../../contract/store.ts'
import { allowedStarts } from '../limits/rate.ts'
import type { Partition } from '../partition.ts'
import { payloadBytes, smallPayload } from '../payload.ts'
import type { Room } from '../room.ts'
import type { ClaimedRow, JobRow } from '../row.ts'
import { PENDING } from '../states.ts'
import { findLane, type LaneRow, nextStart, repositionLane, rulesOf } from './lane.ts'

type Turn = Pick<LaneRow, 'name'> & { turn: number }

/**
 * The columns of a job that a claim may hand out, with the size of the payload. A small payload is included.
 */
export type Found = Omit<ClaimedRow, 'payload'> &
  Pick<JobRow, 'seq' | 'dueAt' | 'direct' | 'lane' | 'journal'> & { payload: string | null; bytes: number }

const columns = `
  seq, id, key, priority, queuedAt, dueAt, options, runs, failures, crashes, releases, direct, lane, journal,
  ${smallPayload}, ${payloadBytes}`
const next = `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane = ? AND state = ${PENDING} AND priority = ? AND dueAt <= ? ORDER BY dueAt, seq LIMIT ?`
const one = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`
const byTurn = `
  SELECT name, turn FROM lanes WHERE partition = ? AND limiter = ? AND turn IS NOT NULL ORDER BY turn LIMIT ?`
const isTurn = "SELECT 1 FROM lanes WHERE partition = ? AND limiter = '' AND turn IS NOT NULL LIMIT 1"
const nextLimiter = `
  SELECT min(limiter) AS limiter FROM lanes WHERE partition = ? AND limiter > ? AND turn IS NOT NULL`
const awake = `
  SELECT name FROM lanes WHERE partition = ? AND wakeAt <= ? AND wakeAt IS NOT NULL
  ORDER BY wakeAt, name LIMIT ${MAX_ITEMS}`
const countTurns = `
  SELECT count(*) AS count, total(name = ?) AS own FROM lanes WHERE partition = ? AND limiter = ? AND turn IS NOT NULL`
const countDue = `
  SELECT count(*) AS count FROM (
    SELECT dueAt FROM jobs WHERE partition = ? AND lane = ? AND state = ${PENDING} LIMIT ${MAX_ITEMS}
  ) WHERE dueAt <= ?`
const nextWake = 'SELECT min(wakeAt) AS wakeAt FROM lanes WHERE partition = ? AND wakeAt IS NOT NULL'
const served = 'UPDATE lanes SET busy = busy + ?, first = NULL, turn = NULL WHERE partition = ? AND name = ?'

/**
 * The next due jobs of a lane, in the order in which they run. @param lane the name, or '' for the jobs
 * without a lane @param aging see `Want`
 */
export function nextJobs(partition: Partition, lane: string, most: number, aging?: number): Found[] {
  const { database, id, now } = partition
  if (aging !== undefined) return nextAged(partition, lane, most, aging)
  const jobs: Found[] = []
  for (const priority of partition.priorities(lane)) {
    if (jobs.length >= most) break
    jobs.push(...database.all<Found>(next, id, lane, priority, now, most - jobs.length))
  }
  return jobs
}

/**
 * The next due jobs if priorities age: the jobs of the priorities are merged in the order of their aged
 * places. The priorities are read from the highest on. No job of the next priority goes before `bound`,
 * because no job is due earlier than the earliest job. So the other priorities are not read once enough jobs
 * go before `bound`. (For 50 lanes with 2,000 priorities each, a claim took 1,280 ms when it read the jobs of
 * all priorities, and takes 6 ms now, 2026-12-03.)
 */
function nextAged(partition: Partition, lane: string, most: number, aging: number): Found[] {
  const { database, id, now } = partition
  const place = ({ dueAt, priority }: Pick<Found, 'dueAt' | 'priority'>) => dueAt - priority * aging
  const earliest = lane === '' ? partition.earliest('') : partition.earliestInLanes()
  if (earliest === undefined) return []
  let jobs: Found[] = []
  for (const priority of partition.priorities(lane)) {
    const bound = place({ dueAt: earliest, priority })
    if (jobs.length === most && place(jobs.at(-1)!) <= bound) break
    // The jobs of each priority are in their order already, and a stable sort keeps this order.
    const more = database.all<Found>(next, id, lane, priority, now, most)
    jobs = [...jobs, ...more].sort((a, b) => place(a) - place(b) || b.priority - a.priority).slice(0, most)
  }
  return jobs
}

/**
 * The next jobs of the partition, from all lanes in turn.
 *
 * @param want the permits that the claimer has for each limiter, and `aging`
 * @param room the bytes of payload that the claim may have
 * @param leave a function that takes chosen jobs out of their lanes, so that the next query does not find
 * these jobs again
 */
export function nextInTurn(
  partition: Partition,
  most: number,
  { permits = {}, aging }: Pick<Want, 'permits' | 'aging'>,
  room: Room,
  leave: (jobs: Found[]) => void,
): Found[] {
  const jobs: Found[] = []
  const left = new Map(Object.entries(permits))
  function begin(next: Found[], among: number): Found[] {
    const begun = room.take(next, among)
    leave(begun)
    return begun
  }
  for (const { name } of partition.database.all<LaneRow>(awake, partition.id, partition.now))
    repositionLane(partition, findLane(partition, name)!)
  while (jobs.length < most && !room.isFull) {
    const order = inTurn(partition, most - jobs.length, left)
    if (order.length === 0) break
    const share = Math.floor((most - jobs.length) / order.length)
    const parts = order.map((lane, i) => {
      const { limiter } = readLane(lane)
      const allowed = limiter === undefined ? share : Math.min(share, left.get(limiter)!)
      const some = (next: Found[]) => begin(next, order.length - i)
      const part = allowed > 0 && !room.isFull ? takeTurn(partition, lane, allowed, some, aging) : []
      if (limiter !== undefined) left.set(limiter, left.get(limiter)! - part.length)
      return part
    })
    for (let i = 0; i < share; i++) for (const part of parts) if (part[i] !== undefined) jobs.push(part[i]!)
  }
  return jobs
}

/**
 * The lanes from which a job may begin, in the order of their turns, at most `most`. '' stands for the jobs
 * without a lane.
 */
function inTurn(partition: Partition, most: number, permits: ReadonlyMap<string, number>): string[] {
  const { database, id, now, ownTurn } = partition
  const turns: Turn[] = []
  for (const [limiter, count] of [['', most] as const, ...permits])
    turns.push(...database.all<Turn>(byTurn, id, limiter, Math.max(0, Math.min(most, count))))
  if ((nextStart(partition, '') ?? Number.POSITIVE_INFINITY) <= now) turns.push({ name: '', turn: ownTurn })
  return turns
    .sort((a, b) => a.turn - b.turn)
    .slice(0, most)
    .map(({ name }) => name)
}

/**
 * How many more jobs could begin if the claimer had permits, by limiter. The number is a lower bound, because
 * only one job counts for each lane with a group. All due jobs of the lane without a group count.
 */
export function limited({ database, id, now }: Partition): Record<string, number> {
  const found: Record<string, number> = {}
  for (let last = ''; ; ) {
    const limiter = database.get<{ limiter: string | null }>(nextLimiter, id, last)?.limiter
    if (limiter == null) return found
    const own = laneName('', limiter)
    const lanes = database.get<{ count: number; own: number }>(countTurns, own, id, limiter)!
    const due = lanes.own > 0 ? database.get<{ count: number }>(countDue, id, own, now)!.count : 0
    found[limiter] = Math.min(lanes.count - lanes.own + due, MAX_ITEMS)
    last = limiter
  }
}

function takeTurn(
  partition: Partition,
  name: string,
  most: number,
  begin: (next: Found[]) => Found[],
  aging: number | undefined,
): Found[] {
  const { database, id } = partition
  if (name === '') {
    const jobs = begin(nextJobs(partition, name, most, aging))
    // If no job was taken, the first job had no room in this claim. Then the jobs without a lane keep their
    // turn, so that the next claim has room for this job.
    if (jobs.length > 0) partition.ownTurn = ++partition.turn
    return jobs
  }
  const { limits, busy, first } = findLane(partition, name)!
  const rules = rulesOf(limits)
  const permitted = rules.limits && allowedStarts(partition, rules.limits, name, busy)
  const share = Math.min(most, permitted?.free ?? most)
  const next =
    first === null
      ? nextJobs(partition, name, share, aging)
      : database.all<Found>(one, id, first).slice(0, share)
  const jobs = begin(next)
  if (jobs.length === 0 && next.length > 0) return []
  permitted?.note(jobs.length)
  database.run(served, jobs.length, id, name)
  repositionLane(partition, findLane(partition, name)!)
  return jobs
}

/**
 * Milliseconds until a job may be claimed, for `Exchange.nextDue`; undefined if there is no job, or if the
 * partition is paused until somebody resumes it.
 */
export function nextJob(partition: Partition): number | undefined {
  const { database, id, now, paused } = partition
  if (partition.lanes === 0 || paused) return partition.nextDue
  if (database.get(isTurn, id) !== undefined) return 0
  const wakeAt = database.get<{ wakeAt: number | null }>(nextWake, id)?.wakeAt ?? Number.POSITIVE_INFINITY
  const at = Math.min(wakeAt, nextStart(partition, '') ?? Number.POSITIVE_INFINITY)
  return at === Number.POSITIVE_INFINITY ? undefined : Math.max(0, at - now)
}
