/**
 * Unique jobs. `lock` is the name of a job's lock, and of those with one name, one at most is said to hold it: its `holds`
 * is how often it had been started when it took it, that of the others NULL. It holds it until it has ended, or with
 * `untilStart` until it is started once more.
 *
 * Nobody frees a lock: whoever meets it looks whether that job still holds it, and takes it over if not.
 */
import type { Lock, NewJob } from '../../record.ts'
import { type Enqueued, MAX_ITEMS } from '../store.ts'
import { isMarked } from '../unreadable.ts'
import type { Value } from './driver.ts'
import { move } from './move.ts'
import type { Partition } from './partition.ts'
import { changePayload } from './payload.ts'
import { columns, type Row, stateOf } from './row.ts'
import { COMPLETED, PENDING } from './schema.ts'

const find = `SELECT ${columns} FROM jobs WHERE partition = ? AND lock = ? AND holds IS NOT NULL`
const hold = 'UPDATE jobs SET holds = ? WHERE seq = ?'
const throttled = 'SELECT id FROM throttles WHERE partition = ? AND lock = ? AND until > ?'
const throttle = `
  INSERT INTO throttles (partition, lock, until, id) VALUES (?, ?, ?, ?)
  ON CONFLICT DO UPDATE SET until = excluded.until, id = excluded.id`
const forget = `
  DELETE FROM throttles WHERE partition = ?1 AND lock IN (
    SELECT lock FROM throttles WHERE partition = ?1 AND until <= ?2 ORDER BY until LIMIT ${MAX_ITEMS}
  )`

/** What becomes of a job that comes with a lock; undefined when it is to be queued, and to hold it. */
export function meet(partition: Partition, job: NewJob, lock: Lock): Enqueued | undefined {
  const { database, id, now } = partition
  if (lock.throttle !== undefined) {
    const last = database.get<Pick<Row, 'id'>>(throttled, id, lock.name, now)
    if (last !== undefined) return { kind: 'rejected', reason: 'throttled', by: last.id }
  }
  const other = takeOver(partition, lock.name)
  if (other === undefined) {
    if (lock.throttle !== undefined) database.run(throttle, id, lock.name, now + lock.throttle, job.id)
    return undefined
  }
  // What is of another format has its payload written otherwise.
  const mayReplace = lock.replace && other.state === PENDING && !isMarked(other.options)
  if (!mayReplace) return { kind: 'rejected', reason: 'unique', by: other.id }
  changePayload(database, other, job.payload)
  if (lock.debounce !== undefined && stateOf(other, now) === 'delayed') putOff(partition, other, lock)
  return { kind: 'replaced', by: other.id }
}

/** Of a job that comes with a lock, or without: `lock`, `untilStart`, `holds` and `direct`. */
export function lockValues(lock: Lock | undefined): Value[] {
  if (lock === undefined) return [null, null, null, 0]
  const untilStart = Number(lock.until === 'start')
  return [lock.name, untilStart, 0, untilStart]
}

/** Makes a lock free for the next, unless its job still holds it. @returns that job */
function takeOver({ database, id }: Partition, name: string): Row | undefined {
  const row = database.get<Row>(find, id, name)
  if (row === undefined || isHeld(row)) return row
  database.run(hold, null, row.seq)
  return undefined
}

function isHeld({ state, untilStart, holds, runs }: Row): boolean {
  return untilStart === 1 ? state === PENDING && runs === holds : state < COMPLETED
}

function putOff(
  partition: Partition,
  row: Row,
  { debounce = 0, maxWait = Number.POSITIVE_INFINITY }: Lock,
): void {
  const { now } = partition
  const dueAt = Math.max(now, Math.min(now + debounce, row.queuedAt + maxWait))
  move(partition, row, { state: PENDING, dueAt })
}

/** A job that has ended and is put back takes its lock again. @returns false when another holds that */
export function takeAgain(partition: Partition, row: Row): boolean {
  if (row.lock === null) return true
  if (takeOver(partition, row.lock) !== undefined) return false
  partition.database.run(hold, row.runs, row.seq)
  return true
}

/** Throttles that are over: a bounded number of them. */
export function forgetThrottles({ database, id, now }: Partition): void {
  database.run(forget, id, now)
}
