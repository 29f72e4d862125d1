/** Changes jobs by hand (`Store.alter`). `apply` says what each change does to a job in each state. */
import { changedTags } from '../../contract/rules/options.ts'
import { askedFor, cancelledFor } from '../../contract/rules/reason.ts'
import { isLost } from '../../contract/rules/undoing.ts'
import { isMarked, readOptions } from '../../contract/rules/unreadable.ts'
import { type AlterVerdict, type Change, versionOf } from '../../contract/store.ts'
import { laneMoves } from '../claim/lane.ts'
import { forgetDoubt } from '../claim/silence.ts'
import { isOnItsWay } from '../effects/effect.ts'
import { follow } from '../end/after-run.ts'
import { unpin } from '../end/keep.ts'
import { move, toEnd } from '../end/move.ts'
import { purge, remove } from '../end/retain.ts'
import { takeAgain } from '../enqueue/lock.ts'
import { tell } from '../events/events.ts'
import { keepReport } from '../events/log.ts'
import { notify } from '../events/waiters.ts'
import { watchersOf } from '../events/watch.ts'
import { forgetJournal, forgetRest, hasRecorded, keepUndo, moveWaits, undoOf } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { changeOptions, changePayload } from '../payload.ts'
import { columns, holderOf, type JobRow, optionsOf, stateOf } from '../row.ts'
import { ACTIVE, COMPLETED, GONE, HIDDEN, PENDING } from '../states.ts'
import { queueAgain } from './queued-again.ts'
import { revokePut } from './revoked.ts'

const findAny = `SELECT ${columns} FROM jobs WHERE partition = ? AND id = ?`
const find = `${findAny} AND state < ${HIDDEN}`
const forgetProgress = 'UPDATE jobs SET progress = NULL WHERE seq = ?'
const prioritize = 'UPDATE jobs SET priority = ? WHERE seq = ?'
const ask = 'UPDATE jobs SET asked = ? WHERE seq = ?'

export function alter(partition: Partition, ids: readonly string[], change: Change): AlterVerdict[] {
  let may: boolean | undefined
  const mayOpen = (priority: number) => {
    may ??= priority === 0 || partition.mayOpen(priority)
    return may
  }
  const verdicts = ids.map((id, i) => {
    const row = partition.database.get<JobRow>(change.kind === 'purge' ? findAny : find, partition.id, id)
    if (row === undefined && change.kind === 'purge') forgetDoubt(partition, id)
    if (row === undefined) return 'missing'
    return isChanged(partition, row, change, i) ? 'refused' : apply(partition, row, change, mayOpen)
  })
  // If a changed job has left its lane, other jobs of the lane may begin now.
  if (partition.touched.size > 0) partition.freed = ids.length
  return verdicts
}

/** Whether a job has changed since the caller has read it. @param i the index of the job in the call */
function isChanged({ now }: Partition, row: JobRow, change: Change, i: number): boolean {
  if (row.state < HIDDEN && change.only?.includes(stateOf(row, now)) === false) return true
  if (change.kind !== 'remove' || change.as === undefined) return false
  const options = optionsOf(row) ?? {}
  return versionOf({ state: stateOf(row, now), runs: row.runs, options }) !== change.as[i]
}

