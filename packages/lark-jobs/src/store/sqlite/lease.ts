/**
 * Leases that go on, and leases that ended with their worker.
 */
import type { JobError } from '../../record.ts'
import {
  type Extension,
  type LeaseNote,
  MAX_CRASHES,
  MAX_ITEMS,
  type Recovery,
  WORKER_DIED,
} from '../store.ts'
import { appendLog } from './log.ts'
import { move, withError } from './move.ts'
import type { Partition } from './partition.ts'
import { columns, type Row } from './row.ts'
import { ACTIVE, FAILED, PENDING } from './schema.ts'

const find = `SELECT seq, asked FROM jobs WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`
const renew = 'UPDATE jobs SET leaseEnd = ? WHERE seq = ?'
const over = `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ${ACTIVE} AND leaseEnd <= ?
  ORDER BY leaseEnd, seq LIMIT ${MAX_ITEMS}`
const nextEnd = `SELECT min(leaseEnd) AS leaseEnd FROM jobs WHERE partition = ? AND state = ${ACTIVE}`

export function extend(partition: Partition, notes: readonly LeaseNote[], lease: number): Extension {
  const { database, now } = partition
  const extension: Extension = { lost: [], notices: [] }
  for (const { id, token, log } of notes) {
    const row = database.get<Pick<Row, 'seq' | 'asked'>>(find, partition.id, id, token)
    if (row === undefined) {
      extension.lost.push(id)
      continue
    }
    database.run(renew, now + lease, row.seq)
    appendLog(database, row.seq, log)
    if (row.asked !== null) extension.notices.push({ kind: 'cancel', id, reason: row.asked })
  }
  return extension
}

export function recover(partition: Partition, forgiving: boolean): Recovery {
  const { database, now } = partition
  const recovery: Recovery = { recovered: [], failed: [] }
  for (const row of database.all<Row>(over, partition.id, now)) {
    const crashes = forgiving ? row.crashes : row.crashes + 1
    if (crashes >= MAX_CRASHES) {
      const error: JobError = { run: row.runs, ...WORKER_DIED }
      move(partition, row, { state: FAILED, crashes, finishedAt: now, errors: withError(row, error) })
      recovery.failed.push(row.id)
    } else {
      move(partition, row, { state: PENDING, crashes })
      if (row.state === PENDING) recovery.recovered.push(row.id)
    }
  }
  const leaseEnd = database.get<{ leaseEnd: number | null }>(nextEnd, partition.id)?.leaseEnd
  if (leaseEnd != null) recovery.nextLeaseEnd = Math.max(0, leaseEnd - now)
  return recovery
}
