/**
 * Partitions with a bound: they hold only a limited number of jobs that have not begun. One more job drops
 * the first job of the lowest priority.
 */
import { MAX_ITEMS } from '../../contract/store.ts'
import { end } from '../end/end.ts'
import { GROUPS, MAX, pendingRows } from '../look/read.ts'
import type { Partition } from '../partition.ts'
import { columns, type JobRow } from '../row.ts'

/** The number of jobs that have not begun. */
export function pendingOf({ waiting, delayed }: Partition): number {
  return waiting + delayed
}

/**
 * Drops `count` jobs: first waiting jobs, from the lowest priority upwards and in the order in which they
 * would run; then delayed jobs in the same way, by due time; then jobs of groups, by place.
 */
export function drop(partition: Partition, count: number): void {
  const { now } = partition
  const lowestFirst = [...partition.priorities()].reverse()
  const waiting = lowestFirst.map((line) => ({ line, after: -1, until: now }))
  const delayed = lowestFirst.map((line) => ({ line, after: now, until: MAX }))
  let left = Math.min(count, MAX_ITEMS)
  for (const { line, after, until } of [...waiting, ...delayed, { line: GROUPS, after: -1, until: MAX }]) {
    if (left <= 0) return
    const rows = pendingRows<JobRow>(partition, line, [after, MAX], until, left, columns)
    for (const row of rows) end(partition, row, { state: 'cancelled', reason: 'dropped', isUntold: true })
    left -= rows.length
  }
}
