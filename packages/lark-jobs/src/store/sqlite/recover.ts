/**
 * Takes jobs back from workers that have died. Each job that had started counts a crash, the others do not.
 * What becomes of each job stands in `contract/consequence.ts`.
 */
import { afterDeath, afterRun } from '../contract/consequence.ts'
import { MAX_ITEMS, type RecoverOptions, type Recovery } from '../contract/store.ts'
import { follow } from './consequence.ts'
import { exchangeEffects, nextEffect } from './effect.ts'
import { findLease, heldJobs, type Lease, leasesBehind, leasesOf, letGoOf, nextLeaseEnd } from './lease.ts'
import type { Partition } from './partition.ts'
import { type JobRow, optionsOf, stateOf } from './row.ts'
import { BESIDE, NOT_STARTED, PENDING } from './schema.ts'

export function recover(partition: Partition, options: RecoverOptions): Recovery {
  const { until = partition.now } = options
  const recovery: Recovery = { recovered: [], failed: [] }
  if (partition.now <= until) takeBackAll(partition, options, recovery)
  const handed = exchangeEffects(partition, options.effects)
  const effect = nextEffect(partition)
  return {
    ...recovery,
    ...(handed.length > 0 && { effects: handed }),
    ...(effect !== undefined && { nextEffect: effect }),
  }
}

function takeBackAll(partition: Partition, options: RecoverOptions, recovery: Recovery): void {
  let taken = 0
  for (const lease of which(partition, options)) {
    taken += lease.held
    if (taken > MAX_ITEMS) break
    for (const row of heldJobs(partition, lease)) {
      const { crashes } = row
      takeBack(partition, row, options)
      if (row.crashes > crashes) recovery.crashed = [...(recovery.crashed ?? []), row.id]
      if (row.state === PENDING) recovery.recovered.push(row.id)
      else partition.freed += 1
      if (stateOf(row, partition.now) === 'failed') recovery.failed.push(row.id)
    }
    letGoOf(partition, lease.token, lease.held)
  }
  const lease = nextLeaseEnd(partition)
  if (lease !== undefined) recovery.nextLeaseEnd = lease
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

function takeBack(
  partition: Partition,
  row: JobRow,
  { forgiving = false, unread, cause }: RecoverOptions,
): void {
  const running = {
    ...row,
    options: optionsOf(row),
    hasStarted: row.ahead !== NOT_STARTED,
    isBeside: row.ahead === BESIDE,
  }
  const consequence =
    unread === undefined
      ? afterDeath(running, forgiving, cause)
      : afterRun({ kind: 'unstarted' }, running, partition.now)
  follow(partition, row, consequence)
}
