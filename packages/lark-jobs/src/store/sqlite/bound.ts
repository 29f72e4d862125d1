/**
 * A partition that holds only so many jobs which have not begun: one more drops the one that is first in its lowest line.
 */
import { MAX_ITEMS } from '../store.ts'
import { endedUnrun, move } from './move.ts'
import type { Partition } from './partition.ts'
import { MAX, pendingJobs } from './read.ts'
import { CANCELLED } from './schema.ts'

/** How many have not begun. */
export function pendingOf({ waiting, delayed }: Partition): number {
  return waiting + delayed
}

/** Drops so many, from the lowest line upwards: what would run first, and then what would fall due first. */
export function drop(partition: Partition, count: number): void {
  const { now } = partition
  let left = Math.min(count, MAX_ITEMS)
  if (left <= 0) return
  const lowestFirst = [...partition.priorities()].reverse()
  for (const [from, until] of [
    [-1, now],
    [now, MAX],
  ] as const) {
    for (const priority of lowestFirst) {
      if (left <= 0) return
      const rows = pendingJobs(partition, priority, [from, MAX], until, left)
      for (const row of rows)
        move(partition, row, { state: CANCELLED, reason: 'dropped', ...endedUnrun(row, now) })
      left -= rows.length
    }
  }
}
