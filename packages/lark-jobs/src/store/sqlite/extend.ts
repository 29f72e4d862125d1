/**
 * Leases that go on. A note of one job renews the whole claim, and says that this job has started.
 */
import type { Extension, LeaseNote } from '../store.ts'
import { renewLease } from './lease.ts'
import { appendLog } from './log.ts'
import type { Partition } from './partition.ts'
import type { Row } from './row.ts'
import { ACTIVE } from './schema.ts'

const find = `SELECT seq, ahead, asked FROM jobs WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`
const start = 'UPDATE jobs SET ahead = 0 WHERE seq = ?'

export function extend(partition: Partition, notes: readonly LeaseNote[], lease: number): Extension {
  const { database } = partition
  const extension: Extension = { lost: [], notices: [] }
  const renewed = new Set<string>()
  for (const { id, token, log } of notes) {
    const row = database.get<Pick<Row, 'seq' | 'ahead' | 'asked'>>(find, partition.id, id, token)
    if (row === undefined) {
      extension.lost.push(id)
      continue
    }
    if (!renewed.has(token)) renewLease(partition, token, lease)
    renewed.add(token)
    if (row.ahead === 1) database.run(start, row.seq)
    appendLog(database, row.seq, log)
    if (row.asked !== null) extension.notices.push({ kind: 'cancel', id, reason: row.asked })
  }
  return extension
}
