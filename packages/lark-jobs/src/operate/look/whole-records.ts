/**
 * The whole records of jobs, with their payloads as they are stored: nothing is hidden in them. So they can
 * be written to a file, and put back from it.
 */
import type { JobRecord } from '../../model/record.ts'
import type { Store } from '../../store/contract/store.ts'

/** How many are read together: each may have a large payload. */
export const RECORDS = 50

/** The records of jobs of a partition; those that are gone are left out. */
export async function wholeRecords(
  store: Store,
  partition: string,
  jobs: readonly { id: string }[],
): Promise<JobRecord[]> {
  const records = await Promise.all(jobs.map(({ id }) => store.get(partition, id)))
  return records.filter((record) => record !== undefined)
}
