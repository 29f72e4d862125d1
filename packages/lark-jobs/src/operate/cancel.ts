/**
 * Cancels jobs from outside. A job that does not run ends at once. A running job is asked to end, by its `signal`.
 */
import { JobsError } from '../model/errors.ts'
import type { State } from '../model/record.ts'
import type { AlterVerdict, Store } from '../store/contract/store.ts'
import { all, checkFilter, type Flags, isText, queueName } from './filter.ts'
import { alterAll, heads, type Located, locateAll, partitionsToLookIn, type Queues } from './stored-jobs.ts'

/** The states in which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

/** The conditions that choose jobs. A job must meet all of them. */
export interface CancelConditions {
  /** The key of the job's class. */
  key?: string
  queue?: string
  /** Default: every state in which a job can be cancelled. */
  state?: Cancellable
}

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter =
  | (CancelConditions & ({ key: string } | { queue: string } | { state: Cancellable }))
  | ({ all: true } & { [Name in keyof CancelConditions]?: never })

/** @throws FILTER_INVALID */
export function checkCancel(filter: unknown, flags?: Flags): asserts filter is CancelFilter {
  checkFilter(
    'Jobs.cancel()',
    filter,
    {
      key: { right: 'the key of a job class', ok: isText },
      queue: queueName,
      state: {
        right: `one of ${cancellable.join(', ')}`,
        ok: (value) => (cancellable as readonly unknown[]).includes(value),
      },
      all,
    },
    ['key', 'queue', 'state'],
    flags,
  )
}

export interface CancelOptions {
  /** Only counts the jobs that would be cancelled now. Nothing is cancelled. */
  dryRun?: boolean
}

/** @throws FILTER_INVALID */
export function checkCancelOptions(options: unknown): asserts options is CancelOptions {
  const dryRun = { right: 'true or false', ok: (value: unknown) => typeof value === 'boolean' }
  checkFilter('Jobs.cancel()', options, { dryRun })
}

export interface Cancelled {
  /** Jobs that were not running, and are now cancelled. */
  cancelled: number
  /** Running jobs. Their workers will abort their signals. */
  asked: number
}

/**
 * Cancels the jobs with these ids.
 *
 * @throws JOB_NOT_FOUND, JOB_NOT_CANCELLABLE, before any job is cancelled
 */
export async function cancel(store: Store, queues: Queues, ids: readonly string[]): Promise<Cancelled> {
  const found = await locateAll(store, queues, ids, 'lark jobs:status', (job) => {
    if (!isCancellable(job.state)) throw notCancellable(job)
  })
  const verdicts: AlterVerdict[] = []
  for (const { partition, id } of found) verdicts.push(...(await ask(store, partition, [id])))
  return counted(verdicts)
}

/**
 * Cancels all jobs that match a filter when it reads them. Jobs that are dispatched meanwhile may remain.
 *
 * @throws UNKNOWN_QUEUE
 */
export async function cancelAll(store: Store, queues: Queues, filter: CancelFilter): Promise<Cancelled> {
  const { key, queue, state } = filter
  let verdicts: AlterVerdict[] = []
  for (const partition of await partitionsToLookIn(store, queues, queue)) {
    // It reads all ids first, because a job that is cancelled leaves the list that is being read.
    const ids: string[] = []
    for (const each of state === undefined ? cancellable : [state]) {
      for await (const page of idsOf(store, partition, each, key)) ids.push(...page)
    }
    verdicts = verdicts.concat(await ask(store, partition, ids))
  }
  return counted(verdicts)
}

/** How many jobs `cancel` would cancel now, and how many it would ask to end. @throws the errors of `cancel` */
export async function count(store: Store, queues: Queues, ids: readonly string[]): Promise<Cancelled> {
  const found = await locateAll(store, queues, ids, 'lark jobs:status', (job) => {
    if (!isCancellable(job.state)) throw notCancellable(job)
  })
  const asked = found.filter(({ state }) => state === 'active').length
  return { cancelled: found.length - asked, asked }
}

/** The same for a filter. Without a key it reads only the counts of the store, and no jobs. @throws UNKNOWN_QUEUE */
export async function countAll(store: Store, queues: Queues, filter: CancelFilter): Promise<Cancelled> {
  const { key, queue, state } = filter
  const found: Cancelled = { cancelled: 0, asked: 0 }
  for (const partition of await partitionsToLookIn(store, queues, queue)) {
    const counts = await store.counts(partition)
    for (const each of state === undefined ? cancellable : [state]) {
      if (counts[each] === 0) continue
      const kind = each === 'active' ? 'asked' : 'cancelled'
      if (key === undefined) found[kind] += counts[each]
      else for await (const ids of idsOf(store, partition, each, key)) found[kind] += ids.length
    }
  }
  return found
}

/** The ids of all jobs in a state, and with a key if one is given, a page at a time. */
async function* idsOf(
  store: Store,
  partition: string,
  state: State,
  key: string | undefined,
): AsyncGenerator<string[]> {
  for await (const jobs of heads(store, partition, state))
    yield jobs.filter((job) => key === undefined || job.key === key).map(({ id }) => id)
}

function ask(store: Store, partition: string, ids: readonly string[]): Promise<AlterVerdict[]> {
  return alterAll(store, partition, ids, { kind: 'cancel', reason: 'user' })
}

/** Jobs that have ended meanwhile count as neither. */
function counted(verdicts: readonly AlterVerdict[]): Cancelled {
  const count = (verdict: AlterVerdict) => verdicts.filter((each) => each === verdict).length
  return { cancelled: count('done'), asked: count('asked') }
}

function isCancellable(state: State): state is Cancellable {
  return (cancellable as readonly State[]).includes(state)
}

function notCancellable({ id, state }: Located): JobsError {
  return new JobsError(
    'JOB_NOT_CANCELLABLE',
    `${id} is ${state}; only a job that has not ended can be cancelled`,
    {
      id,
    },
  )
}
