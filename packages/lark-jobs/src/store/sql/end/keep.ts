/**
 * Jobs whose class says how long they are kept when they have ended (`model/record.ts#Keep`), and members of
 * flows that failed (`store/contract/rules/retention.ts#PINNED`).
 *
 * The column `keep` has these times from the dispatch on. When such a job ends in a state for which it has an
 * age, its state is raised by `KEPT`. So it is outside of the ranges of the index `ended` that `trim` and
 * `prune` read, and it is counted separately. A row of `expiries` says until when the job or its log is kept.
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
/** The trigger that removes rows of `expiries` only fires for jobs with a `keep`. */
const carryNothing = "UPDATE jobs SET keep = '{}' WHERE seq = ?"
/** SQL: whether jobs or logs of a row of `partitions` have expired at an instant. */
export const olderKept = (now: string) => `
  EXISTS (SELECT 1 FROM expiries WHERE partition = partitions.id AND kind = 'job' AND until <= ${now})
  OR EXISTS (SELECT 1 FROM expiries WHERE partition = partitions.id AND kind = 'log' AND until <= ${now})`

/** The ages that are stored with a job. A damaged text counts as no ages. */
export function keepOf({ keep }: Pick<JobRow, 'keep'>): Keep {
  const read = keep === null ? undefined : parsed(keep)
  return typeof read === 'object' && read !== null ? read : {}
}

/** The job's own age for an ended state. Undefined: it is kept as its queue says. */
function ageIn(keep: Keep, state: EndedState): number | undefined {
  const own = keep[state]
  return own === undefined && keep.least === undefined ? undefined : Math.max(own ?? 0, keep.least ?? 0)
}

/**
 * The number of the state in which a job ends; undefined if the job is not kept. Also notes until when it is
 * kept.
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

/** A member that failed is kept for its own age from now on, or as its queue says. */
export function unpin(partition: Partition, row: JobRow): void {
  if (row.state !== FAILED + KEPT) return
  const age = ageIn(keepOf(row), 'failed')
  if (age === undefined) {
    forgetExpiries(partition, [row])
    putBeside(partition, row)
  } else partition.database.run(expire, row.seq, 'job', partition.id, row.finishedAt! + Math.ceil(age))
}

/** Makes an ended job one that is kept as its queue says, instead of for an age of its own. */
function putBeside(partition: Partition, row: Pick<JobRow, 'seq' | 'key' | 'state' | 'dueAt'>): void {
  partition.leave(row)
  row.state -= KEPT
  partition.database.run(putBack, row.state, row.seq)
  partition.arrive(row)
  if (row.state === FAILED) noteFailed(partition, row, undefined)
}

/** Forgets until when jobs are kept, because they go back to their line or are hidden. */
export function forgetExpiries({ database }: Partition, jobs: readonly Pick<JobRow, 'seq'>[]): void {
  database.run(forget, list(jobs.map(({ seq }) => seq)))
}

/** The jobs whose time is over, at most `most`. */
export function expired(partition: Partition, most: number): number[] {
  const { database, id, now } = partition
  return database.all<Pick<JobRow, 'seq'>>(over, id, 'job', now, most).map(({ seq }) => seq)
}

/**
 * Finds those of these jobs that have only passed their minimum age. From now on, they are kept as the queue
 * says.
 *
 * @returns the other jobs
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

/** Removes expired logs. @returns how many */
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
 * The two numbers of an ended state: for jobs that are kept as their queue says, and for jobs with an age of
 * their own.
 */
export function bothOf(state: EndedState): [number, number] {
  return [endedStates[state], endedStates[state] + KEPT]
}
