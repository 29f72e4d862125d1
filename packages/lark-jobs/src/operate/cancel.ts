/**
 * Cancels jobs from outside. A job that does not run ends at once. A running job is asked to end, by its `signal`.
 */
import { JobsError } from '../model/errors.ts'
import type { State } from '../model/record.ts'
import type { OptionsOf } from '../options/schema.ts'
import type { AlterVerdict, Store } from '../store/contract/store.ts'
import {
  all,
  type ChangeOptions,
  type Chosen,
  conditions,
  type Flags,
  isIds,
  type JobFilter,
  jobConditions,
  readChosen,
} from './filter.ts'
import {
  alterAll,
  idsOf,
  type Located,
  locateAll,
  type OpenQueues,
  partitionsToLookIn,
} from './stored-jobs.ts'

/** The states in which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

const conditionEntries = jobConditions(cancellable)
const cancelConditions = conditions({ ...conditionEntries, all })

/** The conditions that choose jobs. A job must meet all of them. */
export interface CancelConditions extends OptionsOf<typeof conditionEntries> {}

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter = JobFilter<CancelConditions>

/** `dryRun`: only counts the jobs that would be cancelled now. `queue`: of ids. */
export interface CancelOptions extends ChangeOptions {}

export interface Cancelled {
  /** Jobs that were not running, and are now cancelled. */
  cancelled: number
  /** Running jobs. Their workers will abort their signals. */
  asked: number
}

/** Checks the arguments of `cancel`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readCancel(which: unknown, options: unknown, flags?: Flags): Chosen<CancelFilter> {
  return readChosen('Jobs.cancel()', cancelConditions, which, options, flags) as Chosen<CancelFilter>
}

/**
 * Cancels the jobs with these ids, or all jobs that match a filter when it reads them. Jobs that are dispatched
 * meanwhile may remain.
 *
 * @param queueOfIds the queue of the jobs with these ids
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_CANCELLABLE, before any job is cancelled; UNKNOWN_QUEUE
 */
export async function cancel(
  open: OpenQueues,
  which: Chosen<CancelFilter>,
  queueOfIds?: string,
): Promise<Cancelled> {
  const { store } = open
  const verdicts: AlterVerdict[] = []
  if (isIds(which)) {
    for (const { partition, id } of await locate(open, which, queueOfIds))
      verdicts.push(...(await ask(store, partition, [id])))
    return counted(verdicts)
  }
  const { key, queue, state } = which
  for (const partition of await partitionsToLookIn(open, queue)) {
    // It reads all ids first, because a job that is cancelled leaves the list that is being read.
    const ids: string[] = []
    for (const each of state === undefined ? cancellable : [state]) {
      for await (const page of idsOf(store, partition, each, key)) ids.push(...page)
    }
    for (const verdict of await ask(store, partition, ids)) verdicts.push(verdict)
  }
  return counted(verdicts)
}

/**
 * How many jobs `cancel` would cancel now, and how many it would ask to end. For a filter without a key it reads only
 * the counts of the store, and no jobs.
 *
 * @throws the errors of `cancel`
 */
export async function count(
  open: OpenQueues,
  which: Chosen<CancelFilter>,
  queueOfIds?: string,
): Promise<Cancelled> {
  const { store } = open
  const found: Cancelled = { cancelled: 0, asked: 0 }
  const kind = (state: State) => (state === 'active' ? 'asked' : 'cancelled')
  if (isIds(which)) {
    for (const { state } of await locate(open, which, queueOfIds)) found[kind(state)]++
    return found
  }
  const { key, queue, state } = which
  for (const partition of await partitionsToLookIn(open, queue)) {
    const counts = await store.counts(partition)
    for (const each of state === undefined ? cancellable : [state]) {
      if (counts[each] === 0) continue
      if (key === undefined) found[kind(each)] += counts[each]
      else for await (const ids of idsOf(store, partition, each, key)) found[kind(each)] += ids.length
    }
  }
  return found
}

function locate(open: OpenQueues, ids: readonly string[], queue?: string): Promise<Located[]> {
  return locateAll(open, ids, queue, 'lark jobs:status', ({ id, state }) => {
    if (!(cancellable as readonly State[]).includes(state))
      throw new JobsError(
        'JOB_NOT_CANCELLABLE',
        `${id} is ${state}; only a job that has not ended can be cancelled`,
        { id },
      )
  })
}

function ask(store: Store, partition: string, ids: readonly string[]): Promise<AlterVerdict[]> {
  return alterAll(store, partition, ids, { kind: 'cancel', reason: 'user' })
}

/** Jobs that have ended meanwhile count as neither. */
function counted(verdicts: readonly AlterVerdict[]): Cancelled {
  const count = (verdict: AlterVerdict) => verdicts.filter((each) => each === verdict).length
  return { cancelled: count('done'), asked: count('asked') }
}
