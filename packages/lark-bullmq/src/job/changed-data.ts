/**
 * `job.updateData()` in a processor: the data of a job that runs, which its next attempt gets.
 */
import { encode } from '../model/payload.ts'
import type { LeasedJob } from '../model/record.ts'
import { open } from '../operate/operations.ts'
import { alterAt } from '../operate/stored-jobs.ts'
import type { JobHome } from './shared-store.ts'

/** @returns whether the job is still there @throws PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE */
export async function changeData(
  { store, queue }: JobHome,
  { id, key, payload }: LeasedJob,
  data: unknown,
): Promise<boolean> {
  const opened = await store.jobs[open]()
  // The spaces at its end say of which version it is (`options/payload-rules.ts`).
  const text = encode(data, key) + payload.slice(payload.trimEnd().length)
  const change = { kind: 'edit', payload: text, whileActive: true } as const
  const place = { store: opened.store, queues: opened.settings.partitions }
  return (await alterAt(place, { id, queue }, change)) === 'done'
}
