/**
 * Turns: jobs of lanes, and those without a group, as a claim takes them.
 *
 * Of all whose turn it is, each gives as many as the others, one after the other; who gave some is last then.
 */
import { MAX_ITEMS } from '../store.ts'
import { findLane, type Lane, rulesOf, stirLane } from './lane.ts'
import { permits } from './limit.ts'
import type { Partition } from './partition.ts'
import type { LeasedRow, Row } from './row.ts'
import { PENDING } from './schema.ts'

export type Found = LeasedRow & Pick<Row, 'seq' | 'direct' | 'lane' | 'laneLimits'>

const columns = `
  seq, id, key, payload, priority, queuedAt, options, runs, failures, crashes, releases, direct, lane, laneLimits`
const next = `
  SELECT ${columns} FROM jobs
  WHERE partition = ? AND lane = ? AND state = ${PENDING} AND priority = ? AND dueAt <= ? ORDER BY dueAt, seq LIMIT ?`
const one = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`
const byTurn = 'SELECT name, turn FROM lanes WHERE partition = ? AND turn IS NOT NULL ORDER BY turn LIMIT ?'
const isTurn = 'SELECT 1 FROM lanes WHERE partition = ? AND turn IS NOT NULL LIMIT 1'
const awake = `
  SELECT name FROM lanes WHERE partition = ? AND wakeAt <= ? AND wakeAt IS NOT NULL
  ORDER BY wakeAt, name LIMIT ${MAX_ITEMS}`
const nextWake = 'SELECT min(wakeAt) AS wakeAt FROM lanes WHERE partition = ? AND wakeAt IS NOT NULL'
const served = 'UPDATE lanes SET busy = busy + ?, first = NULL, turn = NULL WHERE partition = ? AND name = ?'

/** The next due jobs of a lane, or '' of none, in their order. */
export function nextJobs(partition: Partition, lane: string, most: number): Found[] {
  const { database, id, now } = partition
  const jobs: Found[] = []
  for (const priority of partition.priorities(lane)) {
    if (jobs.length >= most) break
    jobs.push(...database.all<Found>(next, id, lane, priority, now, most - jobs.length))
  }
  return jobs
}

/**
 * The next jobs of all, in fair turns.
 *
 * @param lease takes jobs out of their lines, before the next are looked for
 */
export function nextInTurn(partition: Partition, most: number, lease: (jobs: Found[]) => void): Found[] {
  const jobs: Found[] = []
  for (const { name } of partition.database.all<Lane>(awake, partition.id, partition.now))
    stirLane(partition, findLane(partition, name)!)
  for (;;) {
    const left = most - jobs.length
    const order = left > 0 ? inTurn(partition, left) : []
    if (order.length === 0) return jobs
    const share = Math.floor(left / order.length)
    const parts = order.map((lane) => takeTurn(partition, lane, share, lease))
    for (let i = 0; i < share; i++) for (const part of parts) if (part[i] !== undefined) jobs.push(part[i]!)
  }
}

/** Whose turn it is, the next first, at most so many: names of lanes, and '' for the jobs without a group. */
function inTurn(partition: Partition, most: number): string[] {
  const { database, id, now, ownTurn } = partition
  const turns = database.all<{ name: string; turn: number }>(byTurn, id, most)
  if ((partition.earliest('') ?? Number.POSITIVE_INFINITY) <= now) turns.push({ name: '', turn: ownTurn })
  return turns
    .sort((a, b) => a.turn - b.turn)
    .slice(0, most)
    .map(({ name }) => name)
}

function takeTurn(partition: Partition, name: string, most: number, lease: (jobs: Found[]) => void): Found[] {
  const { database, id } = partition
  if (name === '') {
    const jobs = nextJobs(partition, name, most)
    lease(jobs)
    partition.ownTurn = ++partition.turn
    return jobs
  }
  const { limits, busy, first } = findLane(partition, name)!
  const rules = rulesOf(limits)
  const permitted = rules.limits && permits(partition, rules.limits, name, busy)
  const share = Math.min(most, permitted?.free ?? most)
  const jobs =
    first === null ? nextJobs(partition, name, share) : database.all<Found>(one, id, first).slice(0, share)
  lease(jobs)
  permitted?.note(jobs.length)
  database.run(served, jobs.length, id, name)
  stirLane(partition, findLane(partition, name)!)
  return jobs
}

/** Milliseconds until a job may be claimed, as `exchange` tells it; undefined when none is known, or it is paused. */
export function nextJob(partition: Partition): number | undefined {
  const { database, id, now, paused } = partition
  if (partition.lanes === 0 || paused) return partition.nextDue
  if (database.get(isTurn, id) !== undefined) return 0
  const wakeAt = database.get<{ wakeAt: number | null }>(nextWake, id)?.wakeAt ?? Number.POSITIVE_INFINITY
  const at = Math.min(wakeAt, partition.earliest('') ?? Number.POSITIVE_INFINITY)
  return at === Number.POSITIVE_INFINITY ? undefined : Math.max(0, at - now)
}
