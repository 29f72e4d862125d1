/**
 * Moves a job from one state to another, and removes jobs. Row, indexes and counters change together.
 */
import type { JobError } from '../../model/record.ts'
import type { Consequence } from '../contract/consequence.ts'
import { putBack } from '../contract/reason.ts'
import { MAX_ERRORS } from '../contract/store.ts'
import { laneMoves } from './lane.ts'
import type { Partition } from './partition.ts'
import { endedStates, errorsOf, type JobRow, list } from './row.ts'
import { PENDING } from './schema.ts'

const update = `
  UPDATE jobs SET state = ?, dueAt = ?, runs = ?, failures = ?, crashes = ?, releases = ?, direct = ?,
    finishedAt = ?, endingAt = ?, reason = ?, result = ?, errors = ?, token = NULL, asked = NULL
  WHERE seq = ?`
const last = 'UPDATE jobs SET seq = (SELECT max(seq) + 1 FROM jobs) WHERE seq = ?'
const forget = 'DELETE FROM jobs WHERE seq IN (SELECT value FROM json_each(?))'

/** The columns that a move changes. A result is not among them: only a completed job has one. */
export type Move = Pick<JobRow, 'state'> &
  Partial<
    Pick<
      JobRow,
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

/** Does with an active job what the rules say. */
export function follow(partition: Partition, row: JobRow, consequence: Consequence): void {
  const { state, dueAt, reason, because, error, result, isDirect, isUntold, counts, ...counters } =
    consequence
  const { now } = partition
  if (counts !== undefined) partition.minute[counts] += 1
  move(partition, row, {
    ...counters,
    ...(error !== undefined && { errors: withError(row, error) }),
    ...(result !== undefined && { result }),
    ...(isDirect && { direct: 1 }),
    ...(dueAt !== undefined && { dueAt }),
    ...(because !== undefined && { reason: putBack(row.runs, because) }),
    ...(reason !== undefined && { reason }),
    ...(state === 'pending'
      ? { state: PENDING }
      : { state: endedStates[state], ...(isUntold ? endedUnrun(row, now) : { finishedAt: now }) }),
  })
}

/** Moves a job. If it had a lease, the caller must count it out of the lease (`lease.ts`). */
export function move(partition: Partition, row: JobRow, change: Move): void {
  const { state } = row
  const { result = null, ...fields } = change
  partition.leave(row)
  Object.assign(row, fields)
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

/** The columns that change when a job ends without a running handler (`ending.ts`). */
export function endedUnrun({ hooked }: JobRow, now: number): Pick<JobRow, 'finishedAt' | 'endingAt'> {
  return { finishedAt: now, endingAt: hooked === null ? null : now }
}

/** Puts a job after all others of the same place. */
export function toEnd(partition: Partition, row: JobRow): void {
  partition.database.run(last, row.seq)
}

/** Removes jobs, with their logs. */
export function remove(
  partition: Partition,
  rows: readonly Pick<JobRow, 'seq' | 'id' | 'state' | 'dueAt' | 'lane' | 'laneLimits'>[],
): void {
  if (rows.length === 0) return
  partition.database.run(forget, list(rows.map((row) => row.seq)))
  for (const row of rows) {
    partition.leave(row)
    if (row.state === PENDING) laneMoves(partition, row)
  }
}

/** The errors of a row with one more, as they are stored. */
function withError(row: JobRow, error: JobError): string {
  return JSON.stringify([...errorsOf(row), error].slice(-MAX_ERRORS))
}
