/**
 * Leases. Each claim has one row in the table `leases`, for all jobs that the call has claimed.
 *
 * The row of a lease lists the jobs in the order in which they were handed out, and has the number of jobs
 * that are still held. When no job is held, the row is removed. A job is held under a lease as long as the
 * job is active and has the token of the lease. A claim needs only one lease, so one statement renews the
 * leases of all of its jobs, and active jobs need no index.
 */
import { parsed } from '../../contract/rules/unreadable.ts'
import type { Partition } from '../partition.ts'
import { holderOf, type JobRow, columns as jobColumns, list } from '../row.ts'
import { ACTIVE } from '../states.ts'

export interface Lease {
  token: string
  leaseEnd: number
  claimedAt: number
  /** How many jobs of the lease are neither settled nor taken back. */
  held: number
  /** The `seq` of each job of the claim, as a JSON list. */
  seqs: string
  /** 1 if the lease was prolonged after a silence and has not been renewed since. */
  isExtended: number
}

const columns = 'token, leaseEnd, claimedAt, held, seqs, isExtended'
const open = `INSERT INTO leases (partition, ${columns}) VALUES (?, ?, ?, ?, ?, ?, 0)`
const find = `SELECT ${columns} FROM leases WHERE partition = ? AND token = ?`
const nextByEnd = `
  SELECT ${columns} FROM leases WHERE partition = ? AND (leaseEnd, token) > (?, ?) ORDER BY leaseEnd, token LIMIT 1`
const nextByToken = `
  SELECT ${columns} FROM leases WHERE partition = ? AND token > ? AND token < ? ORDER BY token LIMIT 1`
const latest = 'SELECT token FROM leases WHERE partition = ? ORDER BY leaseEnd DESC LIMIT 1'
const firstEnd = 'SELECT min(leaseEnd) AS leaseEnd FROM leases WHERE partition = ?'
const renew = 'UPDATE leases SET leaseEnd = ?, isExtended = 0 WHERE partition = ? AND token = ?'
const extend = 'UPDATE leases SET leaseEnd = ?, isExtended = 1 WHERE partition = ? AND token = ?'
const end = 'DELETE FROM leases WHERE partition = ? AND token = ? AND held <= ?'
const letGo = 'UPDATE leases SET held = held - ? WHERE partition = ? AND token = ?'
/** SQL that reads the jobs of a lease that are still held. */
const held = (columns: string) => `
  SELECT ${columns} FROM jobs
  WHERE seq IN (SELECT value FROM json_each(?)) AND state = ${ACTIVE} AND token = ?`
const heldOf = (columns: string) => `
  SELECT ${columns} FROM jobs WHERE partition = ? AND state = ${ACTIVE} AND token = ? AND seq > ? ORDER BY seq`

/** @param seqs the `seq` of each job, in the order in which the jobs are handed out; at least one */
export function openLease(partition: Partition, token: string, seqs: readonly number[], ms: number): void {
  const { database, id, now } = partition
  database.run(open, id, token, now + ms, now, seqs.length, list(seqs))
}

export function findLease({ database, id }: Partition, token: string): Lease | undefined {
  return database.get<Lease>(find, id, token)
}

/** The leases after a place, in the order in which they end. The code that iterates may remove leases. */
export function* leasesBehind({ database, id }: Partition, leaseEnd = -1, token = ''): Generator<Lease> {
  let place: Pick<Lease, 'leaseEnd' | 'token'> = { leaseEnd, token }
  for (;;) {
    const lease = database.get<Lease>(nextByEnd, id, place.leaseEnd, place.token)
    if (lease === undefined) return
    yield lease
    place = lease
  }
}

/** The leases of a caller. The code that iterates may remove leases. */
export function* leasesOf({ database, id }: Partition, caller: string): Generator<Lease> {
  // The character after `.` is `/`. So all tokens between `<caller>.` and `<caller>/` begin with the caller
  // and a dot.
  for (let token = `${caller}.`; ; ) {
    const lease = database.get<Lease>(nextByToken, id, token, `${caller}/`)
    if (lease === undefined) return
    token = lease.token
    if (holderOf(token) === caller) yield lease
  }
}

/** The jobs of a lease that are still held, in the order in which they were handed out. */
export function heldJobs(partition: Partition, lease: Lease): JobRow[] {
  return heldRows<JobRow>(partition, lease, jobColumns)
}

/**
 * Reads some columns of the jobs of a lease that are still held. @param after only jobs after the job with
 * this `seq` are read
 */
export function heldRows<T extends { seq: number }>(
  { database, id }: Partition,
  { token, seqs }: Lease,
  columns: string,
  after?: number,
): T[] {
  const all = parsed(seqs)
  // The list in the row is damaged, so the jobs are found by a scan of the partition.
  if (!Array.isArray(all)) return database.all<T>(heldOf(columns), id, token, after ?? -1)
  const places = new Map(all.map((seq, index) => [seq, index]))
  const from = all.slice(after === undefined ? 0 : places.get(after)! + 1)
  const rows = database.all<T>(held(columns), list(from), token)
  return rows.sort((a, b) => places.get(a.seq)! - places.get(b.seq)!)
}

export function renewLease({ database, id, now }: Partition, token: string, ms: number): void {
  database.run(renew, now + ms, id, token)
}

/** Prolongs a lease after a silence of the store. @param until the new end of the lease */
export function extendLease({ database, id }: Partition, token: string, until: number): void {
  database.run(extend, until, id, token)
}

/** Notes that `count` jobs of a lease are no longer held. */
export function letGoOf({ database, id }: Partition, token: string, count: number): void {
  if (database.run(end, id, token, count) === 0) database.run(letGo, count, id, token)
}

/** The token of the lease that ends last. The holder of this lease is most likely alive. */
export function latestToken({ database, id }: Partition): string | undefined {
  return database.get<Pick<Lease, 'token'>>(latest, id)?.token
}

/** Milliseconds until the next lease ends; undefined if there is no lease. */
export function nextLeaseEnd({ database, id, now }: Partition): number | undefined {
  const leaseEnd = database.get<{ leaseEnd: number | null }>(firstEnd, id)?.leaseEnd
  return leaseEnd == null ? undefined : Math.max(0, leaseEnd - now)
}
