/**
 * The handle of a transaction: what the application runs its own statements with. It is recognised by what it
 * can do, never by an import, because no database client is a dependency of Lark. What cannot be in a
 * transaction, such as a pool, is refused: there a row would be committed on its own.
 */
import { JobsError } from '../model/errors.ts'
import { formOf, shown } from '../words/secret.ts'
import { type Dialect, dialects } from './dialect.ts'
import { type Columns, rowsOf } from './rows.ts'
import type { OutboxStatement } from './table.ts'

/** For a database client that Lark does not know: how a statement is run in the transaction. */
export interface TransactionExecutor {
  for: Dialect
  /** @param sql has `$1`, `$2` for PostgreSQL, and `?` for MySQL and SQLite */
  execute(sql: string, parameters: unknown[]): unknown
}

/**
 * What runs statements in a transaction of the application: the `tx` of Drizzle, Prisma, Kysely or
 * postgres.js; a client of `pg`, a connection of `mysql2`, or an SQLite database on which a transaction has
 * begun; or a `TransactionExecutor`.
 */
export type TransactionHandle = object | TransactionExecutor

export interface Handle {
  /** Of the database client, for people. */
  name: string
  dialect: Dialect
  /** Whether it has run a statement when it returns. */
  isSync: boolean
  execute(statement: OutboxStatement): unknown
  /** The rows of a SELECT: a promise of them, unless it runs statements at once. */
  select(statement: OutboxStatement): readonly Columns[] | Promise<readonly Columns[]>
}

// biome-ignore lint/suspicious/noExplicitAny: the objects of other packages, of which each use is checked before
export type Foreign = any
/** Recognises one kind of handle. @returns undefined for any other value @throws OUTBOX_NO_TRANSACTION */
type Shape = (tx: Foreign) => Handle | undefined

/** @throws OUTBOX_NO_TRANSACTION, OUTBOX_HANDLE_UNKNOWN */
export function handleOf(tx: unknown): Handle {
  if ((typeof tx === 'object' && tx !== null) || typeof tx === 'function')
    for (const shape of shapes) {
      const handle = shape(tx)
      if (handle !== undefined) return handle
    }
  throw new JobsError(
    'OUTBOX_HANDLE_UNKNOWN',
    `tx is ${formOf(tx)} that is not the handle of a transaction`,
    {
      hint: `Of a database client that Lark does not know: { tx: { for: 'postgres', execute: (sql, parameters) => … } }`,
    },
  )
}

const executor: Shape = (tx) => {
  if (!can(tx, 'execute') || typeof tx.for !== 'string') return undefined
  if (!dialects.includes(tx.for)) {
    const message = `tx.for is ${shown(tx.for)}; it must be one of ${dialects.join(', ')}`
    throw new JobsError('OUTBOX_HANDLE_UNKNOWN', message)
  }
  return asynchronous('tx.execute()', tx.for, ({ sql, parameters }) => tx.execute(sql, parameters))
}

/** Drizzle has a client of one of the other kinds in its session. */
const drizzle: Shape = (tx) => {
  if (typeof tx.session !== 'object' || typeof tx.dialect !== 'object') return undefined
  if (!can(tx, 'rollback'))
    throw noTransaction('a Drizzle database', 'the tx of db.transaction(async (tx) => …)')
  const handle = handleOf(tx.session.tx ?? tx.session.client)
  return { ...handle, name: 'Drizzle' }
}

const providers: Record<string, Dialect> = {
  postgresql: 'postgres',
  cockroachdb: 'postgres',
  mysql: 'mysql',
  sqlite: 'sqlite',
}

const prisma: Shape = (tx) => {
  if (!can(tx, '$executeRawUnsafe')) return undefined
  // The client of a transaction has no $connect. Since Prisma 7 it has $transaction.
  if (can(tx, '$connect'))
    throw noTransaction('a Prisma client', 'the tx of prisma.$transaction(async (tx) => …)')
  const dialect = providers[tx._activeProvider]
  if (dialect === undefined)
    throw new JobsError(
      'OUTBOX_HANDLE_UNKNOWN',
      `Prisma uses ${shown(tx._activeProvider)}, which has no outbox`,
    )
  return {
    ...asynchronous('Prisma', dialect, ({ sql, parameters }) => tx.$executeRawUnsafe(sql, ...parameters)),
    select: ({ sql, parameters }) => tx.$queryRawUnsafe(sql, ...parameters),
  }
}

