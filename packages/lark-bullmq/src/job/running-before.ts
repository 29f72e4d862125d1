/** Finds the running job for which a job with the same `deduplication.id` and `keepLastIfActive` waits. */
import { opened, partitionsOf } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

/** @param id the id of the job that waits @returns the id of the running job; undefined if there is none */
export async function runningBefore({ store, queue }: JobHome, id: string): Promise<string | undefined> {
  const { store: inner, settings } = await opened(store.jobs)
  for (const partition of partitionsOf(queue, settings.partitions.get(queue) ?? 1)) {
    const stand = await inner.stand(partition, id)
    if (stand !== undefined) return stand.lane?.running[0]
  }
  return undefined
}
