/**
 * A partition that holds only so many jobs which have not begun: one more drops the one that is first in its lowest line.
 */
import { MAX_ITEMS } from '../store.ts'
import { endedUnrun, move } from './move.ts'
import type { Partition } from './partition.ts'
import { GROUPS, MAX, pendingJobs } from './read.ts'
import { CANCELLED } from './schema.ts'

/** How many have not begun. */
export function pendingOf({ waiting, delayed }: Partition): number {
  return waiting + delayed
}

/**
 * Drops so many, from the lowest line upwards: what would run first, and then what would fall due first; those of groups
 * after all others, by place.
 */
export function drop(partition: Partition, count: number): void {
  const { now } = partition
  const lowestFirst = [...partition.priorities()].reverse()
  const waiting = lowestFirst.map((line) => ({ line, after: -1, until: now }))
  const delayed = lowestFirst.map((line) => ({ line, after: now, until: MAX }))
  let left = Math.min(count, MAX_ITEMS)
  for (const { line, after, until } of [...waiting, ...delayed, { line: GROUPS, after: -1, until: MAX }]) {
    if (left <= 0) return
    const rows = pendingJobs(partition, line, [after, MAX], until, left)
    for (const row of rows)
      move(partition, row, { state: CANCELLED, reason: 'dropped', ...endedUnrun(row, now) })
    left -= rows.length
  }
}
