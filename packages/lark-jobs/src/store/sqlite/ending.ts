/**
 * Jobs that ended without a running handler, and whose class has a hook for this. `endingAt` is the instant from which
 * on `endings` hands the job out; NULL if there is nothing to do, or if it has been done.
 */
import type { JobRecord } from '../../model/record.ts'
import { MAX_ENDINGS } from '../contract/store.ts'
import type { Partition } from './partition.ts'
import { payload, shownBytes } from './payload.ts'
import { Room } from './room.ts'
import { columns, list, type ShownRow, toRecord } from './row.ts'

const finish = `
  UPDATE jobs SET endingAt = NULL WHERE partition = ? AND id IN (SELECT value FROM json_each(?)) AND endingAt IS NOT NULL`
const find = `
  SELECT seq, ${shownBytes} FROM jobs WHERE partition = ? AND endingAt <= ? AND endingAt IS NOT NULL
  ORDER BY endingAt LIMIT ${MAX_ENDINGS}`
const show = `SELECT ${columns}, result, ${payload} FROM jobs WHERE seq IN (SELECT value FROM json_each(?))`
const take = 'UPDATE jobs SET endingAt = ? WHERE seq IN (SELECT value FROM json_each(?))'
const first = 'SELECT min(endingAt) AS endingAt FROM jobs WHERE partition = ? AND endingAt IS NOT NULL'

export function endings(partition: Partition, done: readonly string[], lease: number): JobRecord[] {
  const { database, id, name, now } = partition
  if (done.length > 0) database.run(finish, id, list(done))
  const due = new Room().take(database.all<{ seq: number; bytes: number }>(find, id, now))
  if (due.length === 0) return []
  const seqs = list(due.map(({ seq }) => seq))
  database.run(take, now + lease, seqs)
  const rows = database.all<ShownRow>(show, seqs).sort((one, other) => one.finishedAt! - other.finishedAt!)
  return rows.map((row) => toRecord(row, name, now))
}

/** Milliseconds until there is something for `endings`; undefined if there is nothing. */
export function nextEnding({ database, id, now }: Partition): number | undefined {
  const at = database.get<{ endingAt: number | null }>(first, id)?.endingAt
  return at == null ? undefined : Math.max(0, at - now)
}
