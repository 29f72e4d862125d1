/** The errors for jobs that were named by their ids and cannot be changed in their current state. */
import { JobsError, type JobsErrorCode } from '../../model/errors.ts'
import type { State } from '../../model/record.ts'
import type { Located } from '../look/stored-jobs.ts'
import { cancellable, editable, pending, removable } from './changed.ts'

type Refuses = (job: Pick<Located, 'id' | 'state'>) => JobsError | undefined

/** @param rule the last part of the message. It says in which states jobs can be changed in this way */
function refusalOf(code: JobsErrorCode, states: readonly State[], rule: string, hint?: string): Refuses {
  return ({ id, state }) =>
    states.includes(state) ? undefined : new JobsError(code, `${id} is ${state}; ${rule}`, { id, hint })
}

export const notCancellable = refusalOf(
  'JOB_NOT_CANCELLABLE',
  cancellable,
  'only a job that has not ended can be cancelled',
)

export const notEditable = refusalOf(
  'JOB_NOT_EDITABLE',
  editable,
  'only a job that does not run can be edited',
)

export const notPending = refusalOf(
  'JOB_NOT_PENDING',
  pending,
  'only a waiting or delayed job can be changed in this way',
)

export const notRemovable = refusalOf(
  'JOB_NOT_REMOVABLE',
  removable,
  'only a job that does not run can be removed',
  'Cancel it first, and wait for its end.',
)
