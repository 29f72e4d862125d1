/**
 * The database clients with which a dispatch can be part of a transaction, each as an application uses the
 * client. All clients share the servers of `databases.ts`.
 */

import { createClient } from '@libsql/client'
import { PrismaPg } from '@prisma/adapter-pg'
import { BetterSQLiteSession, BetterSQLiteTransaction } from 'drizzle-orm/better-sqlite3/session'
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql'
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2'
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres'
import { drizzle as drizzlePostgresJs } from 'drizzle-orm/postgres-js'
import { BaseSQLiteDatabase, SQLiteSyncDialect } from 'drizzle-orm/sqlite-core'
import {
  CamelCasePlugin,
  CompiledQuery,
  Kysely,
  MysqlDialect,
  ParseJSONResultsPlugin,
  PostgresDialect,
} from 'kysely'
import Libsql from 'libsql'
import mysql from 'mysql2'
import mysqlPromise from 'mysql2/promise'
import pg from 'pg'
import postgres from 'postgres'
import type { Dialect } from '../../src/outbox/dialect.ts'
import type { OutboxExecute } from '../../src/outbox/outbox-database.ts'
import { prismaClient } from './prisma.ts'

export interface Client {
  /** Runs a function in a transaction. The transaction commits, unless the function throws. */
  transaction(act: (tx: object) => Promise<unknown>): Promise<unknown>
  /** An object that is not a transaction, but opens transactions unless the client has an `opener`. */
  outside: object
  opener?: object
  /** True if Lark cannot find out whether an object of this client is in a transaction. */
  isBlind?: true
  /** `jobs.outbox.execute`, as `docs/outbox.md` shows it. */
  execute?: OutboxExecute
  close(): unknown
}

export interface ClientKind {
  name: string
  dialect: Dialect
  /** @param url the URL of the database; for SQLite, the path of the database file */
  open(url: string): Client | Promise<Client>
}

/** How many milliseconds a client of SQLite waits for the transaction of another process. */
const BUSY = 5_000

/** Calls a function between BEGIN and COMMIT, or ROLLBACK if it throws. */
async function between(run: (sql: string) => unknown, act: () => Promise<unknown>): Promise<unknown> {
  await run('BEGIN')
  try {
    const result = await act()
    await run('COMMIT')
    return result
  } catch (error) {
    await run('ROLLBACK')
    throw error
  }
}

