/**
 * Ended jobs with their own age: the class says how long they are kept (`model/record.ts#Keep`), or they are
 * failed members of flows (`store/contract/rules/retention.ts#PINNED`).
 *
 * The column `keep` has the ages of a job from the dispatch on. When a job ends in a state for which it has
 * an age, `KEPT` is added to its state. So `trim` and `prune`, which search the index `ended` by state, do
 * not find the job, and a separate counter counts it. A row of the table `expiries` says until when the job
 * or its log is kept.
 */
import { memberOf } from '../../../model/effect.ts'
import type { EndedState, Keep } from '../../../model/record.ts'
import { parsed } from '../../contract/rules/unreadable.ts'
import { MAX_ITEMS, MAX_PINNED, NODES, PINNED } from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { endedStates, type JobRow, list, stateOf } from '../row.ts'
import { FAILED, KEPT } from '../states.ts'
import { noteFailed } from './failed-jobs.ts'

const expire = 'INSERT OR REPLACE INTO expiries (seq, kind, partition, until) VALUES (?, ?, ?, ?)'
const forget = 'DELETE FROM expiries WHERE seq IN (SELECT value FROM json_each(?))'
const over = `
  SELECT seq FROM expiries WHERE partition = ? AND kind = ? AND until <= ? ORDER BY until LIMIT ?`
const dropLogs = 'UPDATE jobs SET log = NULL WHERE seq IN (SELECT value FROM json_each(?))'
const dropped = "DELETE FROM expiries WHERE kind = 'log' AND seq IN (SELECT value FROM json_each(?))"
const putBack = 'UPDATE jobs SET state = ? WHERE seq = ?'
/**
 * Gives a job without ages an empty `keep`, because the trigger that removes rows of `expiries` fires only
 * for jobs with a `keep`.
 */
const carryNothing = "UPDATE jobs SET keep = '{}' WHERE seq = ?"
/** SQL for a row of `partitions`: whether jobs or logs of the partition have expired at the instant `now`. */
export const olderKept = (now: string) => `
  EXISTS (SELECT 1 FROM expiries WHERE partition = partitions.id AND kind = 'job' AND until <= ${now})
  OR EXISTS (SELECT 1 FROM expiries WHERE partition = partitions.id AND kind = 'log' AND until <= ${now})`

/** Reads the ages in the row of a job. A damaged text counts as no ages. */
export function keepOf({ keep }: Pick<JobRow, 'keep'>): Keep {
  const read = keep === null ? undefined : parsed(keep)
  return typeof read === 'object' && read !== null ? read : {}
}

/**
 * The age that the class sets for an ended state; undefined if the queue decides how long the job is kept.
 */
function ageIn(keep: Keep, state: EndedState): number | undefined {
  const own = keep[state]
  return own === undefined && keep.least === undefined ? undefined : Math.max(own ?? 0, keep.least ?? 0)
}

/**
 * Notes until when a job that ends now is kept. @returns the number of its ended state; undefined if the job
 * is not kept
 */
export function endIn(partition: Partition, row: JobRow, state: EndedState): number | undefined {
  const { database, id, now } = partition
  const isPinned = state === 'failed' && isMember(row.id) && partition.kept.failed < MAX_PINNED
  if (row.keep === null) {
    if (!isPinned) return endedStates[state]
    row.keep = '{}'
    database.run(carryNothing, row.seq)
  }
  const keep = keepOf(row)
  const own = ageIn(keep, state)
  const age = isPinned ? Math.max(PINNED, own ?? 0) : own
  if (keep.log !== undefined) database.run(expire, row.seq, 'log', id, now + Math.ceil(keep.log))
  if (age === undefined) return endedStates[state]
  if (age === 0) return undefined
  database.run(expire, row.seq, 'job', id, now + Math.ceil(age))
  return endedStates[state] + KEPT
}

function isMember(id: string): boolean {
  return (memberOf(id)?.index ?? NODES) < NODES
}

/**
 * Called when a flow no longer needs its failed member. From now on, the member is kept for the age that its
 * class sets, or as its queue says.
 */
export function unpin(partition: Partition, row: JobRow): void {
  if (row.state !== FAILED + KEPT) return
  const age = ageIn(keepOf(row), 'failed')
  if (age === undefined) {
    forgetExpiries(partition, [row])
    putBeside(partition, row)
  } else partition.database.run(expire, row.seq, 'job', partition.id, row.finishedAt! + Math.ceil(age))
}

/** From now on, an ended job is kept as its queue says, and no longer for an age of its own. */
function putBeside(partition: Partition, row: Pick<JobRow, 'seq' | 'key' | 'state' | 'dueAt'>): void {
  partition.leave(row)
  row.state -= KEPT
  partition.database.run(putBack, row.state, row.seq)
  partition.arrive(row)
  if (row.state === FAILED) noteFailed(partition, row, undefined)
}

/** Removes the rows of `expiries` that belong to jobs which go back to their lines or become hidden. */
export function forgetExpiries({ database }: Partition, jobs: readonly Pick<JobRow, 'seq'>[]): void {
  database.run(forget, list(jobs.map(({ seq }) => seq)))
}

/** The `seq` of jobs that have reached their own age, at most `most`. */
export function expired(partition: Partition, most: number): number[] {
  const { database, id, now } = partition
  return database.all<Pick<JobRow, 'seq'>>(over, id, 'job', now, most).map(({ seq }) => seq)
}

/**
 * Finds the jobs that have reached only the minimum age of their class (`least`). From now on, they are kept
 * as the queue says.
 *
 * @returns all other jobs of `rows`, which must be removed
 */
export function releaseKept<R extends Pick<JobRow, 'seq' | 'key' | 'state' | 'dueAt' | 'keep'>>(
  partition: Partition,
  rows: readonly R[],
): R[] {
  forgetExpiries(partition, rows)
  return rows.filter((row) => {
    const keep = keepOf(row)
    if (keep.least === undefined || keep[stateOf(row, partition.now) as EndedState] !== undefined) return true
    putBeside(partition, row)
    return false
  })
}

/** Removes expired logs, at most `MAX_ITEMS`. @returns how many logs were removed */
export function dropOldLogs(partition: Partition): number {
  const { database, id, now } = partition
  const rows = database.all<Pick<JobRow, 'seq'>>(over, id, 'log', now, MAX_ITEMS)
  if (rows.length === 0) return 0
  const seqs = list(rows.map(({ seq }) => seq))
  database.run(dropLogs, seqs)
  database.run(dropped, seqs)
  return rows.length
}

/**
 * The two values of `state` for an ended state: for jobs that are kept as their queue says, and for jobs with
 * their own age.
 */
export function bothOf(state: EndedState): [number, number] {
  return [endedStates[state], endedStates[state] + KEPT]
}