const kysely: Shape = (tx) => {
  if (!can(tx, 'executeQuery', 'getExecutor')) return undefined
  if (tx.isTransaction !== true)
    throw noTransaction('a Kysely database', 'the trx of db.transaction().execute(async (trx) => …)')
  const { supportsReturning, supportsTransactionalDdl } = tx.getExecutor().adapter
  const dialect = supportsTransactionalDdl ? 'postgres' : supportsReturning ? 'sqlite' : 'mysql'
  return asynchronous('Kysely', dialect, ({ sql, parameters }) =>
    tx.executeQuery({
      sql,
      parameters,
      query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
      queryId: { queryId: '' },
    }),
  )
}

const postgresJs: Shape = (tx) => {
  if (!can(tx, 'unsafe', 'json', 'array')) return undefined
  if (!can(tx, 'savepoint'))
    throw noTransaction('postgres.js outside of a transaction', 'the sql of sql.begin(async (sql) => …)')
  return asynchronous('postgres.js', 'postgres', ({ sql, parameters }) => tx.unsafe(sql, parameters))
}

const pg: Shape = (tx) => {
  if (!can(tx, 'query', 'connect')) return undefined
  if (!can(tx, 'escapeIdentifier')) throw noTransaction('a pool of pg', 'the client on which BEGIN was sent')
  // It knows since 8.21, once all that was sent before is answered.
  const isIdle = tx.readyForQuery === true && tx.getTransactionStatus?.() === 'I'
  if (isIdle)
    throw noTransaction('a client of pg outside of a transaction', "await client.query('BEGIN') before")
  return asynchronous('pg', 'postgres', ({ sql, parameters }) => tx.query(sql, parameters))
}

const mysql2: Shape = (tx) => {
  if (can(tx, 'getConnection'))
    throw noTransaction('a pool of mysql2', 'the connection on which the transaction has begun')
  if (!can(tx, 'execute', 'beginTransaction', 'unprepare')) return undefined
  const connection = can(tx, 'promise') ? tx.promise() : tx
  return asynchronous('mysql2', 'mysql', async ({ sql, parameters }) => {
    const answer = await connection.execute(sql, parameters)
    // There is a text for each number of rows, and a server keeps few statements.
    if (parameters.length > 3) connection.unprepare(sql)
    return answer
  })
}

const libsqlClient: Shape = (tx) => {
  if (!can(tx, 'execute', 'batch', 'executeMultiple')) return undefined
  if (!can(tx, 'commit'))
    throw noTransaction('a client of libsql', "what client.transaction('write') returned")
  return asynchronous('libsql', 'sqlite', ({ sql, parameters }) => tx.execute({ sql, args: parameters }))
}

/** better-sqlite3, libsql, and node:sqlite. */
const sqlite: Shape = (tx) => {
  if (!can(tx, 'prepare', 'exec') || can(tx, 'batch')) return undefined
  if ((tx.inTransaction ?? tx.isTransaction) === false)
    throw noTransaction(
      'an SQLite database outside of a transaction',
      'it after BEGIN, or in db.transaction()',
    )
  return {
    name: 'SQLite',
    dialect: 'sqlite',
    isSync: true,
    execute: ({ sql, parameters }) => tx.prepare(sql).run(...parameters),
    select: ({ sql, parameters }) => tx.prepare(sql).all(...parameters),
  }
}

const shapes: readonly Shape[] = [
  executor,
  prisma,
  drizzle,
  kysely,
  postgresJs,
  libsqlClient,
  mysql2,
  pg,
  sqlite,
]

function asynchronous(
  name: string,
  dialect: Dialect,
  execute: (statement: OutboxStatement) => unknown,
): Handle {
  const select = async (statement: OutboxStatement) => rowsOf(await execute(statement))
  return { name, dialect, isSync: false, execute, select }
}

/** Whether it has these methods. */
export function can(value: Foreign, ...methods: string[]): boolean {
  return methods.every((method) => typeof value[method] === 'function')
}

/** @param right what to give instead */
function noTransaction(what: string, right: string): JobsError {
  return new JobsError('OUTBOX_NO_TRANSACTION', `tx is ${what}; the job would not belong to a transaction`, {
    hint: `Nothing was written. Give it ${right}.`,
  })
}