const clients: ClientKind[] = [
  {
    name: 'pg',
    dialect: 'postgres',
    open(url) {
      const pool = new pg.Pool({ connectionString: url, max: 2 })
      return {
        async transaction(act) {
          const client = await pool.connect()
          return between(
            (sql) => client.query(sql),
            () => act(client),
          ).finally(() => client.release())
        },
        outside: pool,
        execute: (statement, parameters) => pool.query(statement, [...parameters]),
        close: () => pool.end(),
      }
    },
  },
  {
    name: 'postgres.js',
    dialect: 'postgres',
    open(url) {
      const sql = postgres(url, { max: 2 })
      return {
        transaction: (act) => sql.begin(act as never),
        outside: sql,
        execute: (statement, parameters) => sql.unsafe(statement, [...parameters]),
        close: () => sql.end(),
      }
    },
  },
  {
    name: 'Drizzle on pg',
    dialect: 'postgres',
    open(url) {
      const pool = new pg.Pool({ connectionString: url, max: 2 })
      const db = drizzlePg(pool)
      return { transaction: (act) => db.transaction(act), outside: db, close: () => pool.end() }
    },
  },
  {
    name: 'Drizzle on postgres.js',
    dialect: 'postgres',
    open(url) {
      const sql = postgres(url, { max: 2 })
      const db = drizzlePostgresJs(sql)
      return { transaction: (act) => db.transaction(act), outside: db, close: () => sql.end() }
    },
  },
  {
    name: 'Prisma',
    dialect: 'postgres',
    async open(url) {
      const prisma = await prismaClient(new PrismaPg({ connectionString: url }))
      return {
        transaction: (act) => prisma.$transaction(act),
        outside: prisma,
        execute: (statement, parameters) => prisma.$queryRawUnsafe(statement, ...parameters),
        close: () => prisma.$disconnect(),
      }
    },
  },
  {
    name: 'Kysely on pg',
    dialect: 'postgres',
    open(url) {
      const db = new Kysely({
        dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url, max: 2 }) }),
        // These plugins change the results of the application's statements, and must not change those of the
        // outbox.
        plugins: [new CamelCasePlugin(), new ParseJSONResultsPlugin()],
      })
      return {
        transaction: (act) => db.transaction().execute(act),
        outside: db,
        execute: (statement, parameters) =>
          db.withoutPlugins().executeQuery(CompiledQuery.raw(statement, [...parameters])),
        close: () => db.destroy(),
      }
    },
  },
  {
    name: 'mysql2',
    dialect: 'mysql',
    async open(url) {
      const pool = mysqlPromise.createPool(url)
      return {
        async transaction(act) {
          const connection = await pool.getConnection()
          const run = (sql: string) => connection.query(sql)
          return between(run, () => act(connection)).finally(() => connection.release())
        },
        outside: pool,
        isBlind: true,
        execute: (statement, parameters) => pool.query(statement, [...parameters]),
        close: () => pool.end(),
      }
    },
  },
  {
    name: 'mysql2 with callbacks',
    dialect: 'mysql',
    open(url) {
      const connection = mysql.createConnection(url)
      const pool = mysql.createPool(url)
      const run = (sql: string) =>
        new Promise((resolve, reject) =>
          connection.query(sql, (error, rows) => (error ? reject(error) : resolve(rows))),
        )
      return {
        transaction: (act) => between(run, () => act(connection)),
        outside: pool,
        isBlind: true,
        close: async () => {
          connection.destroy()
          await pool.promise().end()
        },
      }
    },
  },
  {
    name: 'Drizzle on mysql2',
    dialect: 'mysql',
    open(url) {
      const pool = mysqlPromise.createPool(url)
      const db = drizzleMysql(pool)
      return { transaction: (act) => db.transaction(act), outside: db, close: () => pool.end() }
    },
  },
  {
    name: 'Kysely on mysql2',
    dialect: 'mysql',
    open(url) {
      const db = new Kysely({ dialect: new MysqlDialect({ pool: mysql.createPool(url) }) })
      return {
        transaction: (act) => db.transaction().execute(act),
        outside: db,
        execute: (statement, parameters) =>
          db.withoutPlugins().executeQuery(CompiledQuery.raw(statement, [...parameters])),
        close: () => db.destroy(),
      }
    },
  },
  {
    // The library has the methods of better-sqlite3.
    name: 'libsql',
    dialect: 'sqlite',
    open(url) {
      const db = new Libsql(url, { timeout: BUSY })
      return {
        transaction: (act) =>
          between(
            (sql) => db.exec(sql),
            () => act(db),
          ),
        outside: db,
        execute(statement, parameters) {
          const prepared = db.prepare(statement)
          return prepared.reader ? prepared.all(...parameters) : prepared.run(...parameters)
        },
        close: () => db.close(),
      }
    },
  },
  {
    name: '@libsql/client',
    dialect: 'sqlite',
    open(url) {
      const client = createClient({ url: `file:${url}`, timeout: BUSY })
      return {
        async transaction(act) {
          const tx = await client.transaction('write')
          try {
            await act(tx)
            await tx.commit()
          } finally {
            tx.close()
          }
        },
        outside: client,
        execute: (statement, parameters) => client.execute({ sql: statement, args: [...parameters] }),
        close: () => client.close(),
      }
    },
  },
  {
    name: 'Drizzle on @libsql/client',
    dialect: 'sqlite',
    open(url) {
      const client = createClient({ url: `file:${url}`, timeout: BUSY })
      const db = drizzleLibsql(client)
      return { transaction: (act) => db.transaction(act), outside: db, close: () => client.close() }
    },
  },
  {
    // Drizzle's classes for better-sqlite3 run on libsql here, because better-sqlite3 itself has an install
    // script.
    name: 'Drizzle on better-sqlite3',
    dialect: 'sqlite',
    open(url) {
      const db = new Libsql(url, { timeout: BUSY })
      const dialect = new SQLiteSyncDialect()
      const session = new BetterSQLiteSession(db as never, dialect, undefined)
      const tx = new BetterSQLiteTransaction('sync', dialect, session as never, undefined)
      return {
        transaction: (act) =>
          between(
            (sql) => db.exec(sql),
            () => act(tx),
          ),
        outside: new BaseSQLiteDatabase('sync', dialect, session as never, undefined),
        close: () => db.close(),
      }
    },
  },
  {
    name: 'another client',
    dialect: 'postgres',
    open(url) {
      const client = new pg.Client(url)
      const ready = client.connect()
      const execute = (sql: string, parameters: unknown[]) => client.query(sql, parameters)
      return {
        transaction: async (act) => {
          await ready
          return between(
            (sql) => client.query(sql),
            () => act({ for: 'postgres', execute }),
          )
        },
        outside: { execute },
        opener: {
          for: 'postgres',
          transaction: (work: (tx: object) => Promise<unknown>) =>
            between(
              (sql) => client.query(sql),
              () => work(client),
            ),
          execute: (sql: string, parameters: unknown[], tx: pg.Client) => tx.query(sql, parameters),
        },
        close: () => client.end(),
      }
    },
  },
]

/** Node has this module since 22.5. */
const { DatabaseSync } = await import('node:sqlite' as string).catch(() => ({ DatabaseSync: undefined }))
if (DatabaseSync !== undefined)
  clients.push({
    name: 'node:sqlite',
    dialect: 'sqlite',
    open(url) {
      const db = new DatabaseSync(url, { timeout: BUSY })
      return {
        transaction: (act) =>
          between(
            (sql) => db.exec(sql),
            () => act(db),
          ),
        // Since Node 24, this client can tell whether it is in a transaction.
        outside: 'isTransaction' in db ? db : {},
        close: () => db.close(),
      }
    },
  })

export { clients }
