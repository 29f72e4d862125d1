/**
 * The records of workers, the results of all runs, and every key that a worker ever announced.
 *
 * The row of an ended worker is kept for a while, because of the counts of its runs (`contract/runs.ts`). The
 * row with the id '' has the sum of the runs of all workers whose rows were removed.
 */
import type { BlockingNow } from '../../model/blocked-loop.ts'
import type { AnnouncedWorker, WorkerRecord } from '../../model/record.ts'
import {
  LOST_KEPT,
  type LostWorker,
  MOST_TAKEOVERS,
  type Takeover,
  takeoversIn,
} from '../contract/lost-workers.ts'
import { orderIn, orderText, type WorkerOrder } from '../contract/orders.ts'
import type { AgreedRetentions } from '../contract/rules/retention.ts'
import { parsed } from '../contract/rules/unreadable.ts'
import {
  dueToFold,
  type FleetRuns,
  type KnownRuns,
  MOST_ENDED,
  pastIn,
  pastText,
  runsIn,
} from '../contract/runs.ts'
import type { Database } from './database.ts'
import { keepClasses } from './history/class-history.ts'
import { keepRuns, mustKeepRuns } from './history/run-history.ts'
import { list } from './row.ts'

/**
 * The record of a worker as it is stored. `kept`: the retentions of the worker
 * (`store/contract/rules/retention.ts`). `taken`: the jobs that were taken back from the worker.
 */
type StoredWorker = AnnouncedWorker & { kept?: string; taken?: unknown }

const SUM = ''
const keep = `
  INSERT INTO workers (id, record, until) VALUES (?, ?, ?)
  ON CONFLICT (id) DO UPDATE SET record = excluded.record, until = excluded.until RETURNING ordered`
const give = `
  UPDATE workers SET ordered = ?2 WHERE until > ?3 AND id IN (SELECT value FROM json_each(?1)) RETURNING id`
const keepKey = 'INSERT OR IGNORE INTO keys (key) VALUES (?)'
const hasRuns = `instr(record, '"runs":') > 0`
const end = 'UPDATE workers SET until = min(until, ?) WHERE id = ?'
/**
 * SQL that says whether a worker has died within the last `LOST_KEPT` milliseconds. A worker that reported
 * its stop has not died.
 */
const isLost = `(
  until > ?1 - ${LOST_KEPT} AND until <= ?1
  AND instr(record, '"state":"stopping"') = 0 AND instr(record, '"state":"restarting"') = 0)`
const isKept = `(${hasRuns} OR ${isLost})`
const forgetEnded = `
  DELETE FROM workers WHERE id <> '${SUM}' AND until <= ?1 AND (NOT ${isKept} OR id NOT IN (
    SELECT id FROM workers WHERE id <> '${SUM}' AND until <= ?1 AND ${isKept} ORDER BY until DESC LIMIT ${MOST_ENDED}
  ))`
const lost = `
  SELECT record, until FROM workers WHERE id <> '${SUM}' AND ${isLost} ORDER BY until DESC LIMIT ${MOST_ENDED}`
const recordOf = 'SELECT record FROM workers WHERE id = ?'
const setRecord = 'UPDATE workers SET record = ? WHERE id = ?'
const addBlocking = `
  UPDATE workers SET record = substr(record, 1, length(record) - 1) || ',"blocks":' || ? || '}' WHERE id = ?`
const forget = 'DELETE FROM workers WHERE id IN (SELECT value FROM json_each(?))'
const living = 'SELECT record FROM workers WHERE until > ?'
const keptByLiving = `
  SELECT DISTINCT json_extract(record, '$.kept') AS kept FROM workers WHERE until > ? AND json_valid(record) AND kept IS NOT NULL`
const sum = `SELECT record FROM workers WHERE id = '${SUM}'`
const withRuns = `
  SELECT id, record, until FROM workers WHERE id <> '${SUM}' AND ${hasRuns} ORDER BY until DESC LIMIT 1000`
