/**
 * Notes which moves of a job no longer have an effect (`contract/moves.ts`, Void). Each note is a hidden row,
 * like the row that a moved job leaves behind, but under a digest instead of the id: nothing of a purged job
 * may be kept, and an id may contain personal data.
 */
import { createHash } from 'node:crypto'
import { MOVED_LEAST } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { type JobRow, optionsOf } from '../row.ts'
import { GONE } from '../states.ts'

/** The beginning of an id that no job can have, because ids of the application contain no colon. */
export const VOID = 'void:'

const find = 'SELECT seq, options FROM jobs WHERE partition = ? AND id = ?'
const forget = 'DELETE FROM jobs WHERE seq = ?'
const forgetEnd = 'DELETE FROM effects WHERE seq = ?'
const insert = `
  INSERT INTO jobs (partition, id, state, priority, queuedAt, dueAt, reason, key, options, payload, effects)
  VALUES (?, ?, ${GONE}, 0, ?, 0, '', '', ?, '', 1)`
const keep = `
  INSERT INTO effects (seq, kind, partition, over) SELECT seq, 'move', partition, ? FROM jobs WHERE partition = ? AND id = ?`

/** Makes sure that a later `put` of the job by this move, or by an earlier one, changes nothing. */
export function revoke(partition: Partition, id: string, movedAt: number): void {
  const { database, now } = partition
  const over = Math.max(now, movedAt) + MOVED_LEAST
  const mark = markOf(id)
  const before = database.get<Pick<JobRow, 'seq' | 'options'>>(find, partition.id, mark)
  if (before !== undefined) {
    database.run(forgetEnd, before.seq)
    database.run(forget, before.seq)
  }
  const latest = Math.max(movedAt, movedAtOf(before))
  database.run(insert, partition.id, mark, now, JSON.stringify({ movedAt: latest }))
  database.run(keep, over, partition.id, mark)
}

/** Revokes the last move of a job that is removed or replaced, if a `put` of it may still come. */
export function revokePut(partition: Partition, row: Pick<JobRow, 'id' | 'state' | 'options'>): void {
  const movedAt = row.state === GONE ? 0 : movedAtOf(row)
  if (movedAt > 0 && movedAt + MOVED_LEAST > partition.now) revoke(partition, row.id, movedAt)
}

export function isRevoked(partition: Partition, id: string, movedAt: number): boolean {
  const mark = partition.database.get<Pick<JobRow, 'options'>>(find, partition.id, markOf(id))
  return movedAtOf(mark) >= movedAt
}

/** When a job was last moved; 0 if it was not. */
export function movedAtOf(row: Pick<JobRow, 'options'> | undefined): number {
  return row?.options?.includes('"movedAt"') ? (optionsOf(row)?.movedAt ?? 0) : 0
}

function markOf(id: string): string {
  return VOID + createHash('sha1').update(id).digest('hex')
}
