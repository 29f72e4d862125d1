/**
 * Taking jobs from the head of the line, under a lease.
 *
 * The line is an index by priority and due time, so each priority's due jobs lie together at the front of its
 * stretch: those due later, and those active or ended, are never looked at. The counter of waiting jobs says
 * beforehand how many there are to find, so nothing is looked for in vain either.
 *
 * Measured on 2026-11-24 (2 cores, Node 20.20): settling and claiming 10 takes 154, 132 and 129 us (p50) with
 * 1,000, 500,000 and 1,000,000 jobs waiting and as many delayed ones of a higher priority.
 */
import type { LeasedJob } from '../../record.ts'
import { MAX_BYTES, MAX_ITEMS, type Want } from '../store.ts'
import type { Partition } from './partition.ts'
import { type LeasedRow, list, toLeased } from './row.ts'
import { ACTIVE, PENDING } from './schema.ts'

interface Found extends LeasedRow {
  seq: number
}

const leased = 'id, key, payload, priority, queuedAt, options, runs, failures, crashes, releases'
const next = `
  SELECT seq, ${leased} FROM jobs
  WHERE partition = ? AND state = ${PENDING} AND priority = ? AND dueAt <= ? ORDER BY dueAt, seq LIMIT ?`
const lease = `
  UPDATE jobs SET state = ${ACTIVE}, runs = runs + 1, token = ?, claimedAt = ?, leaseEnd = ?
  WHERE seq IN (SELECT value FROM json_each(?))`
const held = `SELECT seq, dueAt, ${leased} FROM jobs WHERE partition = ? AND state = ${ACTIVE} AND token = ?`

export function claim(partition: Partition, want: Want, token: string): LeasedJob[] {
  const limit = Math.min(want.limit, MAX_ITEMS, partition.waiting)
  if (limit <= 0 || partition.paused) return []
  const { database, now } = partition
  const found: Found[] = []
  for (const priority of partition.priorities()) {
    found.push(...database.all<Found>(next, partition.id, priority, now, limit - found.length))
    if (found.length >= limit) break
  }
  withinBytes(found)
  database.run(lease, token, now, now + want.lease, list(found.map((row) => row.seq)))
  partition.lease(found.length)
  return found.map((row) => {
    row.runs += 1
    return toLeased(row, token)
  })
}

/** Leaves what is too much for one call in the line; the first job goes whatever its size. */
function withinBytes(found: Found[]): void {
  let bytes = 0
  const excess = found.findIndex((row, i) => {
    bytes += row.payload.length
    return i > 0 && bytes > MAX_BYTES
  })
  if (excess > 0) found.length = excess
}

/** What a call claimed and still holds: the answer when it is sent again. Looks at all that is active. */
export function claimedBefore(partition: Partition, token: string): LeasedJob[] {
  return partition.database
    .all<Found & { dueAt: number }>(held, partition.id, token)
    .sort((a, b) => b.priority - a.priority || a.dueAt - b.dueAt || a.seq - b.seq)
    .map((row) => toLeased(row, token))
}