const everyKey = 'SELECT key FROM keys'

/** @returns the last order that the worker got */
export function announce(
  database: Database,
  worker: AnnouncedWorker,
  ttl: number,
  retentions: AgreedRetentions,
): WorkerOrder | undefined {
  const now = database.now()
  database.run(forgetEnded, now)
  const record = JSON.stringify({ ...worker, kept: retentions.text(worker.queues) } satisfies StoredWorker)
  const kept = database.get<{ ordered: string | null }>(keep, worker.id, record, now + ttl)
  retentions.hear(database.all<{ kept: string }>(keptByLiving, now).map((row) => row.kept))
  for (const key of worker.keys) database.run(keepKey, key)
  if (mustKeepRuns(database)) {
    const found = foldRuns(database)
    keepRuns(database, found)
    keepClasses(database, found)
  }
  return orderIn(kept?.ordered)
}

/** @returns the ids of the workers that are alive */
export function orderWorkers(database: Database, workers: readonly string[], order: WorkerOrder): string[] {
  const rows = database.all<{ id: string }>(give, list(workers), orderText(order), database.now())
  return rows.map(({ id }) => id)
}

export function endWorker(database: Database, id: string): void {
  const now = database.now()
  database.run(end, now, id)
  database.run(forgetEnded, now)
}

export function livingWorkers(database: Database): WorkerRecord[] {
  const records = database.all<{ record: string }>(living, database.now()).map((row) => parsed(row.record))
  return records.flatMap((record) => {
    if (record === undefined) return []
    const { runs: _, kept: _kept, ...worker } = record as StoredWorker
    return worker
  })
}

export function lostWorkers(database: Database): LostWorker[] {
  const rows = database.all<{ record: string; until: number }>(lost, database.now())
  return rows.flatMap(({ record, until }) => {
    const found = parsed(record)
    if (found === undefined) return []
    const { runs: _, kept: _kept, taken, ...worker } = found as StoredWorker
    return { ...worker, endedAt: until, taken: takeoversIn(taken) }
  })
}

/**
 * Notes in the record of a worker which jobs were taken back from the worker. If the worker still lives, its
 * next announcement removes the note.
 */
export function noteTakeover(database: Database, id: string, takeover: Takeover): void {
  const record = parsed(database.get<{ record: string }>(recordOf, id)?.record ?? '')
  if (record === undefined) return
  const taken = [...takeoversIn((record as StoredWorker).taken), takeover].slice(-MOST_TAKEOVERS)
  database.run(setRecord, JSON.stringify({ ...record, taken }), id)
}

/**
 * Notes in the record of a worker that a handler blocks its event loop. The statement inserts the note into
 * the JSON text of the record. (The JSON text is never an empty object.)
 */
export function noteBlocking(database: Database, id: string, blocks: BlockingNow): void {
  database.run(addBlocking, JSON.stringify(blocks), id)
}

export function workerRuns(database: Database): FleetRuns {
  const at = database.now()
  const rows = database.all<{ id: string; record: string; until: number }>(withRuns)
  const workers = rows.flatMap(({ id, record, until }): KnownRuns[] => {
    const runs = runsIn(record)
    return runs === undefined ? [] : [{ id, ...runs, ...(until <= at && { endedAt: until }) }]
  })
  return { at, workers, ...pastIn(database.get<{ record: string }>(sum)?.record) }
}

/**
 * Adds the runs of workers that ended long ago to the sum, and removes their rows. Call this in a transaction
 * that may write.
 *
 * @returns the runs of all workers, as they were before this call
 */
export function foldRuns(database: Database): FleetRuns {
  const found = workerRuns(database)
  const due = dueToFold(found)
  if (due.length === 0) return found
  database.get(keep, SUM, pastText(found, due), 0)
  database.run(forget, list(due.map(({ id }) => id)))
  return found
}

export function allKeys(database: Database): string[] {
  return database.all<{ key: string }>(everyKey).map((row) => row.key)
}
