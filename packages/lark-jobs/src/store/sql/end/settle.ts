/**
 * Settles jobs.
 *
 * Most runs complete without a result and without log lines; one statement ends all such jobs of a claim
 * (`end.ts`). One statement for each claim also puts back the jobs that have not begun. To give jobs back
 * must be fast, because a worker
 * gives back its jobs when a handler blocks it, and other workers wait for these jobs. (Measured on
 * 2026-11-25 with 330 jobs: 1.3 ms of CPU, and 4.2 ms with two statements for each job.) For every other
 * outcome, the row of the job is read, and the consequence is computed and applied.
 */
import type { Outcome } from '../../../model/record.ts'
import { afterRun } from '../../contract/rules/after-run.ts'
import { readLane } from '../../contract/rules/lane.ts'
import { noticeOf } from '../../contract/rules/undoing.ts'
import type { Settlement, Verdict } from '../../contract/store.ts'
import { addBusyTo, laneMoves, pauseGroupMore } from '../claim/lane.ts'
import { letGoOf } from '../claim/lease.ts'
import { forgetDoubt } from '../claim/silence.ts'
import { tell } from '../events/events.ts'
import { keepReport } from '../events/log.ts'
import { heardAll, noteRest, record, undoOf } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { columns, type JobRow, list } from '../row.ts'
import { ACTIVE, NOT_STARTED, PENDING } from '../states.ts'
import { follow } from './after-run.ts'
import { endCompleted } from './end.ts'

/**
 * Puts back jobs that have not begun. Leaves out jobs with a notice to cancel, because these jobs do not go
 * back to their lines. Leaves out jobs in lanes, too.
 */
const giveBack = `
  UPDATE jobs SET state = ${PENDING}, runs = runs - 1, token = NULL
  WHERE state = ${ACTIVE} AND token = ? AND partition = ? AND asked IS NULL AND lane = ''
    AND id IN (SELECT value FROM json_each(?)) RETURNING id, dueAt, ahead, failures, runs, reason`
const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ? AND state = ${ACTIVE} AND token = ?`
/** Finds a job that was taken back under this token and has not been claimed again. */
const findLate = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ? AND state = ${PENDING} AND token = ?`
const holdAgain = `UPDATE jobs SET state = ${ACTIVE} WHERE seq = ?`

export function settle(partition: Partition, settlements: readonly Settlement[]): Verdict[] {
  const claims = new Map<string, Settlement[]>()
  for (const settlement of settlements) {
    const claim = claims.get(settlement.token)
    if (claim) claim.push(settlement)
    else claims.set(settlement.token, [settlement])
  }
  const settled = new Map<string, Set<string>>()
  for (const [token, claim] of claims) settled.set(token, settleClaim(partition, token, claim))
  // If a call settles a job twice, the second verdict is `lost`.
  return settlements.map(({ id, token }) => (settled.get(token)!.delete(id) ? 'settled' : 'lost'))
}

/** @returns the ids of the jobs that were settled */
function settleClaim(partition: Partition, token: string, settlements: readonly Settlement[]): Set<string> {
  const plain = settlements.filter(({ outcome }) => isPlain(outcome))
  const unstarted = settlements.filter(({ outcome }) => isUnstarted(outcome)).map(({ id }) => id)
  const settled = new Set(endCompleted(partition, token, plain))
  for (const id of putBackAll(partition, token, unstarted)) settled.add(id)
  for (const settlement of settlements) {
    if (settled.has(settlement.id)) continue
    if (settleOne(partition, settlement)) settled.add(settlement.id)
  }
  if (settled.size > 0) letGoOf(partition, token, settled.size)
  for (const settlement of settlements) {
    if (settled.has(settlement.id) || settlement.outcome.kind === 'unstarted') continue
    if (hold(partition, settlement) && settleOne(partition, settlement)) settled.add(settlement.id)
  }
  return settled
}

/**
 * Makes a job active again if it was taken back under this token and has not been claimed again, because its
 * late outcome counts. @returns false if there is no such job
 */
function hold(partition: Partition, { id, token }: Settlement): boolean {
  const row = partition.database.get<JobRow>(findLate, partition.id, id, token)
  if (row === undefined) return false
  partition.leave(row)
  laneMoves(partition, row, ACTIVE)
  if (row.lane !== '') addBusyTo(partition, row.lane, 1)
  partition.database.run(holdAgain, row.seq)
  forgetDoubt(partition, id)
  partition.arrive({ ...row, state: ACTIVE })
  return true
}

function isPlain(outcome: Outcome): boolean {
  return (
    outcome.kind === 'completed' &&
    outcome.result === undefined &&
    !outcome.log?.length &&
    outcome.progress === undefined &&
    outcome.steps === undefined
  )
}

/** Whether the outcome only puts the job back to the head of its line. */
function isUnstarted(outcome: Outcome): boolean {
  return outcome.kind === 'unstarted' && outcome.in === undefined && outcome.steps === undefined
}

function putBackAll(partition: Partition, token: string, ids: readonly string[]): string[] {
  if (ids.length === 0) return []
  const { database, id } = partition
  const rows = database.all<Pick<JobRow, 'id' | 'dueAt' | 'ahead' | 'failures' | 'runs' | 'reason'>>(
    giveBack,
    token,
    id,
    list(ids),
  )
  partition.active -= rows.length
  for (const row of rows) {
    partition.arrive({ ...row, state: PENDING })
    if (row.ahead !== NOT_STARTED) tell(partition, 'returned', [row.id])
  }
  return rows.map((row) => row.id)
}

function settleOne(partition: Partition, { id, token, outcome: said }: Settlement): boolean {
  const row = partition.database.get<JobRow>(find, partition.id, id, token)
  if (row === undefined) return false
  const undo = said.kind === 'suspended' ? said.undoing : undefined
  const asked = noticeOf(row.asked, undo ?? undoOf(partition, row), said.kind)
  record(partition.database, row, said.steps)
  noteRest(partition, row, said)
  const outcome = heardAll(partition, row, said)
  keepReport(partition.database, row.seq, outcome)
  const hasStarted = row.ahead !== NOT_STARTED
  if (!hasStarted && outcome.kind !== 'unstarted') tell(partition, 'started', [id])
  follow(partition, row, afterRun(outcome, { ...row, asked, hasStarted }, partition.now), outcome.took)
  if (outcome.kind !== 'released') return true
  if (outcome.pauses === 'queue')
    partition.configure({ paused: true, for: outcome.in, because: outcome.because, keepsLonger: true })
  if (outcome.pauses === 'group' && readLane(row.lane).group)
    pauseGroupMore(partition, readLane(row.lane).group!, partition.now + outcome.in)
  return true
}
