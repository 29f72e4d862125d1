/**
 * Notes which moves of a job must have no effect any more (**Void** in `contract/moves.ts`). Each note is a
 * hidden row of `jobs`, like the row that a moved job leaves. In place of the id of the job, the row has a
 * digest of the id, because an id may contain personal data, and nothing of a purged job may be kept.
 */
import { createHash } from 'node:crypto'
import { MOVED_LEAST } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { type JobRow, optionsOf } from '../row.ts'
import { GONE } from '../states.ts'

/**
 * The id of a row that notes a revoked move begins with this text. No id of a job begins with this text,
 * because an id that an application chooses contains no colon.
 */
export const VOID = 'void:'

const find = 'SELECT seq, options FROM jobs WHERE partition = ? AND id = ?'
const forget = 'DELETE FROM jobs WHERE seq = ?'
const forgetEnd = 'DELETE FROM effects WHERE seq = ?'
const insert = `
  INSERT INTO jobs (partition, id, state, priority, queuedAt, dueAt, reason, key, options, payload, effects)
  VALUES (?, ?, ${GONE}, 0, ?, 0, '', '', ?, '', 1)`
const keep = `
  INSERT INTO effects (seq, kind, partition, over) SELECT seq, 'move', partition, ? FROM jobs WHERE partition = ? AND id = ?`

/** Makes sure that a later `put` of the job for this move, or for an earlier move, changes nothing. */
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

/** Revokes the last move of a job that is removed or replaced, if a `put` of the job may still arrive. */
export function revokePut(partition: Partition, row: Pick<JobRow, 'id' | 'state' | 'options'>): void {
  const movedAt = row.state === GONE ? 0 : movedAtOf(row)
  if (movedAt > 0 && movedAt + MOVED_LEAST > partition.now) revoke(partition, row.id, movedAt)
}

export function isRevoked(partition: Partition, id: string, movedAt: number): boolean {
  const mark = partition.database.get<Pick<JobRow, 'options'>>(find, partition.id, markOf(id))
  return movedAtOf(mark) >= movedAt
}

/** When a job was last moved; 0 if the job was never moved. */
export function movedAtOf(row: Pick<JobRow, 'options'> | undefined): number {
  return row?.options?.includes('"movedAt"') ? (optionsOf(row)?.movedAt ?? 0) : 0
}

function markOf(id: string): string {
  return VOID + createHash('sha1').update(id).digest('hex')
}
