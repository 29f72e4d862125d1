/**
 * Queues ended jobs again.
 */
import { JobsError } from '../model/errors.ts'
import type { JobRecord, State } from '../model/record.ts'
import { checkFilter, conditions, type Flags, queueName } from './filter.ts'
import {
  alterAll,
  heads,
  type Located,
  locateAll,
  type OpenQueues,
  partitionsToLookIn,
} from './stored-jobs.ts'

/**
 * @param named the arguments after the first one
 * @throws FILTER_INVALID also for `undefined` instead of a queue, which would retry the jobs of every queue
 */
export function checkRetry(named: readonly unknown[], flags?: Flags): void {
  if (named.length === 0) return
  checkFilter('Jobs.retry()', { queue: named[0] }, conditions({ queue: queueName }), { flags })
}

/**
 * Queues ended jobs again, each at the end of its queue and with all its tries.
 *
 * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, JOB_NOT_RETRIABLE, before any job is queued; UNKNOWN_QUEUE
 */
export async function retry(open: OpenQueues, ids: readonly string[], queue?: string): Promise<Located[]> {
  const { store } = open
  const found = await locateAll(open, ids, queue, 'lark jobs:failed', (job) => {
    if (!isEnded(job.state)) throw notRetriable(job)
  })
  for (const job of found) {
    const [verdict] = await store.alter(job.partition, [job.id], { kind: 'retry' })
    if (verdict !== 'done') throw notRetriable((await store.get(job.partition, job.id)) ?? job)
  }
  return found
}

/**
 * Queues every failed job of a queue again, or of all queues, the earliest to fail first.
 *
 * @returns how many
 * @throws UNKNOWN_QUEUE
 */
export async function retryFailed(open: OpenQueues, queue?: string): Promise<number> {
  const { store } = open
  let count = 0
  for (const partition of await partitionsToLookIn(open, queue)) {
    // It reads all ids first. Otherwise a job that fails again meanwhile would be retried without end.
    const ids: string[] = []
    for await (const page of heads(store, partition, 'failed')) ids.push(...page.map(({ id }) => id))
    ids.reverse()
    const verdicts = await alterAll(store, partition, ids, { kind: 'retry' })
    count += verdicts.filter((verdict) => verdict === 'done').length
  }
  return count
}

function notRetriable({ id, state, unreadable }: Pick<JobRecord, 'id' | 'state' | 'unreadable'>): JobsError {
  const why =
    unreadable?.kind === 'damaged' ? 'has a damaged record' : 'is unique, and another job of its kind exists'
  const text = isEnded(state) ? `${id} ${why}` : `${id} is ${state}; only a job that has ended can be retried`
  return new JobsError('JOB_NOT_RETRIABLE', text, { id })
}

function isEnded(state: State): boolean {
  return state === 'failed' || state === 'cancelled' || state === 'completed'
}
