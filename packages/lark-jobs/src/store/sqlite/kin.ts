/**
 * Kin: the lanes of one group, which has one for each limiter that its jobs need and one for those that need none. Its
 * limits and its order are those of all of them together.
 */
import type { Partition } from './partition.ts'
import type { Row } from './row.ts'
import { PENDING } from './schema.ts'

/** A lane, as far as it matters to the others of its group. */
export interface Kin {
  name: string
  busy: number
  first: string | null
}

/** The underscore comes next to the sign that is between group and limiter. */
const lanesOf = `
  SELECT name, busy, first FROM lanes WHERE partition = ?1 AND name = ?2
  UNION ALL
  SELECT name, busy, first FROM lanes WHERE partition = ?1 AND name >= ?2 || '^' AND name < ?2 || '_'`
const findJob = 'SELECT state, dueAt FROM jobs WHERE partition = ? AND id = ?'
const forgetFirst = 'UPDATE lanes SET first = NULL WHERE partition = ? AND name = ?'
const findHead = `
  SELECT dueAt FROM jobs WHERE partition = ? AND lane = ? AND state = ${PENDING} AND priority = ? AND dueAt <= ?
  ORDER BY dueAt LIMIT 1`

/** The name of a lane's group, as the lane has it; '' where it has none. */
export function groupOf(lane: string): string {
  return lane.split('^', 1)[0]!
}

/** All lanes of a group. */
export function lanesOfGroup({ database, id }: Partition, group: string): Kin[] {
  return group === '' ? [] : database.all<Kin>(lanesOf, id, group)
}

/** The other lanes of its group. */
export function kinOf(partition: Partition, lane: string): Kin[] {
  return lanesOfGroup(partition, groupOf(lane)).filter(({ name }) => name !== lane)
}

/** How many jobs of all of them are active. */
export function busyWith(kin: readonly Kin[], { busy }: Pick<Kin, 'busy'>): number {
  return kin.reduce((sum, each) => sum + each.busy, busy)
}

/** The job that goes before all others of a lane, if there is one that has not begun. */
export function firstOf({ database, id }: Partition, { name, first }: Kin): Pick<Row, 'dueAt'> | undefined {
  if (first === null) return undefined
  const job = database.get<Pick<Row, 'state' | 'dueAt'>>(findJob, id, first)
  if (job?.state === PENDING) return job
  database.run(forgetFirst, id, name)
  return undefined
}

/** Whether, where the order is strict, a job of another lane goes before those of this one, of which none is `first`. */
export function isBehind(partition: Partition, lane: string, kin: readonly Kin[]): boolean {
  const own = kin.length === 0 ? undefined : headOf(partition, lane)
  return kin.some((each) => {
    if (firstOf(partition, each) !== undefined) return true
    const head = headOf(partition, each.name)
    if (head === undefined || own === undefined) return false
    return head.priority > own.priority || (head.priority === own.priority && head.dueAt < own.dueAt)
  })
}

/** Where the first of its due jobs stands. */
function headOf(partition: Partition, lane: string): { priority: number; dueAt: number } | undefined {
  const { database, id, now } = partition
  for (const priority of partition.priorities(lane)) {
    const head = database.get<{ dueAt: number }>(findHead, id, lane, priority, now)
    if (head !== undefined) return { priority, dueAt: head.dueAt }
  }
  return undefined
}
