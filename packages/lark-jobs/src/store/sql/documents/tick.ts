/**
 * Keeps when the next schedule or flow of a partition is due (`nextTick`). The verbs that change this time
 * write it, so that other verbs need not look for schedules and flows.
 */
import type { Partition } from '../partition.ts'

/** A damaged instant is ignored: in SQLite, texts are greater than all numbers. */
const isDueAt = `partition = ?1 AND dueAt <= ${Number.MAX_SAFE_INTEGER} AND dueAt IS NOT NULL`
const first = `
  SELECT min(dueAt) AS dueAt FROM (
    SELECT min(dueAt) AS dueAt FROM schedules WHERE ${isDueAt}
    UNION ALL SELECT min(dueAt) FROM flows WHERE ${isDueAt}
  )`

const firstFlow = `SELECT min(dueAt) AS dueAt FROM flows WHERE ${isDueAt}`

/** Notes when the next schedule or flow is due. Must be called after each change of that. */
export function noteNext(partition: Partition): void {
  const { dueAt } = partition.database.get<{ dueAt: number | null }>(first, partition.id)!
  partition.tickAt(dueAt ?? undefined)
}

export function nextOf({ nextTick }: Partition): { nextTick?: number } {
  return nextTick === undefined ? {} : { nextTick }
}

/** `nextOf` for a caller that takes flows only. */
export function nextOfFlows({ database, id, now }: Partition): { nextTick?: number } {
  const { dueAt } = database.get<{ dueAt: number | null }>(firstFlow, id)!
  return dueAt === null ? {} : { nextTick: Math.max(0, dueAt - now) }
}
