/**
 * Changes when jobs are due that do not run: now (`runNow`), or after some time (`reschedule`).
 */

import { JobsError } from '../../model/errors.ts'
import { duration } from '../../options/schema.ts'
import type { Change } from '../../store/contract/store.ts'
import { type Duration, milliseconds } from '../../words/duration.ts'
import {
  type ChangeOptions,
  type Chosen,
  checkFilter,
  conditions,
  type Flags,
  type JobFilter,
  readChosen,
} from '../look/filter.ts'
import type { Located, OpenQueues } from '../look/stored-jobs.ts'
import { altering, changeJobs } from './change.ts'

/** The states of a job that is to run. */
export const pending = ['waiting', 'delayed'] as const
export type Pending = (typeof pending)[number]

/** At least one condition, or `{ all: true }` for every job of the store that waits or is delayed. */
export type PendingFilter = JobFilter<Pending>

/** `dryRun`: only counts the jobs that would be changed now. `queue`: of ids. */
export interface RescheduleOptions extends ChangeOptions {}

export interface Rescheduled {
  /** Jobs whose due time is changed. */
  rescheduled: number
}

type TimeChange = Extract<Change, { kind: 'run-now' | 'reschedule' }>

/** Checks the arguments of `runNow`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readRunNow(which: unknown, options: unknown, flags?: Flags): Chosen {
  return readChosen('Jobs.runNow()', pending, which, options, flags)
}

/** Checks the arguments of `reschedule`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readReschedule(
  which: unknown,
  delay: unknown,
  options: unknown,
  flags?: Flags,
): [Chosen, TimeChange] {
  const chosen = readChosen('Jobs.reschedule()', pending, which, options, flags)
  checkFilter('Jobs.reschedule()', { delay }, conditions({ delay: duration(0) }), { flags })
  return [chosen, { kind: 'reschedule', in: milliseconds(delay as Duration)! }]
}

/** @throws JOB_NOT_PENDING, and the errors of `changeJobs` */
export async function reschedule(
  open: OpenQueues,
  which: Chosen,
  change: TimeChange,
  options: RescheduleOptions,
): Promise<Rescheduled> {
  // A job that is due already runs as soon as it can.
  const isNow = change.kind === 'run-now'
  const { done } = await changeJobs(
    open,
    which,
    {
      states: isNow ? ['delayed'] : pending,
      verdict: ({ state }) => (isNow && state === 'waiting' ? 'refused' : 'done'),
      check: checkPending,
      act: altering(open, change),
    },
    options,
  )
  return { rescheduled: done }
}

/** @throws JOB_NOT_PENDING */
export function checkPending({ id, state }: Located): void {
  if (pending.some((each) => each === state)) return
  const message = `${id} is ${state}; only a job that waits or is delayed can be changed so`
  throw new JobsError('JOB_NOT_PENDING', message, { id })
}
