/**
 * Jobs taken back from workers that died: a crash for each that had started, nothing for the others.
 */
import type { JobError } from '../../record.ts'
import {
  MAX_CRASHES,
  MAX_ITEMS,
  type RecoverOptions,
  type Recovery,
  type StoreOptions,
  WORKER_DIED,
} from '../store.ts'
import { nextEnding } from './ending.ts'
import { findLease, heldJobs, type Lease, leasesBehind, leasesOf, letGoOf, nextLeaseEnd } from './lease.ts'
import { endedUnrun, move, withError } from './move.ts'
import type { Partition } from './partition.ts'
import { trim } from './retain.ts'
import type { Row } from './row.ts'
import { FAILED, PENDING } from './schema.ts'

export function recover(
  partition: Partition,
  options: RecoverOptions,
  retention: StoreOptions['retention'],
): Recovery {
  const { until = partition.now } = options
  const recovery: Recovery = { recovered: [], failed: [] }
  if (partition.now > until) return recovery
  let taken = 0
  for (const lease of which(partition, options)) {
    taken += lease.held
    if (taken > MAX_ITEMS) break
    for (const row of heldJobs(partition, lease)) {
      takeBack(partition, row, options)
      if (row.state === PENDING) recovery.recovered.push(row.id)
      else partition.freed += 1
      if (row.state === FAILED) recovery.failed.push(row.id)
    }
    letGoOf(partition, lease.token, lease.held)
  }
  // What is too much goes first: there is nothing to do any more for what is gone.
  trim(partition, retention)
  const lease = nextLeaseEnd(partition)
  const ending = nextEnding(partition)
  return {
    ...recovery,
    ...(lease !== undefined && { nextLeaseEnd: lease }),
    ...(ending !== undefined && { nextEnding: ending }),
  }
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

function takeBack(partition: Partition, row: Row, { forgiving = false, unread }: RecoverOptions): void {
  if (unread !== undefined) {
    move(partition, row, { state: PENDING, runs: row.runs - 1 })
    return
  }
  const hasStarted = row.ahead === 0
  const crashes = row.crashes + Number(hasStarted && !forgiving)
  if (crashes < MAX_CRASHES) {
    const runs = row.runs - Number(!hasStarted)
    move(partition, row, { state: PENDING, runs, crashes, direct: 1 })
    return
  }
  const error: JobError = { run: row.runs, ...WORKER_DIED }
  const ended = endedUnrun(row, partition.now)
  move(partition, row, { state: FAILED, crashes, ...ended, errors: withError(row, error) })
  partition.minute.failed += 1
}
