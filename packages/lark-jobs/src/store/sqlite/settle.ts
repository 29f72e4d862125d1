/**
 * Reporting how runs ended.
 *
 * Most runs complete and say nothing else: one statement each. Every other outcome reads the row, works out
 * what becomes of it, and moves it there.
 */
import type { Outcome } from '../../record.ts'
import type { Settlement, Verdict } from '../store.ts'
import { appendLog } from './log.ts'
import { type Change, move, withError } from './move.ts'
import type { Partition } from './partition.ts'
import { columns, type Row } from './row.ts'
import { ACTIVE, CANCELLED, COMPLETED, FAILED, PENDING } from './schema.ts'

const complete = `
  UPDATE jobs SET state = ${COMPLETED}, finishedAt = ?, result = ?, token = NULL, claimedAt = NULL, leaseEnd = NULL,
    asked = NULL
  WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`
const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`

export function settle(partition: Partition, { id, token, outcome }: Settlement): Verdict {
  const { database, now } = partition
  if (outcome.kind === 'completed' && !outcome.log?.length) {
    if (database.run(complete, now, outcome.result ?? null, partition.id, id, token) === 0) return 'lost'
    partition.active -= 1
    partition.completed += 1
    return 'settled'
  }
  const row = database.get<Row>(find, partition.id, id, token)
  if (row === undefined) return 'lost'
  appendLog(database, row.seq, outcome.log)
  move(partition, row, follow(outcome, row, now))
  return 'settled'
}

/** What becomes of a job whose run ended so. */
function follow(outcome: Outcome, row: Row, now: number): Change {
  switch (outcome.kind) {
    case 'completed':
      return { state: COMPLETED, finishedAt: now, result: outcome.result ?? null }
    case 'failed': {
      const burnt = { failures: row.failures + 1, errors: withError(row, outcome.error) }
      return outcome.retryIn === undefined
        ? { ...burnt, state: FAILED, finishedAt: now }
        : { ...burnt, state: PENDING, dueAt: now + outcome.retryIn }
    }
    case 'released':
      return { state: PENDING, dueAt: now + outcome.in, releases: row.releases + 1 }
    case 'returned':
      return { state: PENDING, runs: row.runs - 1 }
    case 'cancelled':
      return {
        state: CANCELLED,
        finishedAt: now,
        reason: outcome.reason,
        ...(outcome.error && { errors: withError(row, outcome.error) }),
      }
  }
}
