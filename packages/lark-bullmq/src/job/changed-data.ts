/**
 * `job.updateData()` in a processor. It stores new data for a running job, which the next attempt of the job
 * gets.
 */
import type { ClaimedJob } from '@s18i/lark-jobs'
import { alterAt, encode, opened } from '@s18i/lark-jobs/internal'
import type { JobHome } from '../store/shared-store.ts'

/** @returns whether the job still exists @throws PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE */
export async function changeData(
  { store, queue }: JobHome,
  { id, key, payload }: ClaimedJob,
  data: unknown,
): Promise<boolean> {
  const open = await opened(store.jobs)
  // The number of spaces at the end of a payload encodes its version.
  const text = encode(data, key) + payload.slice(payload.trimEnd().length)
  // The change is forced, because Lark does not edit a job whose steps are recorded. The only records of this
  // job are the times at which it waited for its children.
  const change = { kind: 'edit', payload: text, whileActive: true, force: true } as const
  const place = { store: open.store, queues: open.settings.partitions }
  return (await alterAt(place, { id, queue }, change)) === 'done'
}
