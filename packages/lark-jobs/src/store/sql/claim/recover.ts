/**
 * Takes jobs back from workers that have died. A job that had started counts a crash, and a job that had not
 * started counts none. After a silence of the store, leases are prolonged before jobs are taken back
 * (`store/contract/rules/silence.ts`). `store/contract/rules/after-run.ts` decides the consequence for each
 * job.
 */

import { defined } from '@s18i/lark/internal'
import { MOST_TAKEN } from '../../contract/lost-workers.ts'
import { afterDeath, afterRun } from '../../contract/rules/after-run.ts'
import { noticeOf } from '../../contract/rules/undoing.ts'
import { MAX_ITEMS, type RecoverOptions, type Recovery } from '../../contract/store.ts'
import { exchangeEffects, nextEffect } from '../effects/effect.ts'
import { follow } from '../end/after-run.ts'
import { undoOf } from '../journal/journal.ts'
import type { Partition } from '../partition.ts'
import { holderOf, type JobRow, optionsOf, stateOf } from '../row.ts'
import { BESIDE, NOT_STARTED, PENDING } from '../states.ts'
import { noteTakeover } from '../workers.ts'
import {
  extendLease,
  findLease,
  heldJobs,
  type Lease,
  leasesBehind,
  leasesOf,
  letGoOf,
  nextLeaseEnd,
} from './lease.ts'
import { graceOf, hearIn, isDoubted, keepDoubts } from './silence.ts'

const keepToken = 'UPDATE jobs SET token = ? WHERE seq = ?'

export function recover(partition: Partition, options: RecoverOptions): Recovery {
  const { until = partition.now } = options
  const recovery: Recovery = { recovered: [], failed: [] }
  if (partition.now <= until) takeBackAll(partition, options, recovery)
  const handed = exchangeEffects(partition, options.effects)
  const effect = nextEffect(partition)
  return {
    ...recovery,
    ...(handed.length > 0 && { effects: handed }),
    ...defined({ nextEffect: effect }),
  }
}

function takeBackAll(partition: Partition, options: RecoverOptions, recovery: Recovery): void {
  let count = 0
  const taken = new Map<string, string[]>()
  const doubted: string[] = []
  const grace = graceFor(partition, options)
  for (const lease of which(partition, options)) {
    const isSilent = lease.leaseEnd <= grace
    if (isSilent && partition.now < grace && lease.isExtended === 0) {
      extendLease(partition, lease.token, grace)
      continue
    }
    count += lease.held
    if (count > MAX_ITEMS) break
    const ids: string[] = []
    for (const row of heldJobs(partition, lease)) {
      ids.push(row.id)
      if (isSilent && row.ahead !== NOT_STARTED) doubted.push(row.id)
      const hasCrashed = takeBack(partition, row, options, isSilent)
      if (hasCrashed) recovery.crashed = [...(recovery.crashed ?? []), row.id]
      if (row.state === PENDING) recovery.recovered.push(row.id)
      else partition.freed += 1
      if (stateOf(row, partition.now) === 'failed') recovery.failed.push(row.id)
    }
    letGoOf(partition, lease.token, lease.held)
    const holder = holderOf(lease.token)
    taken.set(holder, [...(taken.get(holder) ?? []), ...ids])
  }
  note(partition, taken, options.by)
  keepDoubts(partition, doubted)
  if (doubted.length > 0) recovery.doubted = doubted
  const left = nextLeaseEnd(partition)
  if (left !== undefined) recovery.nextLeaseEnd = left
}

/**
 * Notes in the records of dead workers which jobs were taken back. @param taken for each worker the ids of
 * the jobs that it held
 */
function note(partition: Partition, taken: ReadonlyMap<string, readonly string[]>, by?: string): void {
  if (by === undefined) return
  for (const [holder, ids] of taken) {
    if (ids.length === 0) continue
    const takeover = { by, at: partition.now, count: ids.length, jobs: ids.slice(0, MOST_TAKEN) }
    noteTakeover(partition.database, holder, takeover)
  }
}

/**
 * The time until which leases are prolonged that have not been renewed since the last silence; 0 if there was
 * no silence, or if the call names a dead worker or an unread claim.
 */
function graceFor(partition: Partition, { leaseMs, holder, unread }: RecoverOptions): number {
  if (leaseMs === undefined || holder !== undefined || unread !== undefined) return 0
  hearIn(partition.database, [{ partition: partition.name }], leaseMs, partition.now)
  return graceOf(partition, leaseMs)
}

function which(partition: Partition, { holder, unread }: RecoverOptions): Iterable<Lease> {
  if (unread === undefined) return holder === undefined ? ended(partition) : leasesOf(partition, holder)
  const lease = findLease(partition, unread)
  return lease === undefined ? [] : [lease]
}

function* ended(partition: Partition): Generator<Lease> {
  for (const lease of leasesBehind(partition)) {
    if (lease.leaseEnd > partition.now) return
    yield lease
  }
}

/** @returns whether a crash was counted */
function takeBack(
  partition: Partition,
  row: JobRow,
  { forgiving = false, unread, cause, fromWithin }: RecoverOptions,
  isSilent: boolean,
): boolean {
  const { token } = row
  const isForgiven = forgiving || (isSilent && !isDoubted(partition, row.id))
  const running = {
    ...row,
    asked: noticeOf(row.asked, undoOf(partition, row)),
    options: optionsOf(row),
    hasStarted: row.ahead !== NOT_STARTED,
    isBeside: row.ahead === BESIDE,
  }
  const consequence =
    unread === undefined
      ? afterDeath(running, { forgiving: isForgiven, ...defined({ cause, fromWithin }) })
      : afterRun({ kind: 'unstarted' }, running, partition.now)
  follow(partition, row, consequence)
  if (row.state === PENDING && running.hasStarted && unread === undefined && !undoOf(partition, row))
    partition.database.run(keepToken, token, row.seq)
  return consequence.event === 'crashed'
}