/** @param mayOpen whether the jobs of this call may get the new priority (`Partition.mayOpen`) */
function apply(
  partition: Partition,
  row: JobRow,
  change: Change,
  mayOpen: (priority: number) => boolean,
): AlterVerdict {
  const { database, now } = partition
  if ('ifNotBegun' in change && change.ifNotBegun && (row.state === ACTIVE || row.runs > 0)) return 'refused'
  switch (change.kind) {
    case 'retry': {
      if (row.state < COMPLETED || !takeAgain(partition, row)) return 'refused'
      if (change.fromStart || stateOf(row, now) === 'completed') forgetJournal(partition, row)
      else if (undoOf(partition, row) !== null) keepUndo(partition, row, '')
      forgetRest(partition, row)
      const failures = change.keepsFailures ? row.failures + (stateOf(row, now) === 'completed' ? 1 : 0) : 0
      database.run(forgetProgress, row.seq)
      queueAgain(partition, row, { dueAt: now, failures, crashes: 0 })
      return 'done'
    }
    case 'cancel': {
      const why = cancelledFor(change.reason, change.because)
      const { runs, failures, crashes, releases } = row
      const mayUndo = row.state === ACTIVE || (row.state === PENDING && !isLost(why))
      const undo = mayUndo ? undoOf(partition, row) : null
      // A run already undoes the steps of the job, and the job ends after this run.
      if (undo) return 'asked'
      if (row.state === ACTIVE) {
        database.run(ask, askedFor(why, partition.now, row.asked), row.seq)
        notify(partition, holderOf(row.token!))
        return 'asked'
      }
      if (row.state !== PENDING) return 'refused'
      follow(partition, row, {
        runs,
        failures,
        crashes,
        releases,
        state: 'cancelled',
        reason: why,
        isUntold: true,
      })
      return undo === null ? 'done' : 'asked'
    }
    case 'remove':
      if (row.state === ACTIVE) return 'refused'
      // The event is written only for an ended job, because `remove` itself writes it for a job that has not
      // ended.
      if (row.state !== PENDING) tell(partition, 'removed', [row.id])
      revokePut(partition, row)
      remove(partition, [row])
      return 'done'
    case 'purge': {
      if (row.state === ACTIVE) return 'refused'
      if (row.state < HIDDEN) tell(partition, 'removed', [row.id])
      if (row.state === GONE && !change.isElsewhere) return 'missing'
      const hasArrived = row.state === GONE && !isOnItsWay(partition, row)
      revokePut(partition, row)
      purge(partition, row)
      return hasArrived ? 'missing' : 'done'
    }
    case 'unpin':
      if (stateOf(row, now) !== 'failed') return 'refused'
      unpin(partition, row)
      return 'done'
    case 'run-now':
      if (stateOf(row, now) !== 'delayed') return 'refused'
      moveWaits(partition, row, now)
      move(partition, row, { state: PENDING, dueAt: now })
      toEnd(partition, row)
      return 'done'
    case 'reschedule':
      if (row.state !== PENDING) return 'refused'
      moveWaits(partition, row, now + change.in)
      move(partition, row, { state: PENDING, dueAt: now + change.in })
      toEnd(partition, row)
      return 'done'
    case 'edit':
      if ((row.state === ACTIVE && !change.whileActive) || isMarked(row.options)) return 'refused'
      if (!change.force && hasRecorded(partition, row)) return 'refused'
      changePayload(database, row, change.payload)
      changeOptions(database, row, {
        editedAt: now,
        ...(change.redact && { redact: change.redact.length > 0 ? change.redact : undefined }),
      })
      return 'done'
    case 'prioritize':
      if (row.state !== PENDING) return 'refused'
      if (change.priority !== row.priority) {
        if (row.lane === '' && !mayOpen(change.priority)) return 'refused'
        laneMoves(partition, row, PENDING)
        database.run(prioritize, change.priority, row.seq)
      }
      return 'done'
    case 'report':
      keepReport(database, row.seq, change, false)
      if (change.progress !== undefined)
        for (const watcher of watchersOf(partition, [row.id]).get(row.id) ?? []) notify(partition, watcher)
      return 'done'
    case 'add-tags':
    case 'remove-tags': {
      const { options, unreadable } = row.options === null ? {} : readOptions(row.options)
      const tags = unreadable ? undefined : changedTags(options?.tags ?? [], change)
      if (tags === undefined) return 'refused'
      changeOptions(database, row, { tags: tags.length > 0 ? tags : undefined })
      return 'done'
    }
  }
}
