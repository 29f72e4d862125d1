/**
 * The ids of ended jobs that came through an outbox (`model/record.ts#Keep`). A trigger notes them when the
 * row of a job is removed, so code that removes jobs need not know of it.
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
/** SQL: whether `forgetRelayed` would remove something of a row of `partitions`, at an instant. */
export const olderRelayed = (now: string) =>
  `EXISTS (SELECT 1 FROM relayed WHERE partition = partitions.id AND until <= ${now})`

/** Whether a job with this id came through an outbox before. */
export function cameBefore({ database, id, now }: Partition, { id: job, keep, options }: NewJob): boolean {
  return keep?.relayed === true && database.get(find, id, options?.born ?? job, now) !== undefined
}

/**
 * Notes now under which id a new job came through an outbox (`born`), if its own id may be reused and so does
 * not identify one job.
 */
export function noteRelayed({ database, id, now }: Partition, { ownId, keep, options }: NewJob): void {
  if (ownId === 'reuse' && keep?.relayed && options?.born !== undefined)
    database.run(note, id, options.born, now + RELAYED_MEMORY)
}

/** Called before a job that has not ended is removed: the time for which its id is remembered begins now. */
export function goesNow({ database, now }: Partition, { seq, keep }: Pick<JobRow, 'seq' | 'keep'>): void {
  if (keep?.includes('"relayed"')) database.run(endsNow, now, seq)
}

/** Forgets ids, a bounded number at a time. @returns how many */
export function forgetRelayed({ database, id, now }: Partition): number {
  return database.run(forget, id, now)
}
