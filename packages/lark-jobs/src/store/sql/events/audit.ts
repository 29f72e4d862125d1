/**
 * The audit in SQLite (`contract/audit.ts`): one row of `audit` for each entry.
 */
import type { Audit, AuditBounds, AuditRecord, AuditRecords } from '../../contract/store.ts'
import { MAX_ITEMS } from '../../contract/store.ts'
import type { Database } from '../database.ts'

const write = `
  INSERT INTO audit (id, at, writtenAt, text) VALUES (?1, ?2, ?2, ?3)
  ON CONFLICT (id) DO UPDATE SET writtenAt = ?2, text = ?3`
const forgetOld = `
  DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at <= ? ORDER BY at LIMIT ${MAX_ITEMS})`
const forgetMore = `
  DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY at DESC, id DESC LIMIT ${MAX_ITEMS} OFFSET ?)`
const list = `
  SELECT id, at, writtenAt, text FROM audit WHERE (at, id) < (?, ?) ORDER BY at DESC, id DESC LIMIT ?`

export class SqliteAudit implements Audit {
  readonly #database: () => Database

  constructor(database: () => Database) {
    this.#database = database
  }

  async write(id: string, text: string, { count, age }: AuditBounds): Promise<void> {
    const database = this.#database()
    await database.accept(() => {
      const now = database.now()
      database.run(write, id, now, text)
      database.run(forgetOld, now - age)
      database.run(forgetMore, count)
    })
  }

  async list(limit: number, before?: Pick<AuditRecord, 'id' | 'at'>): Promise<AuditRecords> {
    const database = this.#database()
    const { at, id } = before ?? { at: Number.MAX_SAFE_INTEGER, id: '' }
    return database.read(() => ({
      now: database.now(),
      entries: database.all<AuditRecord>(list, at, id, Math.min(limit, MAX_ITEMS)),
    }))
  }
}
