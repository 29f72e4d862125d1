/** Changes one job in ways that only the interface of the store has. */
import { alterAt, opened } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

/** @param id the id of the job in Lark */
export async function alterJob(
  { store, queue }: JobHome,
  id: string,
  change: Parameters<typeof alterAt>[2],
): ReturnType<typeof alterAt> {
  const { store: inner, settings } = await opened(store.jobs)
  return await alterAt({ store: inner, queues: settings.partitions }, { id, queue }, change)
}
