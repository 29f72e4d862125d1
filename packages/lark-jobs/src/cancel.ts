/**
 * Cancelling jobs from outside: those that wait end at once, those that run are asked to, by their `signal`.
 */
import { JobsError } from './errors.ts'
import { all, checkFilter, isText, queueName } from './filter.ts'
import { locateAll, pages, partitionsToLookIn, type Queues } from './operate.ts'
import type { JobRecord, State } from './record.ts'
import { type AlterVerdict, MAX_ITEMS, type Store } from './store/store.ts'

/** In which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

/** What jobs may be chosen by: those are meant of which all of it is true. */
interface Conditions {
  /** Of this class. */
  key?: string
  queue?: string
  /** In this state only. Default: every one in which a job can be cancelled. */
  state?: Cancellable
}

/** Which jobs: at least one condition, or every job of the store. */
export type CancelFilter =
  | (Conditions & ({ key: string } | { queue: string } | { state: Cancellable }))
  | ({ all: true } & { [Name in keyof Conditions]?: never })

/** @throws FILTER_INVALID */
export function checkCancel(filter: unknown): asserts filter is CancelFilter {
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
  )
}

export interface Cancelled {
  /** Jobs that had not begun, and have ended. */
  cancelled: number
  /** Jobs that run, and whose workers will tell them. */
  asked: number
}

/**
 * Cancels the jobs of these ids.
 *
 * @throws JOB_NOT_FOUND, JOB_NOT_CANCELLABLE, before anything is cancelled
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
 * Cancels all that a filter names, as they are when it looks. What is dispatched meanwhile may stay.
 *
 * @throws UNKNOWN_QUEUE
 */
export async function cancelAll(store: Store, queues: Queues, filter: CancelFilter): Promise<Cancelled> {
  const { key, queue, state } = filter
  const verdicts: AlterVerdict[] = []
  for (const partition of await partitionsToLookIn(store, queues, queue)) {
    // All ids first: each that is cancelled leaves the list which is being read.
    const ids: string[] = []
    for (const each of state === undefined ? cancellable : [state]) {
      for await (const jobs of pages(store, partition, each))
        for (const job of jobs) if (key === undefined || job.key === key) ids.push(job.id)
    }
    for (let i = 0; i < ids.length; i += MAX_ITEMS)
      verdicts.push(...(await ask(store, partition, ids.slice(i, i + MAX_ITEMS))))
  }
  return counted(verdicts)
}

function ask(store: Store, partition: string, ids: readonly string[]): Promise<AlterVerdict[]> {
  return store.alter(partition, ids, { kind: 'cancel', reason: 'user' })
}

/** What ended meanwhile is neither. */
function counted(verdicts: readonly AlterVerdict[]): Cancelled {
  const count = (verdict: AlterVerdict) => verdicts.filter((each) => each === verdict).length
  return { cancelled: count('done'), asked: count('asked') }
}

function isCancellable(state: State): state is Cancellable {
  return (cancellable as readonly State[]).includes(state)
}

function notCancellable({ id, state }: JobRecord): JobsError {
  return new JobsError(
    'JOB_NOT_CANCELLABLE',
    `${id} is ${state}; only a job that has not ended can be cancelled`,
    {
      id,
    },
  )
}
