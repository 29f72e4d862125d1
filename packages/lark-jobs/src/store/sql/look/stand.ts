/**
 * Reads what prevents a job from beginning now, by the rules of a claim (`contract/stand.ts`). Nothing is
 * changed.
 */
import { defined } from '@s18i/lark/internal'
import type { Limits } from '../../../model/limits.ts'
import { readLane } from '../../contract/rules/lane.ts'
import { bothLimits, readPaused } from '../../contract/rules/pause.ts'
import { checkLimits, isRateKind } from '../../contract/rules/rate.ts'
import { readAsked } from '../../contract/rules/reason.ts'
import {
  type LaneStand,
  type LineStand,
  MAX_AHEAD,
  MAX_ITEMS,
  MAX_RUNNING,
  type Stand,
  type StandOptions,
} from '../../contract/store.ts'
import {
  findLane,
  firstOf,
  groupPause,
  type LaneRow,
  NEVER,
  nextStart,
  openingOf,
  rulesOf,
} from '../claim/lane.ts'
import { findLease, heldRows, type Lease, leasesBehind } from '../claim/lease.ts'
import { holderOfLock } from '../enqueue/lock.ts'
import { allowedStarts } from '../limits/rate.ts'
import type { Partition } from '../partition.ts'
import { holderOf, type JobRow } from '../row.ts'
import { NOT_STARTED, PENDING } from '../states.ts'
import { get } from './read.ts'

type StandRow = Pick<JobRow, 'seq' | 'priority' | 'dueAt' | 'lane' | 'lock' | 'token' | 'ahead' | 'asked'>

const find =
  'SELECT seq, priority, dueAt, lane, lock, token, ahead, asked FROM jobs WHERE partition = ? AND id = ?'
const before = `
  SELECT count(*) AS count FROM (
    SELECT 1 FROM jobs
    WHERE partition = ? AND lane = ? AND state = ${PENDING} AND priority = ? AND (dueAt, seq) < (?, ?) LIMIT ?
  )`
const turnsBefore = `
  SELECT count(*) AS count FROM (
    SELECT 1 FROM lanes WHERE partition = ? AND limiter = ? AND turn IS NOT NULL AND turn < ? LIMIT ${MAX_AHEAD}
  )`
const holders = `SELECT token, held FROM leases WHERE partition = ? LIMIT ${MAX_ITEMS}`

export function stand(
  partition: Partition,
  id: string,
  { limits: stated, aging }: StandOptions,
): Stand | undefined {
  const { database, now, active, pause } = partition
  const job = get(partition, id, true)
  if (job === undefined) return undefined
  const row = database.get<StandRow>(find, partition.id, id)!
  const found: Stand = { job, at: now }
  if (pause.until > 0) {
    const { until, ...rest } = pause
    found.pause = { ...untilOf(until), ...rest }
  }
  const limits = bothLimits(partition.limits, stated)
  if (limits !== undefined) {
    checkLimits(limits)
    const { free, wait } = allowedStarts(partition, limits)
    found.limits = {
      active,
      free: Math.min(free, MAX_ITEMS),
      ...(free === 0 && wait !== undefined && { nextAt: now + wait }),
    }
  }
  if (job.state === 'active') {
    const lease = findLease(partition, row.token!)
    if (lease !== undefined) found.lease = { until: lease.leaseEnd, isBegun: row.ahead !== NOT_STARTED }
    if (row.asked !== null) found.asked = readAsked(row.asked)
    return found
  }
  if (job.state !== 'waiting' && job.state !== 'delayed') {
    const holder = row.lock === null ? undefined : holderOfLock(partition, row.lock)
    return holder === undefined ? found : { ...found, lockedBy: holder.id }
  }
  const lane = row.lane === '' ? undefined : findLane(partition, row.lane)
  if (lane !== undefined) found.lane = laneStand(partition, lane)
  if (job.state === 'waiting') {
    found.holders = heldByWorkers(partition)
    found.line = found.lane?.first?.id === id ? { ahead: 0, higher: 0 } : lineStand(partition, row, aging)
    if (partition.lanes > 0) found.line.turns = turns(partition, row.lane, lane?.turn ?? NEVER)
  }
  return found
}

function heldByWorkers({ database, id }: Partition): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { token, held } of database.all<Pick<Lease, 'token' | 'held'>>(holders, id))
    counts[holderOf(token)] = (counts[holderOf(token)] ?? 0) + held
  return counts
}

function untilOf(until: number): { until?: number } {
  return until < NEVER ? { until } : {}
}

/** Counts the due jobs that go before a due job, in the order that `order.ts` defines. */
function lineStand(
  partition: Partition,
  { lane, priority, dueAt, seq }: StandRow,
  aging: number | undefined,
): LineStand {
  const { database, id, now } = partition
  let [ahead, higher] = [0, 0]
  for (const other of partition.priorities(lane)) {
    if (aging === undefined && other < priority) break
    const place = aging === undefined ? now : Math.min(now, dueAt + (other - priority) * aging)
    // Jobs of a higher priority that have exactly this place also go before this job, so the limit is one
    // millisecond later.
    const end = other === priority ? [dueAt, seq] : [place + Number(other > priority), 0]
    const most = MAX_AHEAD - ahead
    const { count } = database.get<{ count: number }>(before, id, lane, other, end[0]!, end[1]!, most)!
    ahead += count
    if (other > priority) higher += count
  }
  return { ahead, higher }
}

/**
 * Counts the lanes that have their turn before a lane. @param turn the turn of this lane. For the jobs
 * without a lane, `ownTurn` is used
 */
function turns({ database, id, ownTurn }: Partition, lane: string, turn: number): number {
  const limiter = readLane(lane).limiter ?? ''
  return database.get<{ count: number }>(turnsBefore, id, limiter, lane === '' ? ownTurn : turn)!.count
}

function laneStand(partition: Partition, lane: LaneRow): LaneStand {
  const { name, busy } = lane
  const first = firstOf(partition, lane)
  const { at, waitsFor } = openingOf(partition, lane, nextStart(partition, name), first)
  const { limits, strict } = rulesOf(lane.limits)
  const pause = groupPause(partition, name)
  return {
    ...(pause.until > partition.now && { pause: { ...untilOf(pause.until), ...readPaused(pause.paused) } }),
    ...(waitsFor !== undefined && { waitsFor, ...untilOf(at) }),
    ...limitsOf(limits),
    ...(strict && { strict }),
    ...defined({ first }),
    active: busy,
    running: busy > 0 ? runningOf(partition, name) : [],
  }
}

function limitsOf(limits: Limits | undefined): Pick<LaneStand, 'limits' | 'unknownRate'> {
  if (limits === undefined) return {}
  const kind = limits.rate?.kind
  return kind === undefined || isRateKind(kind) ? { limits } : { unknownRate: kind }
}

/**
 * The ids of the active jobs of a lane, at most `MAX_RUNNING`. All active jobs of the partition are scanned,
 * because no index has the active jobs of a lane.
 */
function runningOf(partition: Partition, lane: string): string[] {
  const found: string[] = []
  for (const lease of leasesBehind(partition)) {
    for (const row of heldRows<Pick<JobRow, 'seq' | 'id' | 'lane'>>(partition, lease, 'seq, id, lane'))
      if (row.lane === lane) found.push(row.id)
    if (found.length >= MAX_RUNNING) break
  }
  return found.slice(0, MAX_RUNNING)
}
