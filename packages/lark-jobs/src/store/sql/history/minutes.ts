/**
 * How many jobs ended in each minute of the last hour. The row of the partition has the count of the current
 * minute, because every transaction writes this row in any case. The first transaction in a later minute
 * writes the count into the table `minutes`, and removes the oldest rows.
 */
import { MINUTE, MINUTES, type Minute } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { list } from '../row.ts'
import { keepHours } from './history.ts'

/** If the clock was set back, the same minute may come twice. Then its two counts are added. */
const keep = `
  INSERT INTO minutes (partition, at, completed, failed, retried) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET completed = completed + excluded.completed, failed = failed + excluded.failed,
    retried = retried + excluded.retried`
const forget = 'DELETE FROM minutes WHERE partition = ? AND at < ?'
const kept = `
  SELECT partition, at, completed, failed, retried FROM json_each(?) CROSS JOIN minutes ON partition = value
  WHERE at >= ?`

/** Writes the minute of the previous transaction into the table, if this minute has ended. */
export function keepLastMinute(partition: Partition): void {
  const { database, id, minute, lastMinute } = partition
  if (lastMinute === undefined) return
  const { at, completed, failed, retried } = lastMinute
  if (completed + failed + retried > 0) database.run(keep, id, at, completed, failed, retried)
  keepHours(partition, lastMinute)
  database.run(forget, id, oldestSince(minute.at))
}

export function minutes(partition: Partition): Minute[] {
  return minutesOf([partition]).get(partition.id) ?? []
}

/**
 * The minutes of several partitions, by the id of the partition. A partition in which no job ended is not
 * included.
 */
export function minutesOf(partitions: readonly Partition[]): Map<number, Minute[]> {
  const first = partitions[0]
  if (first === undefined) return new Map()
  type Kept = Minute & { partition: number }
  const from = Math.min(...partitions.map(({ minute }) => oldestSince(minute.at)))
  const rows = first.database.all<Kept>(kept, list(partitions.map(({ id }) => id)), from)
  const all = new Map<number, Minute[]>(partitions.map(({ id }) => [id, []]))
  for (const row of rows) all.get(row.partition)!.push(row)
  const found = partitions.map(({ id, minute, lastMinute }): [number, Minute[]] => {
    const ended = [...all.get(id)!, ...(lastMinute === undefined ? [] : [lastMinute]), minute]
    return [id, lastHour(ended, minute.at)]
  })
  return new Map(found.filter(([, minutes]) => minutes.length > 0))
}

/** The minutes of the last hour, the oldest first. Counts of the same minute are added. */
function lastHour(all: readonly Minute[], now: number): Minute[] {
  const found = new Map<number, Minute>()
  for (const { at, completed, failed, retried } of all) {
    if (at < oldestSince(now) || at > now || completed + failed + retried === 0) continue
    const sum = found.get(at) ?? { at, completed: 0, failed: 0, retried: 0 }
    sum.completed += completed
    sum.failed += failed
    sum.retried += retried
    found.set(at, sum)
  }
  return [...found.values()].sort((one, other) => one.at - other.at)
}

function oldestSince(at: number): number {
  return at - (MINUTES - 1) * MINUTE
}
