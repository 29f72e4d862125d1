/**
 * The numbers of jobs that ended in each minute of the last hour. The current minute is counted in the partition's row,
 * which every transaction writes anyway. The first transaction of a later minute writes it into the table `minutes`,
 * and removes the oldest ones.
 */
import { MINUTES, type Minute } from '../store.ts'
import { MINUTE, type Partition } from './partition.ts'

/** After a clock was set back, a minute may come twice. */
const keep = `
  INSERT INTO minutes (partition, at, completed, failed, retried) VALUES (?, ?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET completed = completed + excluded.completed, failed = failed + excluded.failed,
    retried = retried + excluded.retried`
const forget = 'DELETE FROM minutes WHERE partition = ? AND at < ?'
const look = `
  SELECT at, sum(completed) AS completed, sum(failed) AS failed, sum(retried) AS retried FROM (
    SELECT at, completed, failed, retried FROM minutes WHERE partition = ?1 UNION ALL
    SELECT minute, minuteCompleted, minuteFailed, minuteRetried FROM partitions WHERE id = ?1
  ) WHERE at BETWEEN ?2 AND ?3 AND completed + failed + retried > 0 GROUP BY at ORDER BY at`

/** Writes the minute that was current before this transaction into the table, if it has ended. */
export function keepLastMinute({ database, id, minute, lastMinute }: Partition): void {
  if (lastMinute === undefined) return
  const { at, completed, failed, retried } = lastMinute
  if (completed + failed + retried > 0) database.run(keep, id, at, completed, failed, retried)
  database.run(forget, id, oldestSince(minute.at))
}

export function minutes({ database, id, minute }: Partition): Minute[] {
  const rows = database.all<Minute>(look, id, oldestSince(minute.at), minute.at)
  return rows.map(({ at, completed, failed, retried }) => ({ at, completed, failed, retried }))
}

function oldestSince(at: number): number {
  return at - (MINUTES - 1) * MINUTE
}
