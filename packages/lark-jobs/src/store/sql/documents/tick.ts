/**
 * Keeps the time at which the next schedule or flow of a partition is due, in the column `nextTick`. Verbs
 * that change this time update the column, so that no other verb has to look for schedules and flows.
 */
import type { Partition } from '../partition.ts'

/**
 * SQL that finds due times and ignores damaged ones: if `dueAt` is a text, SQLite considers the text greater
 * than every number.
 */
const isDueAt = `partition = ?1 AND dueAt <= ${Number.MAX_SAFE_INTEGER} AND dueAt IS NOT NULL`
const first = `
  SELECT min(dueAt) AS dueAt FROM (
    SELECT min(dueAt) AS dueAt FROM schedules WHERE ${isDueAt}
    UNION ALL SELECT min(dueAt) FROM flows WHERE ${isDueAt}
  )`

const firstFlow = `SELECT min(dueAt) AS dueAt FROM flows WHERE ${isDueAt}`

/** Stores when the next schedule or flow is due. Call this after each change of a schedule or flow. */
export function noteNext(partition: Partition): void {
  const { dueAt } = partition.database.get<{ dueAt: number | null }>(first, partition.id)!
  partition.tickAt(dueAt ?? undefined)
}

export function nextOf({ nextTick }: Partition): { nextTick?: number } {
  return nextTick === undefined ? {} : { nextTick }
}

/** Milliseconds until the next flow is due, for a caller that handles only flows. */
export function nextOfFlows({ database, id, now }: Partition): { nextTick?: number } {
  const { dueAt } = database.get<{ dueAt: number | null }>(firstFlow, id)!
  return dueAt === null ? {} : { nextTick: Math.max(0, dueAt - now) }
}
