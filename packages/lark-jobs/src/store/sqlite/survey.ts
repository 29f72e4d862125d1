/**
 * Surveys many partitions with three queries. Each query returns only the partitions that have something to do.
 */
import { type Finding, type Retentions, retentionOf, type Surveyed } from '../contract/store.ts'
import { olderCalls } from './calls.ts'
import type { Database } from './database.ts'
import { olderEffects } from './effect.ts'
import { olderKept } from './keep.ts'
import { nextJob } from './order.ts'
import { Partition } from './partition.ts'
import { overRates } from './rate.ts'
import { endedStates, list } from './row.ts'
import { COMPLETED } from './schema.ts'
import { olderWaiters } from './waiters.ts'

/** SQL: the given partitions by name, each once. `place` is the index in the list. */
const partitions = 'SELECT value AS name, key AS place FROM json_each(?1)'

const withLeases = `
  SELECT name, leaseEnd, nextEffect FROM (
    SELECT name, nextEffect, (SELECT min(leaseEnd) FROM leases WHERE partition = partitions.id) AS leaseEnd
    FROM (${partitions}) JOIN partitions USING (name)
  ) WHERE leaseEnd IS NOT NULL OR nextEffect IS NOT NULL`

/** SQL: also partitions where the caller is not registered as waiting. For jobs in lanes, see `nextOfLanes`. */
const withJobs = `
  SELECT name, dueAt FROM (
    SELECT name, ifnull(lanes > 0 AND paused = 0, 0) AS hasLanes, CASE
      WHEN NOT EXISTS (
        SELECT 1 FROM waiters WHERE caller = ?2 AND partition = partitions.id AND notice = 0 AND rungAt IS NULL
      ) THEN ?3
      WHEN paused = 1 OR lanes > 0 THEN NULL
      WHEN waiting > 0 THEN ?3
      ELSE nextDue
    END AS dueAt
    FROM (${partitions}) LEFT JOIN partitions USING (name)
  ) WHERE dueAt IS NOT NULL OR hasLanes`
const hasTurns = 'SELECT 1 FROM lanes WHERE partition = ? AND turn IS NOT NULL LIMIT 1'

const hasEnded = (state: number, before: string) => `
  EXISTS (
    SELECT 1 FROM jobs
    WHERE partition = partitions.id AND state = ${state} AND state >= ${COMPLETED} AND finishedAt <= ${before}
  )`
const withOld = `
  SELECT name FROM (${partitions}) JOIN partitions USING (name)
  WHERE ${hasEnded(endedStates.completed, '?3')} OR ${hasEnded(endedStates.failed, '?4')}
    OR ${hasEnded(endedStates.cancelled, '?5')}
    OR EXISTS (SELECT 1 FROM throttles WHERE partition = partitions.id AND until <= ?2)
    OR EXISTS (SELECT 1 FROM pauses WHERE partition = partitions.id AND until <= ?2)
    OR ${olderCalls('?2')} OR ${olderWaiters('?2')} OR ${olderEffects('?2')}
    OR ${olderKept('?2')}
    OR place = 0 AND (${overRates('?2')})`

export function findings(
  database: Database,
  caller: string,
  surveyed: readonly Surveyed[],
  retentions: Retentions,
  now: number,
): Finding[] {
  const found = new Map<string, Finding>()
  const of = (partition: string): Finding => {
    const finding = found.get(partition) ?? { partition, at: now }
    found.set(partition, finding)
    return finding
  }
  const names = (which: readonly Surveyed[]) => list(which.map(({ partition }) => partition))
  const rest = (at: number) => Math.max(0, at - now)
  type Leased = { name: string; leaseEnd: number | null; nextEffect: number | null }
  for (const { name, leaseEnd, nextEffect } of database.all<Leased>(withLeases, names(surveyed))) {
    if (leaseEnd !== null) of(name).nextLeaseEnd = rest(leaseEnd)
    if (nextEffect !== null) of(name).nextEffect = rest(nextEffect)
  }
  const waits = surveyed.filter((each) => each.waits)
  type Due = { name: string; dueAt: number | null }
  for (const { name, dueAt } of database.all<Due>(withJobs, names(waits), caller, now)) {
    const next = dueAt === null ? nextOfLanes(database, name) : dueAt - now
    if (next !== undefined) of(name).nextDue = Math.max(0, next)
  }
  const prunes = surveyed.filter((each) => each.prunes)
  const kept = ({ partition }: Surveyed) => retentionOf(retentions, partition)
  for (const retention of new Set(prunes.map(kept))) {
    const { completed, failed, cancelled } = retention
    const before = [completed, failed, cancelled].map(({ age }) => now - age)
    const which = names(prunes.filter((each) => kept(each) === retention))
    for (const { name } of database.all<{ name: string }>(withOld, which, now, ...before))
      of(name).isOld = true
  }
  return [...found.values()]
}

/** Jobs with limiters count too: the caller must make a claim to learn for which limiters it needs permits. */
function nextOfLanes(database: Database, name: string): number | undefined {
  const partition = Partition.find(database, name)!
  return database.get(hasTurns, partition.id) === undefined ? nextJob(partition) : 0
}
