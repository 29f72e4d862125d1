/**
 * Cancels jobs from outside. A job that does not run ends at once. A running job is asked to end, by its
 * `signal`.
 */

import { defined } from '../../model/defined.ts'
import { JobsError } from '../../model/errors.ts'
import type { State } from '../../model/record.ts'
import { type OptionsOf, voiceOf } from '../../options/schema.ts'
import type { Change } from '../../store/contract/store.ts'
import { keptBecause } from '../../words/because.ts'
import {
  because,
  type ChangeOptions,
  type Chosen,
  changeEntries,
  conditions,
  type Flags,
  ifNotBegun,
  type JobFilter,
  readChosen,
} from '../look/filter.ts'
import type { Located, OpenQueues } from '../look/stored-jobs.ts'
import { altering, changeJobs } from './change.ts'

const handleOptions = conditions({ because, ifNotBegun }, 'a text or an object')

/** The states in which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter = JobFilter<Cancellable>

const ownEntries = {
  /** Why, for people: the first 200 characters are kept with the job. */
  because,
  /** Leaves jobs as they are that run, or were run before. */
  ifNotBegun,
}

/**
 * `dryRun`: only counts the jobs that would be cancelled now. `queue`: of ids. `because`: why, for people.
 * `ifNotBegun`: leaves jobs as they are that run, or were run before.
 */
export interface CancelOptions extends ChangeOptions, OptionsOf<typeof ownEntries> {}

export interface Cancelled {
  /** Jobs that were not running, and are now cancelled. */
  cancelled: number
  /** Running jobs. Their workers will abort their signals. */
  asked: number
  /** Only with `ifNotBegun`: jobs that were left as they are, because they had begun or ended. */
  left?: number
}

/** Checks the arguments of `cancel`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readCancel(which: unknown, options: unknown, flags?: Flags): Chosen {
  return readChosen('Jobs.cancel()', cancellable, which, options, flags, {
    ...changeEntries,
    ...ownEntries,
  })
}

/**
 * Cancels jobs. Those that have ended meanwhile count as neither.
 *
 * @throws JOB_NOT_CANCELLABLE, and the errors of `changeJobs`
 */
export async function cancel(open: OpenQueues, which: Chosen, options: CancelOptions): Promise<Cancelled> {
  const { ifNotBegun = false } = options
  const { done, asked, refused } = await changeJobs(
    open,
    which,
    {
      states: cancellable,
      verdict: ({ state, runs }) => {
        if (ifNotBegun) return state === 'active' || runs ? 'refused' : 'done'
        return state === 'active' ? 'asked' : 'done'
      },
      readsRuns: ifNotBegun,
      check: ifNotBegun ? () => {} : check,
      act: altering(open, cancelling(options)),
    },
    options,
  )
  return { cancelled: done, asked, ...(ifNotBegun && { left: refused }) }
}

/** The change that options say. */
export function cancelling({ because, ifNotBegun = false }: CancelOptions): Change {
  return { kind: 'cancel', reason: 'user', ...defined({ because: keptBecause(because) }), ifNotBegun }
}

/** Checks what a handle says. @throws JOB_INVALID */
export function readCancelling(id: string, options: unknown): Change {
  const said = typeof options === 'string' ? { because: options } : options
  const { because, ifNotBegun } = handleOptions.readAll(said, voiceOf('JOB_INVALID', `${id}: cancel()`))
  return cancelling(defined({ because, ifNotBegun }))
}

function check({ id, state }: Located): void {
  if ((cancellable as readonly State[]).includes(state)) return
  const message = `${id} is ${state}; only a job that has not ended can be cancelled`
  throw new JobsError('JOB_NOT_CANCELLABLE', message, { id })
}
