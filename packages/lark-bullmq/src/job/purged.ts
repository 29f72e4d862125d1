/**
 * Removes a job so that its `deduplication.id` is free again, as in BullMQ. A job that is only removed keeps
 * others away for the rest of its throttle.
 */
import { alterAt, opened } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

/** @returns `refused` if the job runs */
export async function purgeJob(
  { store, queue }: JobHome,
  id: string,
): Promise<'done' | 'missing' | 'refused'> {
  const { store: inner, settings } = await opened(store.jobs)
  const place = { store: inner, queues: settings.partitions }
  return (await alterAt(place, { id, queue }, { kind: 'purge' })) as 'done' | 'missing' | 'refused'
}
