/** The database of the application and the store of a run: real servers, or files. */
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Libsql from 'libsql'
import { createPool } from 'mysql2/promise'
import pg from 'pg'
import type { Dialect } from '../../src/outbox/dialect.ts'
import { OUTBOX, OutboxTable } from '../../src/outbox/table.ts'
import type { Columns } from '../outbox/connections.ts'
import { mariadbUrl, postgresUrl, startMariadb, startPostgres, stopDatabase } from '../outbox/databases.ts'
import { type Server, startRedis } from '../redis/server.ts'

/** A server that can be killed and frozen. */
export interface Place extends AsyncDisposable {
  url: string
  /** The server. Absent if the place is a file. */
  server?: Server
}

export interface DatabasePlace extends Place {
  run(sql: string): Promise<Columns[]>
  /**
   * The bytes of the outbox on the disk. For SQLite, the bytes of the free pages that the outbox has left in
   * the file.
   */
  bytes(): Promise<number>
}

const ORDERS: Record<Dialect, string> = {
  postgres: 'CREATE TABLE orders (n bigint PRIMARY KEY, jobs integer NOT NULL, client text NOT NULL)',
  mysql: 'CREATE TABLE orders (n bigint PRIMARY KEY, jobs int NOT NULL, client varchar(40) NOT NULL)',
  sqlite: 'CREATE TABLE orders (n INTEGER PRIMARY KEY, jobs INTEGER NOT NULL, client TEXT NOT NULL)',
}

const opened: Record<Dialect, () => Promise<DatabasePlace>> = {
  async postgres() {
    // After a crash, PostgreSQL no longer knows how many rows are dead, so the automatic vacuum runs more
    // often here.
    const options = ['autovacuum=on', 'autovacuum_naptime=5s', 'shared_buffers=64MB', 'max_wal_size=256MB']
    const server = await startPostgres(options.flatMap((option) => ['-c', option]))
    const url = postgresUrl(server)
    const pool = new pg.Pool({ connectionString: url, max: 2 })
    pool.on('error', () => {})
    const run = async (sql: string): Promise<Columns[]> => (await pool.query(sql)).rows
    return {
      ...{ url, server, run },
      bytes: async () => Number((await run(`SELECT pg_total_relation_size('${OUTBOX}') AS bytes`))[0]!.bytes),
      async [Symbol.asyncDispose]() {
        await pool.end()
        await stopDatabase(server)
      },
    }
  },
  async mysql() {
    // The log is written at each commit, so a killed server has lost nothing.
    const server = await startMariadb(['--innodb-flush-log-at-trx-commit=2', '--innodb-buffer-pool-size=64M'])
    const url = mariadbUrl(server)
    const pool = createPool(url)
    return {
      ...{ url, server },
      run: async (sql) => (await pool.query(sql))[0] as Columns[],
      bytes: async () => (await stat(join(server.folder, 'data/test', `${OUTBOX}.ibd`))).size,
      async [Symbol.asyncDispose]() {
        await pool.end()
        await stopDatabase(server)
      },
    }
  },
  async sqlite() {
    const folder = await mkdtemp(join(tmpdir(), 'lark-transactions-'))
    const url = join(folder, 'app.db')
    const client = new Libsql(url, { timeout: 5_000 })
    client.exec('PRAGMA journal_mode = WAL')
    const run = async (sql: string) => {
      const statement = client.prepare(sql)
      if (/^(SELECT|PRAGMA)/.test(sql)) return statement.all() as Columns[]
      statement.run()
      return []
    }
    const pragma = async (name: string) => Number(Object.values((await run(`PRAGMA ${name}`))[0]!)[0])
    return {
      ...{ url, run },
      bytes: async () => (await pragma('freelist_count')) * (await pragma('page_size')),
      async [Symbol.asyncDispose]() {
        client.close()
        await rm(folder, { recursive: true, force: true })
      },
    }
  },
}

/** Makes a database with the tables. */
export async function databasePlace(dialect: Dialect): Promise<DatabasePlace> {
  const place = await opened[dialect]()
  for (const sql of [...new OutboxTable(dialect).create(), ORDERS[dialect]]) await place.run(sql)
  return place
}

export async function storePlace(store: 'redis' | 'sqlite'): Promise<Place> {
  if (store === 'redis') {
    // Redis writes each change to its file before it answers.
    const server = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
    return { url: server.url, server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
  }
  const folder = await mkdtemp(join(tmpdir(), 'lark-transactions-'))
  return {
    url: `sqlite:${join(folder, 'jobs.db')}`,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }),
  }
}

/** Stops a server and the processes that it has started, or lets them go on. */
export function signalAll(server: Server, signal: 'SIGSTOP' | 'SIGCONT'): void {
  server.signal(signal)
  const { pid } = server
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')
  for (const child of children.filter((text) => text.trim() !== ''))
    try {
      process.kill(Number(child), signal)
    } catch {
      // The process has ended meanwhile.
    }
}
