/**
 * Removes jobs from all that people see. A running job is left as it is. (For good: `purge.ts`.)
 */

import { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'
import { type OptionsOf, option, voiceOf } from '../../options/schema.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { type AlterVerdict, type Change, versionOf } from '../../store/contract/store.ts'
import {
  type ChangeOptions,
  type Chosen,
  changeEntries,
  conditions,
  type Flags,
  ifNotBegun,
  isFunction,
  type JobFilter,
  readChosen,
} from '../look/filter.ts'
import type { Located, OpenQueues } from '../look/stored-jobs.ts'
import { RECORDS, wholeRecords } from '../look/whole-records.ts'
import { altering, type Changing, changeJobs } from './change.ts'

/** The states in which a job can be removed. */
export const removable = ['waiting', 'delayed', 'blocked', 'completed', 'failed', 'cancelled'] as const
export type Removable = (typeof removable)[number]

/** At least one condition, or `{ all: true }` for every job of the store that does not run. */
export type RemoveFilter = JobFilter<Removable>

const ownEntries = {
  /** Leaves jobs as they are that were run, or run. */
  ifNotBegun,
  /**
   * Called with the whole records of each lot of jobs before it is removed, and awaited: to keep them.
   * Nothing is hidden in their payloads. A job that is run, edited or queued again between the two is left as
   * it is.
   */
  before: option<(jobs: readonly JobRecord[]) => unknown>('a function', isFunction),
}

/**
 * `dryRun`: only counts the jobs that would be removed now. `queue`: of ids. `ifNotBegun`: leaves jobs as
 * they are that were run, or run. `before`: is called with the records of jobs before they are removed.
 */
export interface RemoveOptions extends ChangeOptions, OptionsOf<typeof ownEntries> {}

export interface Removed {
  /** Jobs that are gone. */
  removed: number
  /** Jobs that the filter matches and that run: they are left as they are. */
  running: number
  /**
   * Only with `ifNotBegun` or `before`: jobs that were left as they are, because they had begun or have
   * changed.
   */
  left?: number
}

/** Checks the arguments. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readRemove(which: unknown, options: unknown, flags?: Flags): Chosen {
  const known = { ...changeEntries, ...ownEntries }
  return readChosen('Jobs.remove()', removable, which, options, flags, known)
}

/** Removes jobs. @throws JOB_NOT_REMOVABLE, and the errors of `changeJobs` */
export async function remove(open: OpenQueues, which: Chosen, options: RemoveOptions): Promise<Removed> {
  const { ifNotBegun = false, before } = options
  const { done: removed, refused } = await changeJobs(
    open,
    which,
    {
      states: [...removable, 'active'],
      verdict: ({ state, runs }) => (state === 'active' || (ifNotBegun && runs) ? 'refused' : 'done'),
      readsRuns: ifNotBegun,
      check: ifNotBegun ? () => {} : checkRemovable,
      act:
        before === undefined
          ? altering(open, { kind: 'remove', ifNotBegun })
          : removing(open, before, ifNotBegun),
    },
    options,
  )
  return ifNotBegun || before !== undefined
    ? { removed, running: 0, left: refused }
    : { removed, running: refused }
}

/** Removes jobs after `before` has got their records. */
function removing(
  { store }: OpenQueues,
  before: NonNullable<RemoveOptions['before']>,
  ifNotBegun: boolean,
): Changing['act'] {
  return async (partition, jobs, passage) => {
    const verdicts: AlterVerdict[] = []
    for (const lot of inLots(jobs, RECORDS)) {
      if (passage.isOver) break
      const found = await wholeRecords(store, partition, lot)
      const met = new Map(lot.map((job) => [job.id, job.state]))
      // A job that has begun or ended since it was found does not meet the filter any more.
      const records = found.filter(
        ({ id, state, unreadable }) =>
          state !== 'active' && unreadable === undefined && placeOf(state) === placeOf(met.get(id)!),
      )
      const answers: AlterVerdict[] = []
      if (records.length > 0) {
        await before(records)
        const as = records.map(versionOf)
        const ids = records.map(({ id }) => id)
        answers.push(...(await store.alter(partition, ids, { kind: 'remove', ifNotBegun, as })))
      }
      for (let left = found.length - records.length; left > 0; left--) answers.push('refused')
      verdicts.push(...answers)
      await passage.passed(lot.length, answers)
    }
    return verdicts
  }
}

/** A delayed job waits as soon as it is due. */
function placeOf(state: State): State {
  return state === 'delayed' ? 'waiting' : state
}

const handleOptions = conditions({ ifNotBegun })

/** Checks what a handle says. @throws JOB_INVALID */
export function readRemoving(id: string, options: unknown): Change {
  const { ifNotBegun = false } = handleOptions.readAll(options, voiceOf('JOB_INVALID', `${id}: remove()`))
  return { kind: 'remove', ifNotBegun }
}

export function checkRemovable({ id, state }: Pick<Located, 'id' | 'state'>): void {
  if ((removable as readonly State[]).includes(state)) return
  const message = `${id} is ${state}; only a job that does not run can be removed`
  throw new JobsError('JOB_NOT_REMOVABLE', message, { id, hint: 'Cancel it first, and wait for its end.' })
}
