/**
 * Reads the complete records of jobs, with their payloads as they are stored. No part of a payload is hidden,
 * because jobs can be restored only from complete records.
 */
import { defined } from '@s18i/lark/internal'
import type { WholeRecord } from '../../model/record.ts'
import type { Store } from '../../store/contract/store.ts'
import { journalFrom } from './job-steps.ts'

/** How many records are read in one call. The number is low because each record may have a large payload. */
export const RECORDS = 50

/** The records of jobs of a partition. Jobs that no longer exist are left out. */
export async function wholeRecords(
  store: Store,
  partition: string,
  jobs: readonly { id: string }[],
): Promise<WholeRecord[]> {
  const records = await Promise.all(jobs.map(({ id }) => wholeRecord(store, partition, id)))
  return records.filter((record) => record !== undefined)
}

async function wholeRecord(store: Store, partition: string, id: string): Promise<WholeRecord | undefined> {
  const [record, journal] = await Promise.all([
    store.get(partition, id),
    journalFrom(store, { partition, id }),
  ])
  if (record === undefined || journal === undefined) return record
  const { entries, signals, undo } = journal
  return { ...record, journal: { entries, signals, ...defined({ undo }) } }
}
