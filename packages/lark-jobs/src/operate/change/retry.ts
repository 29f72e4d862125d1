/**
 * Queues ended jobs again, each at the end of its queue and with all its tries.
 */
import { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'
import {
  type ChangeOptions,
  type Chosen,
  checkFilter,
  conditions,
  type Flags,
  isIds,
  type JobFilter,
  queueName,
  readChosen,
} from '../look/filter.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { altering, changeJobs } from './change.ts'

/** The states in which a job can be retried by hand. */
export const retriable = ['failed', 'cancelled', 'completed'] as const
export type Retriable = (typeof retriable)[number]

/** At least one condition, or `{ all: true }`. Without a state: failed jobs. */
export type RetryFilter = JobFilter<Retriable>

/** `dryRun`: only counts the jobs that would be queued now. `queue`: of ids, or of all failed jobs. */
export interface RetryOptions extends ChangeOptions {}

/**
 * Checks the arguments of `retry`.
 *
 * @param rest a queue, or options, if it was given
 * @throws FILTER_INVALID also for `undefined` instead of a queue, which would retry the jobs of every queue;
 *   JOB_ID_INVALID
 */
export function readRetry(which: unknown, rest: readonly unknown[], flags?: Flags): [Chosen, RetryOptions] {
  const [given = {}] = rest
  const isQueue = rest.length > 0 && (typeof rest[0] !== 'object' || rest[0] === null)
  if (isQueue) checkFilter('Jobs.retry()', { queue: rest[0] }, conditions({ queue: queueName }), { flags })
  const options = (isQueue ? { queue: given } : given) as RetryOptions
  if (which !== 'failed') {
    const chosen = readChosen('Jobs.retry()', retriable, which, options, flags)
    return [isIds(chosen) || chosen.state !== undefined ? chosen : { ...chosen, state: 'failed' }, options]
  }
  readChosen('Jobs.retry()', retriable, [], options, flags)
  const { queue, ...others } = options
  return [{ state: 'failed', ...(queue !== undefined && { queue }) }, others]
}

/**
 * The earliest to fail first. Jobs that a filter finds and that cannot be queued again are left as they are.
 *
 * @returns how many are queued
 * @throws JOB_NOT_RETRIABLE for an id, and the errors of `changeJobs`
 */
export async function retry(open: OpenQueues, which: Chosen, options: RetryOptions): Promise<number> {
  const { store } = open
  const alter = altering(open, { kind: 'retry' })
  const { done } = await changeJobs(
    open,
    which,
    {
      states: retriable,
      verdict: () => 'done',
      check: (job) => {
        if (!isEnded(job.state)) throw notRetriable(job)
      },
      act: async (partition, jobs, passage) => {
        if (!isIds(which)) return alter(partition, jobs.toReversed(), passage)
        let done = 0
        for (const job of jobs) {
          if (passage.isOver) break
          const [verdict] = await alter(partition, [job], passage)
          if (verdict !== 'done') {
            const stand = await store.stand(partition, job.id)
            throw notRetriable(stand?.job ?? { id: job.id, state: 'failed' }, stand?.lockedBy)
          }
          done++
        }
        return new Array(done).fill('done')
      },
    },
    options,
  )
  return done
}

/** @param lockedBy the job that has its lock */
function notRetriable(
  { id, state, unreadable }: Pick<JobRecord, 'id' | 'state' | 'unreadable'>,
  lockedBy?: string,
): JobsError {
  const why =
    unreadable?.kind === 'damaged'
      ? 'has a damaged record'
      : `is unique, and another job of its kind exists${lockedBy === undefined ? '' : `: ${lockedBy}`}`
  const text = isEnded(state) ? `${id} ${why}` : `${id} is ${state}; only a job that has ended can be retried`
  return new JobsError('JOB_NOT_RETRIABLE', text, { id })
}

function isEnded(state: State): boolean {
  return retriable.some((each) => each === state)
}
