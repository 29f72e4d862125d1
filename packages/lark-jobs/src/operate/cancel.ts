/**
 * Cancels jobs from outside. A job that does not run ends at once. A running job is asked to end, by its `signal`.
 */
import { JobsError } from '../model/errors.ts'
import type { State } from '../model/record.ts'
import { altering, changeJobs } from './change.ts'
import { type ChangeOptions, type Chosen, type Flags, type JobFilter, readChosen } from './filter.ts'
import type { Located, OpenQueues } from './stored-jobs.ts'

/** The states in which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter = JobFilter<Cancellable>

/** `dryRun`: only counts the jobs that would be cancelled now. `queue`: of ids. */
export interface CancelOptions extends ChangeOptions {}

export interface Cancelled {
  /** Jobs that were not running, and are now cancelled. */
  cancelled: number
  /** Running jobs. Their workers will abort their signals. */
  asked: number
}

/** Checks the arguments of `cancel`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readCancel(which: unknown, options: unknown, flags?: Flags): Chosen {
  return readChosen('Jobs.cancel()', cancellable, which, options, flags)
}

/**
 * Cancels jobs. Those that have ended meanwhile count as neither.
 *
 * @throws JOB_NOT_CANCELLABLE, and the errors of `changeJobs`
 */
export async function cancel(open: OpenQueues, which: Chosen, options: CancelOptions): Promise<Cancelled> {
  const { done, asked } = await changeJobs(
    open,
    which,
    {
      states: cancellable,
      verdict: (state) => (state === 'active' ? 'asked' : 'done'),
      check,
      act: altering(open, { kind: 'cancel', reason: 'user' }),
    },
    options,
  )
  return { cancelled: done, asked }
}

function check({ id, state }: Located): void {
  if ((cancellable as readonly State[]).includes(state)) return
  const message = `${id} is ${state}; only a job that has not ended can be cancelled`
  throw new JobsError('JOB_NOT_CANCELLABLE', message, { id })
}
