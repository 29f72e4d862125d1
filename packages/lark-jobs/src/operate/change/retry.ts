/**
 * Queues ended jobs again, each at the end of its queue and with all its tries.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import { groupedBy } from '../../model/grouped.ts'
import type { JobRecord, State } from '../../model/record.ts'
import type { AlterVerdict, Change } from '../../store/contract/store.ts'
import {
  before,
  changeEntries,
  checkFilter,
  conditions,
  type Flags,
  fromStart,
  isIds,
  queueName,
  readChosen,
} from '../look/filter.ts'
import { alterAll, type Located, type OpenQueues } from '../look/stored-jobs.ts'
import type { Changing } from './change.ts'
import { type RetryFilter, type RetryOptions, retriable } from './changed.ts'

export type Retry = Extract<Change, { kind: 'retry' }>

const known = { ...changeEntries, before, fromStart }

/**
 * Reads the arguments of `retry()`: an id, several ids or a filter; and the options.
 *
 * @param rest the second argument of `retry()`, if there is one: a queue, or options
 * @throws FILTER_INVALID, also if the second argument is `undefined`, because the call would then retry the
 *   jobs of every queue; JOB_ID_INVALID
 */
export function readRetry(
  which: unknown,
  rest: readonly unknown[],
  flags?: Flags,
): [which: readonly string[] | RetryFilter, options: RetryOptions] {
  const [given = {}] = rest
  const isQueue = rest.length > 0 && (typeof rest[0] !== 'object' || rest[0] === null)
  if (isQueue) checkFilter('Jobs.retry()', { queue: rest[0] }, conditions({ queue: queueName }), { flags })
  const options = (isQueue ? { queue: given } : given) as RetryOptions
  if (options?.fromStart && options.before !== undefined)
    throw new JobsError('FILTER_INVALID', 'Jobs.retry() got fromStart and before', {
      exit: 2,
      hint: 'What steps have recorded is forgotten for good, and nothing can take this back. Leave out before.',
    })
  if (which !== 'failed') {
    const chosen = readChosen('Jobs.retry()', retriable, which, options, flags, known)
    if (isIds(chosen)) return [chosen, options]
    return [{ ...chosen, state: chosen.state ?? 'failed' } as RetryFilter, options]
  }
  readChosen('Jobs.retry()', retriable, [], options, flags, known)
  const { queue, ...others } = options
  return [{ state: 'failed', ...defined({ queue }) }, others]
}

/**
 * The change that retries a job. If the job had failed or was cancelled when it was read, it is retried only
 * if it is still failed or cancelled.
 */
function stillDue({ state }: Located, change: Retry): Retry {
  return state === 'completed' ? change : { ...change, only: ['failed', 'cancelled'] }
}

/** Retries jobs that a filter has found. Jobs that have completed since then are refused. */
export function retryingAll({ store }: OpenQueues, change: Retry): Changing['act'] {
  return async (partition, jobs, passage) => {
    const verdicts: AlterVerdict[] = []
    for (const some of groupedBy(jobs, ({ state }) => state).values()) {
      const ids = some.map(({ id }) => id)
      verdicts.push(...(await alterAll(store, partition, ids, stillDue(some[0]!, change), passage)))
    }
    return verdicts
  }
}

/**
 * Retries jobs that were named by their ids, one by one. @throws JOB_NOT_RETRIABLE for the first job that
 * cannot be retried
 */
export function retryingEach({ store }: OpenQueues, change: Retry): Changing['act'] {
  return async (partition, jobs, passage) => {
    let done = 0
    for (const job of jobs) {
      if (passage.isOver) break
      const [verdict] = await alterAll(store, partition, [job.id], stillDue(job, change), passage)
      if (verdict !== 'done') {
        const stand = await store.stand(partition, job.id)
        throw notRetriable(stand?.job ?? { id: job.id, state: 'failed' }, stand?.lockedBy)
      }
      done++
    }
    return new Array(done).fill('done')
  }
}

/** @param lockedBy the other job that holds the unique lock */
export function notRetriable(
  { id, state, unreadable }: Pick<JobRecord, 'id' | 'state'> & Partial<Pick<JobRecord, 'unreadable'>>,
  lockedBy?: string,
): JobsError {
  const why =
    unreadable?.kind === 'damaged'
      ? 'has a damaged record'
      : state === 'completed' && lockedBy === undefined
        ? 'has completed meanwhile'
        : `is unique, and another job of its kind exists${lockedBy === undefined ? '' : `: ${lockedBy}`}`
  const text = isEnded(state) ? `${id} ${why}` : `${id} is ${state}; only a job that has ended can be retried`
  return new JobsError('JOB_NOT_RETRIABLE', text, { id })
}

export function isEnded(state: State): boolean {
  return retriable.some((each) => each === state)
}
