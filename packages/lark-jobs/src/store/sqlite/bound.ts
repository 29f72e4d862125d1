/**
 * A partition that holds only so many jobs which have not begun: one more drops the one that is first in its lowest line.
 */
import { MAX_ITEMS } from '../store.ts'
import { endedUnrun, move } from './move.ts'
import type { Partition } from './partition.ts'
import { columns, type Row } from './row.ts'
import { CANCELLED, PENDING } from './schema.ts'

const due = `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ${PENDING} AND priority = ? AND dueAt <= ?
  ORDER BY dueAt, seq LIMIT ?`
const late = `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ${PENDING} AND priority = ? AND dueAt > ?
  ORDER BY dueAt, seq LIMIT ?`

/** How many have not begun. */
export function pendingOf({ waiting, delayed }: Partition): number {
  return waiting + delayed
}

/** Drops so many, from the lowest line upwards: what would run first, and then what would fall due first. */
export function drop(partition: Partition, count: number): void {
  const { database, id, now } = partition
  let left = Math.min(count, MAX_ITEMS)
  if (left <= 0) return
  const lowestFirst = [...partition.priorities()].reverse()
  for (const statement of [due, late]) {
    for (const priority of lowestFirst) {
      if (left <= 0) return
      const rows = database.all<Row>(statement, id, priority, now, left)
      for (const row of rows)
        move(partition, row, { state: CANCELLED, reason: 'dropped', ...endedUnrun(row, now) })
      left -= rows.length
    }
  }
}
