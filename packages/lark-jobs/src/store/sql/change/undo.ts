/**
 * Undoes a retry, a cancel or a change of a due time (`Store.undo`): gives jobs their former states back, if
 * they have not begun since the change.
 */
import { defined } from '@s18i/lark/internal'
import type { EndedState, JobRecord } from '../../../model/record.ts'
import { cancelledFor } from '../../contract/rules/reason.ts'
import type { AlterVerdict } from '../../contract/store.ts'
import { end } from '../end/end.ts'
import { move, toEnd } from '../end/move.ts'
import { takeAgain } from '../enqueue/lock.ts'
import { keepUndo, moveWaits, undoOf } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { columns, endedStates, type JobRow, optionsOf, stateOf } from '../row.ts'
import { GONE, HIDDEN, PENDING } from '../states.ts'
import { queueAgain } from './queued-again.ts'

const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ? AND state < ${HIDDEN}`
/** SQL that finds a job that has not moved to another partition. */
const findAny = `SELECT 1 FROM jobs WHERE partition = ? AND id = ? AND state <> ${GONE}`
const date = 'UPDATE jobs SET queuedAt = ?, finishedAt = ?, progress = ? WHERE seq = ?'

export function undo(partition: Partition, jobs: readonly JobRecord[]): AlterVerdict[] {
  const { database, id, now } = partition
  const verdicts = jobs.map((job) => {
    const row = database.get<JobRow>(find, id, job.id)
    if (row === undefined) return database.get(findAny, id, job.id) === undefined ? 'missing' : 'refused'
    const isSame = row.runs === job.runs && optionsOf(row)?.editedAt === job.options?.editedAt
    if (!isSame) return 'refused'
    const wasPending = job.state === 'delayed' || job.state === 'waiting'
    const dueAt = job.dueAt ?? job.queuedAt
    // A job that was suspended before the cancel is due at once. The handler of the job comes to the same
    // wait again.
    const place = {
      failures: job.failures,
      crashes: job.crashes,
      dueAt: job.suspended === undefined ? dueAt : now,
    }
    if (row.state !== PENDING) {
      if (!wasPending || stateOf(row, now) !== 'cancelled') return 'refused'
      if (!takeAgain(partition, row)) return 'refused'
      queueAgain(partition, row, place)
      return 'done'
    }
    if (wasPending) {
      if (undoOf(partition, row)?.[0] === 'c' && !job.undoing) {
        // No run has begun to undo the steps of the job.
        keepUndo(partition, row, '')
        move(partition, row, { state: PENDING, ...place, reason: null })
      } else {
        moveWaits(partition, row, dueAt)
        move(partition, row, { state: PENDING, dueAt })
      }
      toEnd(partition, row)
      return 'done'
    }
    if (!Object.hasOwn(endedStates, job.state)) return 'refused'
    const { failures, crashes, reason, because, result, queuedAt, finishedAt = now, progress = null } = job
    end(partition, row, {
      state: job.state as EndedState,
      ...{ failures, crashes },
      // The retry has withdrawn the effects of the job's first end, so the class may not know of this end.
      isUntold: job.state === 'cancelled' || crashes > 0,
      ...defined({ result }),
      ...(reason !== undefined && { reason: cancelledFor(reason, because) }),
    })
    database.run(date, queuedAt, finishedAt, progress, row.seq)
    return 'done'
  })
  // If a job has left its lane, other jobs of the lane may begin now.
  if (partition.touched.size > 0) partition.freed = jobs.length
  return verdicts
}
