/**
 * The ids of removed jobs that came through an outbox (`model/record.ts#Keep`). The trigger `jobGone` adds an
 * id when the row of the job is removed, so the code that removes jobs need not do it.
 */
import type { NewJob } from '../../../model/record.ts'
import { MAX_ITEMS, RELAYED_MEMORY } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import type { JobRow } from '../row.ts'

const find = 'SELECT 1 FROM relayed WHERE partition = ? AND name = ? AND until > ?'
const note = 'INSERT OR REPLACE INTO relayed (partition, name, until) VALUES (?, ?, ?)'
const endsNow = 'UPDATE jobs SET finishedAt = ? WHERE seq = ?'
const forget = `
  DELETE FROM relayed WHERE partition = ?1 AND name IN (
    SELECT name FROM relayed WHERE partition = ?1 AND until <= ?2 ORDER BY until LIMIT ${MAX_ITEMS}
  )`
/**
 * SQL for a row of `partitions`: whether the partition has ids that `forgetRelayed` would remove at the
 * instant `now`.
 */
export const olderRelayed = (now: string) =>
  `EXISTS (SELECT 1 FROM relayed WHERE partition = partitions.id AND until <= ${now})`

/** Whether a job with this id has come through an outbox already. */
export function cameBefore({ database, id, now }: Partition, { id: job, keep, options }: NewJob): boolean {
  return keep?.relayed === true && database.get(find, id, options?.born ?? job, now) !== undefined
}

/**
 * If the id of a new job may be used again, the job also has an id under which it was written into the outbox
 * (`born`). Notes this id, because it identifies the job when the relay sends the job again.
 */
export function noteRelayed({ database, id, now }: Partition, { ownId, keep, options }: NewJob): void {
  if (ownId === 'reuse' && keep?.relayed && options?.born !== undefined)
    database.run(note, id, options.born, now + RELAYED_MEMORY)
}

/**
 * Call this before a job that has not ended is removed: the time for which the id of the job is remembered
 * begins now.
 */
export function goesNow({ database, now }: Partition, { seq, keep }: Pick<JobRow, 'seq' | 'keep'>): void {
  if (keep?.includes('"relayed"')) database.run(endsNow, now, seq)
}

/** Removes ids whose time is over: a limited number in each call. @returns how many ids were removed */
export function forgetRelayed({ database, id, now }: Partition): number {
  return database.run(forget, id, now)
}
