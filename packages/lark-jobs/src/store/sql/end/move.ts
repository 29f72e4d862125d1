/** Changes the state of a job: its row, its index and the counters of the partition. */
import type { Counters } from '../../../model/record.ts'
import { laneMoves } from '../claim/lane.ts'
import type { Partition } from '../partition.ts'
import type { JobRow } from '../row.ts'
import { FAILED } from '../states.ts'
import { forgetFailed } from './failed-jobs.ts'

const update = `
  UPDATE jobs SET state = ?, dueAt = ?, runs = ?, failures = ?, crashes = ?, releases = ?, direct = ?,
    finishedAt = ?, effects = ?, reason = ?, result = ?, errors = ?, token = NULL, asked = NULL
  WHERE seq = ?`
const last = 'UPDATE jobs SET seq = (SELECT max(seq) + 1 FROM jobs) WHERE seq = ?'

/** The columns that a change of state sets. */
export type Move = Pick<JobRow, 'state'> &
  Partial<Counters & Pick<JobRow, 'dueAt' | 'direct' | 'finishedAt' | 'effects' | 'reason' | 'errors'>> & {
    result?: string
  }

/**
 * Changes the state of a job. If the job was active, the caller must call `letGoOf` (`lease.ts`). New state:
 * add what a job gets or loses with it.
 */
export function move(partition: Partition, row: JobRow, change: Move): void {
  const { state } = row
  const { result = null, ...fields } = change
  partition.leave(row)
  if (state === FAILED) forgetFailed(partition, [row.seq])
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
    row.effects,
    row.reason,
    result,
    row.errors,
    row.seq,
  )
  partition.arrive(row)
}

/** Puts a job after all other jobs with the same place. */
export function toEnd(partition: Partition, row: JobRow): void {
  partition.database.run(last, row.seq)
}
