/** A connection to each kind of database, with which tests read the table of the outbox. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Libsql from 'libsql'
import { createConnection } from 'mysql2/promise'
import pg from 'pg'
import type { Dialect } from '../../src/outbox/dialect.ts'
import { decode, type OutboxRow } from '../../src/outbox/row.ts'
import { OUTBOX, OUTBOX_STEPS, type OutboxStatement, OutboxTable } from '../../src/outbox/table.ts'
import type { Server } from '../redis/server.ts'
import { mariadbUrl, postgresUrl, startMariadb, startPostgres, stopDatabase } from './databases.ts'

export type Columns = Record<string, unknown>

export interface Database extends AsyncDisposable {
  table: OutboxTable
  /** The URL for clients; for SQLite, the path of the file. */
  url: string
  /** The server of the database. Absent for SQLite. */
  server?: Server
  execute(statement: OutboxStatement): Promise<Columns[]>
  /** The committed rows. */
  rows(): Promise<OutboxRow[]>
  /** Makes new, empty tables. */
  reset(): Promise<void>
  drop(): Promise<void>
}

type Opened = Pick<Database, 'url' | 'server' | 'execute'> & { close(): Promise<unknown> }

const open: Record<Dialect, () => Promise<Opened>> = {
  async postgres() {
    const server = await startPostgres()
    const url = postgresUrl(server)
    const client = new pg.Client(url)
    client.on('error', () => {})
    await client.connect()
    return {
      ...{ url, server },
      execute: async ({ sql, parameters }) => (await client.query(sql, [...parameters])).rows,
      close: async () => {
        await client.end()
        await stopDatabase(server)
      },
    }
  },
  async mysql() {
    const server = await startMariadb()
    const url = mariadbUrl(server)
    const client = await createConnection(url)
    return {
      url,
      execute: async ({ sql, parameters }) => (await client.query(sql, [...parameters]))[0] as Columns[],
      close: async () => {
        await client.end()
        await stopDatabase(server)
      },
    }
  },
  async sqlite() {
    const folder = await mkdtemp(join(tmpdir(), 'lark-outbox-'))
    const url = join(folder, 'app.db')
    const client = new Libsql(url)
    client.exec('PRAGMA journal_mode = WAL')
    return {
      url,
      async execute({ sql, parameters }) {
        const statement = client.prepare(sql)
        if (/^\s*SELECT/.test(sql)) return statement.all(...parameters) as Columns[]
        statement.run(...parameters)
        return []
      },
      close: async () => {
        client.close()
        await rm(folder, { recursive: true })
      },
    }
  },
}

export async function databaseOf(dialect: Dialect): Promise<Database> {
  const { url, server, execute, close } = await open[dialect]()
  const table = new OutboxTable(dialect)
  const all = async (...texts: string[]) => {
    for (const sql of texts) await execute({ sql, parameters: [] })
  }
  const drop = () => all(`DROP TABLE IF EXISTS ${OUTBOX}`, `DROP TABLE IF EXISTS ${OUTBOX_STEPS}`)
  return {
    ...{ table, url, ...(server && { server }) },
    execute,
    rows: async () => (await execute(table.take())).map(decode),
    reset: async () => {
      await drop()
      await all(...table.create())
    },
    drop,
    [Symbol.asyncDispose]: async () => void (await close()),
  }
}
