/**
 * Removes a job so that its `deduplication.id` is free again, as in BullMQ. If a job is only removed and not
 * purged, the rest of its throttle still rejects other jobs.
 */
import type { JobHome } from '../store/shared-store.ts'
import { alterJob } from './alter-job.ts'

/** @returns `refused` if the job runs */
export async function purgeJob(home: JobHome, id: string): Promise<'done' | 'missing' | 'refused'> {
  return (await alterJob(home, id, { kind: 'purge' })) as 'done' | 'missing' | 'refused'
}
