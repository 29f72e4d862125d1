/** Retries by hand. As in BullMQ, the attempts that a job has already made still count. */
import { type EndedState, JobsError } from '@s18i/lark-jobs'
import { opened, partitionsToLookIn } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'
import { alterJob } from './alter-job.ts'

/** How many jobs are read, and retried, at a time. */
const TOGETHER = 500

/**
 * @param how `keepsFailures`: whether the attempts that the job has made still count. `only`: the states in
 *   which the job must be
 * @throws JOB_NOT_RETRIABLE
 */
export async function retryJob(
  home: JobHome,
  id: string,
  { keepsFailures, only }: { keepsFailures: boolean; only: readonly EndedState[] },
): Promise<void> {
  if ((await alterJob(home, id, { kind: 'retry', keepsFailures, only })) === 'done') return
  const text = `${id} has not ended, or is unique, and another job of its kind exists`
  throw new JobsError('JOB_NOT_RETRIABLE', text, { id })
}

/**
 * Retries all jobs of a queue in some states. A job stays failed if another job holds its lock.
 *
 * @param until only jobs that ended before or at this time, in milliseconds since 1970
 */
export async function retryAll(
  { store, queue }: JobHome,
  states: readonly EndedState[],
  until = Number.POSITIVE_INFINITY,
): Promise<void> {
  const { store: inner, settings } = await opened(store.jobs)
  const place = { store: inner, queues: settings.partitions }
  for (const partition of await partitionsToLookIn(place, queue))
    for (const state of states) {
      let cursor: string | undefined
      do {
        const filter = { state, limit: TOGETHER, isLean: true, isOldestFirst: true }
        const page = await inner.list(partition, { ...filter, ...(cursor && { cursor }) })
        cursor = page.cursor
        const ids = page.jobs.filter(({ finishedAt = 0 }) => finishedAt <= until).map(({ id }) => id)
        if (ids.length < page.jobs.length) cursor = undefined
        const change = { kind: 'retry', keepsFailures: true, only: [state] } as const
        if (ids.length > 0) await inner.alter(partition, ids, change)
      } while (cursor !== undefined)
    }
}
