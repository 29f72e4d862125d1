/**
 * With `keepLastIfActive`, a job waits for the end of the running job that has the same `deduplication.id`.
 * This function finds the running job.
 */
import { opened, partitionsOf } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

/**
 * @param id the id of the waiting job
 * @returns the id of the running job. Undefined if there is no such job
 */
export async function runningBefore({ store, queue }: JobHome, id: string): Promise<string | undefined> {
  const { store: inner, settings } = await opened(store.jobs)
  for (const partition of partitionsOf(queue, settings.partitions.get(queue) ?? 1)) {
    const stand = await inner.stand(partition, id)
    if (stand !== undefined) return stand.lane?.running[0]
  }
  return undefined
}
