/** A database of an application with an outbox (SQLite in memory), with functions for tests. */
import Libsql from 'libsql'
import type { JobsConfig } from '../../src/index.ts'
import { newId } from '../../src/model/id.ts'
import type { NewJob } from '../../src/model/record.ts'
import { type NewRow, rowOfJob } from '../../src/outbox/row.ts'
import { OUTBOX, OutboxTable } from '../../src/outbox/table.ts'

const table = new OutboxTable('sqlite')

export class Application {
  readonly #client = new Libsql(':memory:')
  /** Whether the database throws at each statement. */
  isAway = false

  /** @param isInstalled whether the tables exist */
  constructor(isInstalled = true) {
    if (isInstalled) for (const sql of table.create()) this.#client.exec(sql)
  }

  get outbox(): NonNullable<JobsConfig['outbox']> {
    return { for: 'sqlite', execute: (sql, parameters) => this.run(sql, parameters) }
  }

  run(sql: string, parameters: readonly (string | number | null)[] = []): unknown {
    if (this.isAway) throw new Error('the server is going down')
    const statement = this.#client.prepare(sql)
    if (/^\s*SELECT/.test(sql)) return statement.all(...parameters)
    statement.run(...parameters)
    return []
  }

  /** @returns the ids of the jobs */
  write(...rows: NewRow[]): string[] {
    const { sql, parameters } = table.insert(rows)
    this.run(sql, parameters)
    return rows.map(({ id }) => id)
  }

  /** Writes removed rows again, as if a relay had died before it removed them. */
  restore(rows: readonly Readonly<Record<string, unknown>>[]): void {
    for (const { id, queue, form, kind, body } of rows) this.write({ id, queue, form, kind, body } as NewRow)
  }

  get rows(): Record<string, unknown>[] {
    return this.run(`SELECT * FROM ${OUTBOX} ORDER BY place`) as Record<string, unknown>[]
  }
}

/** Makes the row of a job with the key `mail`. */
export function mail(n: number, fields: Partial<NewJob> = {}, queue = 'emails'): NewRow {
  return rowOfJob(queue, { id: newId(), key: 'mail', payload: JSON.stringify({ n }), ...fields })
}
