/**
 * The counts of past hours and days of a partition (`contract/history.ts`). The first transaction of an hour
 * rolls up the minutes of earlier hours. Until then the minutes stay in the table `minutes`, even if no
 * process runs for weeks.
 */
import { DAY, firstBucket, type History, HOUR, historyOf } from '../../contract/history.ts'
import { DAYS, HOURS, type Minute } from '../../contract/store.ts'
import type { Database } from '../database.ts'
import { Partition } from '../partition.ts'
import { list } from '../row.ts'

/**
 * SQL that adds the counts of short buckets to longer ones. @param length milliseconds of a new bucket @param
 *   from the table with the short buckets @param which the condition for rows of this table
 */
const rollUp = (length: number, from: string, which: string) => `
  INSERT INTO history (partition, length, at, completed, failed, retried)
  SELECT partition, ${length}, at - at % ${length}, sum(completed), sum(failed), sum(retried)
  FROM ${from} WHERE partition = ? AND ${which} GROUP BY at / ${length}
  ON CONFLICT DO UPDATE SET completed = excluded.completed, failed = excluded.failed, retried = excluded.retried
  WHERE excluded.completed + excluded.failed + excluded.retried > completed + failed + retried`
const rollUpMinutes = rollUp(HOUR, 'minutes', 'at < ?')
const rollUpHours = rollUp(DAY, 'history', `length = ${HOUR} AND at >= ?`)
const forget = 'DELETE FROM history WHERE partition = ? AND length = ? AND at < ?'
const rolled = `
  SELECT partition, length, at, completed, failed, retried FROM json_each(?) CROSS JOIN history ON partition = value`
const unrolled = `
  SELECT partition, 0 AS length, at, completed, failed, retried FROM json_each(?) CROSS JOIN minutes ON partition = value`

/**
 * Rolls up minutes and hours, once an hour. @param last the last minute that has ended, whose count is
 * already in the table `minutes`
 */
export function keepHours({ database, id, minute }: Partition, last: Minute): void {
  const hour = minute.at - (minute.at % HOUR)
  if (last.at >= hour) return
  database.run(rollUpMinutes, id, hour)
  database.run(rollUpHours, id, last.at - (last.at % DAY))
  database.run(forget, id, HOUR, firstBucket(minute.at, HOUR, HOURS))
  database.run(forget, id, DAY, firstBucket(minute.at, DAY, DAYS))
}

/** Reads the histories of several partitions in one transaction. The answers are in the order of `names`. */
export function histories(database: Database, names: readonly string[]): History[] {
  const partitions = Partition.findAll(database, names)
  const found = historiesOf([...partitions.values()])
  return names.map((name) => found.get(partitions.get(name)?.id ?? 0) ?? { minutes: [], hours: [], days: [] })
}

/** The history of each partition, by the id of the partition. */
function historiesOf(partitions: readonly Partition[]): Map<number, History> {
  const first = partitions[0]
  if (first === undefined) return new Map()
  const ids = list(partitions.map(({ id }) => id))
  type Row = Minute & { partition: number; length: number }
  const rows = [...first.database.all<Row>(rolled, ids), ...first.database.all<Row>(unrolled, ids)]
  const all = new Map(partitions.map(({ id }) => [id, { minutes: [], hours: [], days: [] } as History]))
  for (const { partition, length, ...bucket } of rows) {
    const { minutes, hours, days } = all.get(partition)!
    const kept = length === 0 ? minutes : length === HOUR ? hours : days
    kept.push(bucket)
  }
  const found = partitions.map(({ id, minute, lastMinute, now }): [number, History] => {
    const kept = all.get(id)!
    const minutes = [...kept.minutes, ...(lastMinute === undefined ? [] : [lastMinute]), minute]
    return [id, historyOf({ ...kept, minutes }, now)]
  })
  return new Map(found)
}
