/**
 * The live workers, and the keys that any worker ever knew.
 */
import type { WorkerRecord } from '../../model/record.ts'
import { parsed } from '../contract/unreadable.ts'
import type { Database } from './database.ts'

const keep = 'INSERT OR REPLACE INTO workers (id, record, until) VALUES (?, ?, ?)'
const keepKey = 'INSERT OR IGNORE INTO keys (key) VALUES (?)'
const forgetDead = 'DELETE FROM workers WHERE until <= ?'
const forget = 'DELETE FROM workers WHERE id = ?'
const living = 'SELECT record FROM workers WHERE until > ?'
const everyKey = 'SELECT key FROM keys'

export function announce(database: Database, worker: WorkerRecord, ttl: number): void {
  const now = database.now()
  database.run(forgetDead, now)
  database.run(keep, worker.id, JSON.stringify(worker), now + ttl)
  for (const key of worker.keys) database.run(keepKey, key)
}

export function forgetWorker(database: Database, id: string): void {
  database.run(forget, id)
}

export function livingWorkers(database: Database): WorkerRecord[] {
  const records = database.all<{ record: string }>(living, database.now()).map((row) => parsed(row.record))
  return records.filter((record) => record !== undefined) as WorkerRecord[]
}

export function allKeys(database: Database): string[] {
  return database.all<{ key: string }>(everyKey).map((row) => row.key)
}
