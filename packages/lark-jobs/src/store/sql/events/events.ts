/**
 * Events in SQLite (`contract/events.ts`). The table `events` has a row for each entry, numbered from 1 on.
 * The table `listeners` has a row for each listener that the next change rings. The column `listened` of a
 * partition says until when the partition writes events. After this time, the next change or `prune` removes
 * all rows of the partition.
 */
import type { EventKind, PUBLISHED } from '../../../model/event.ts'
import {
  EVENTS_KEPT,
  EVENTS_PAGE,
  entryText,
  type Heard,
  inEntries,
  numberAt,
  readHeard,
} from '../../contract/store.ts'
import type { Partition } from '../partition.ts'
import { notify } from './waiters.ts'

/**
 * The oldest entries are removed once for this many new entries. To remove one entry for each new entry would
 * take another statement each time.
 */
const TRIMMED = EVENTS_KEPT / 10

const latest = 'SELECT number, entry FROM events WHERE partition = ? ORDER BY number DESC LIMIT 1'
const from = `SELECT number, entry FROM events WHERE partition = ? AND number >= ? ORDER BY number LIMIT ${EVENTS_PAGE + 1}`
const insert = 'INSERT INTO events (partition, number, entry) VALUES (?, ?, ?)'
const trim = 'DELETE FROM events WHERE partition = ? AND number <= ?'
const clear = 'DELETE FROM events WHERE partition = ?'
const isThere = 'SELECT 1 FROM listeners WHERE partition = ? AND listener = ?'
const join = 'INSERT OR IGNORE INTO listeners (partition, listener) VALUES (?, ?)'
const leaveAll = 'DELETE FROM listeners WHERE partition = ? RETURNING listener'
const renew = 'UPDATE partitions SET listened = ? WHERE id = ?'
/**
 * SQL for a row of `partitions`: whether the partition has events that `forgetEvents` would remove at the
 * instant `now`.
 */
export const olderEvents = (now: string) => `listened <= ${now}`

interface EventRow {
  number: number
  entry: string
}

/** Adds events that `writeEvents` will write at the end of this transaction. */
export function tell(partition: Partition, kind: EventKind | typeof PUBLISHED, ids: readonly string[]): void {
  if (partition.listened === undefined || ids.length === 0) return
  const last = partition.told.at(-1)
  if (last?.kind === kind) last.ids.push(...ids)
  else partition.told.push({ kind, ids: [...ids] })
}

export function writeEvents(partition: Partition): void {
  const { database, id, now, told } = partition
  if (told.length === 0 || forgetEvents(partition)) return
  let { number } = database.get<EventRow>(latest, id)!
  for (const { kind, ids } of told)
    for (const some of inEntries(ids)) {
      number += 1
      database.run(insert, id, number, entryText(kind, now, some))
      if (number % TRIMMED === 0) database.run(trim, id, number - EVENTS_KEPT)
    }
  for (const { listener } of database.all<{ listener: string }>(leaveAll, id)) notify(partition, listener)
}

/**
 * Reads the events after a position without a write; undefined if a write is necessary, because the listener
 * is not registered or the time must be prolonged.
 */
export function hear(
  partition: Partition,
  listener: string,
  ttl: number,
  position?: string,
): Heard | undefined {
  const { database, id, now, listened = 0 } = partition
  if (listened < now + ttl / 2 || database.get(isThere, id, listener) === undefined) return undefined
  return read(partition, position)
}

export function listen(partition: Partition, listener: string, ttl: number, position?: string): Heard {
  const { database, id, now, listened = 0 } = partition
  if (database.get(latest, id) === undefined) database.run(insert, id, 1, entryText('begun', now, []))
  if (listened < now + ttl / 2) database.run(renew, now + Math.ceil(ttl), id)
  database.run(join, id, listener)
  return read(partition, position)
}

function read({ database, id }: Partition, position?: string): Heard {
  const heard = (rows: EventRow[], position?: string) =>
    rows[0] &&
    readHeard(
      position,
      rows[0].number,
      rows.map(({ entry }) => entry),
    )
  const found = position && heard(database.all<EventRow>(from, id, numberAt(position)), position)
  return found || { ...heard(database.all<EventRow>(latest, id))!, ...(position && { isGap: true }) }
}

/**
 * Removes all events of the partition if the time of the last listener is over. @returns whether events were
 * removed
 */
export function forgetEvents(partition: Partition): boolean {
  const { database, id, now, listened } = partition
  if (listened === undefined || listened > now) return false
  database.run(clear, id)
  database.all(leaveAll, id)
  database.run(renew, null, id)
  return true
}
