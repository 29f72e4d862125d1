/**
 * A job's move from one state to another, by which its row, the indexes and the counters stay in step; and its
 * removal.
 */
import type { JobError } from '../../record.ts'
import { MAX_ERRORS } from '../store.ts'
import { laneMoves } from './lane.ts'
import type { Partition } from './partition.ts'
import { errorsOf, list, type Row } from './row.ts'
import { CANCELLED, PENDING } from './schema.ts'

const update = `
  UPDATE jobs SET state = ?, dueAt = ?, runs = ?, failures = ?, crashes = ?, releases = ?, direct = ?,
    finishedAt = ?, endingAt = ?, reason = ?, result = ?, errors = ?, token = NULL, asked = NULL
  WHERE seq = ?`
const last = 'UPDATE jobs SET seq = (SELECT max(seq) + 1 FROM jobs) WHERE seq = ?'
const forget = 'DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?))'

/** What a move changes in the row. Only a job that completed has a result, and it does not move with it. */
export type Change = Pick<Row, 'state'> &
  Partial<
    Pick<
      Row,
      | 'dueAt'
      | 'runs'
      | 'failures'
      | 'crashes'
      | 'releases'
      | 'direct'
      | 'finishedAt'
      | 'endingAt'
      | 'reason'
      | 'errors'
    >
  > & { result?: string }

/**
 * Moves a job, out of its lease if it had one: who calls counts it out of that (`lease.ts`). What was asked to be
 * cancelled does not go back to its line.
 */
export function move(partition: Partition, row: Row, change: Change): void {
  const { state } = row
  const { result = null, ...fields } = change
  partition.leave(row)
  Object.assign(row, fields)
  if (row.state === PENDING && row.asked !== null) {
    Object.assign(row, { state: CANCELLED, reason: row.asked, ...endedUnrun(row, partition.now) })
  }
  laneMoves(partition, { ...row, state }, row.state)
  partition.database.run(
    update,
    row.state,
    row.dueAt,
    row.runs,
    row.failures,
    row.crashes,
    row.releases,
    row.direct,
    row.finishedAt,
    row.endingAt,
    row.reason,
    result,
    row.errors,
    row.seq,
  )
  partition.arrive(row)
}

/** What changes in a job that ends now, where no handler runs (`ending.ts`). */
export function endedUnrun({ hooked }: Row, now: number): Pick<Row, 'finishedAt' | 'endingAt'> {
  return { finishedAt: now, endingAt: hooked === null ? null : now }
}

/** Puts a job behind all others of its place. */
export function toEnd(partition: Partition, row: Row): void {
  partition.database.run(last, row.seq)
}

/** Removes jobs, with their logs. */
export function remove(
  partition: Partition,
  rows: readonly Pick<Row, 'seq' | 'id' | 'state' | 'dueAt' | 'lane' | 'laneLimits'>[],
): void {
  if (rows.length === 0) return
  partition.database.run(forget, list(rows.map((row) => row.seq)))
  for (const row of rows) {
    partition.leave(row)
    if (row.state === PENDING) laneMoves(partition, row)
  }
}

/** The row's errors with one more, as kept. */
export function withError(row: Row, error: JobError): string {
  return JSON.stringify([...errorsOf(row), error].slice(-MAX_ERRORS))
}
