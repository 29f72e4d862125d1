/**
 * Partitions with a bound, which limits the number of jobs that have not begun. Suspended jobs do not count,
 * because they have begun. A full partition rejects new jobs (`enqueue.ts`), or drops the first job of the
 * lowest priority for each new job.
 */
import { MAX_ITEMS } from '../../contract/store.ts'
import { end } from '../end/end.ts'
import { GROUPS, type LinePlace, MAX, pendingRows } from '../look/read.ts'
import { isSuspended, type Partition } from '../partition.ts'
import { columns, type JobRow } from '../row.ts'

/** How many rows one query reads at least if the partition has suspended jobs, because these are skipped. */
const PAGE = 100

/** The number of jobs in a partition that have not begun. */
export function pendingOf({ waiting, delayed, suspended }: Partition): number {
  return waiting + delayed - suspended
}

/**
 * Drops `count` jobs. Waiting jobs are dropped first, from the lowest priority upwards, and jobs of one
 * priority in the order in which they would run. Delayed jobs come second, in the same order. Jobs in lanes
 * come last, in the order of their places.
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
