/**
 * Partitions with a bound: they hold only a limited number of jobs that have not begun. One more job drops
 * the first job of the lowest priority. Suspended jobs have begun.
 */
import { MAX_ITEMS } from '../../contract/store.ts'
import { end } from '../end/end.ts'
import { GROUPS, type LinePlace, MAX, pendingRows } from '../look/read.ts'
import { isSuspended, type Partition } from '../partition.ts'
import { columns, type JobRow } from '../row.ts'

/** How many rows are read at a time. Some of them may be suspended jobs. */
const PAGE = 100

/** The number of jobs that have not begun. */
export function pendingOf({ waiting, delayed, suspended }: Partition): number {
  return waiting + delayed - suspended
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
    let place: LinePlace | undefined = [after, MAX]
    while (left > 0 && place !== undefined) {
      const size = partition.suspended > 0 ? Math.max(left, PAGE) : left
      const rows: JobRow[] = pendingRows<JobRow>(partition, line, place, until, size, columns)
      const others = rows.filter((row) => !isSuspended(row)).slice(0, left)
      for (const row of others) end(partition, row, { state: 'cancelled', reason: 'dropped', isUntold: true })
      left -= others.length
      const last = rows.length < size ? undefined : rows.at(-1)
      place = last && [last.dueAt, last.seq]
    }
  }
}
