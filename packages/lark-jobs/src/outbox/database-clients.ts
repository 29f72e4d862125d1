/**
 * The database clients that Lark knows: how a statement runs in a transaction of each client, and how each
 * client opens a transaction. A client is recognised by its methods and fields, never by an import, because
 * no database client is a dependency of Lark. A dispatch refuses a handle that cannot be in a transaction,
 * such as a pool, because the row would be committed on its own. A step refuses a handle on which a
 * transaction has already begun.
 */
import { JobsError } from '../model/errors.ts'
import { next } from '../waiting/next.ts'
import { formOf, shown } from '../words/secret.ts'
import { type Dialect, dialects } from './dialect.ts'
import { rowsOf } from './rows.ts'
import type { OutboxStatement } from './table.ts'
import type { Handle, Opener } from './transaction.ts'

// biome-ignore lint/suspicious/noExplicitAny: the objects of other packages; each use is checked first
type Foreign = any

interface Client {
  name: string
  /**
   * The words for an object of this client that is in a transaction (`inside`), and for an object that is not
   * (`outside`).
   */
  inside: string
  outside: string
  is(value: Foreign): boolean
  /** Whether a value of this client is in a transaction. Undefined if the client does not say. */
  isOpen(value: Foreign): boolean | undefined
  /** Makes the handle with which statements are run. @throws OUTBOX_HANDLE_UNKNOWN */
  handle(tx: Foreign): Omit<Handle, 'name'>
  /** Calls a function in a transaction, and rolls the transaction back if the function throws. */
  open(db: Foreign, act: (tx: unknown) => void | Promise<void>): unknown
  /**
   * Whether the client runs statements synchronously, and `open` calls its function before it returns.
   * Default: no.
   */
  isSync?(db: Foreign): boolean
}

const providers: Record<string, Dialect> = {
  postgresql: 'postgres',
  cockroachdb: 'postgres',
  mysql: 'mysql',
  sqlite: 'sqlite',
}

const prisma: Client = {
  name: 'Prisma',
  inside: 'the tx of prisma.$transaction(async (tx) => …)',
  outside: 'a Prisma client',
  is: (value) => can(value, '$executeRawUnsafe'),
  // The client of a transaction has no $connect. (`$transaction` is no criterion: since Prisma 7, the client
  // of a transaction has it, too.)
  isOpen: (value) => !can(value, '$connect'),
  handle(tx) {
    const dialect = providers[tx._activeProvider]
    if (dialect === undefined) throw unknown(`Prisma uses ${shown(tx._activeProvider)}, which has no outbox`)
    return {
      ...asynchronous(dialect, ({ sql, parameters }) => tx.$executeRawUnsafe(sql, ...parameters)),
      select: ({ sql, parameters }) => tx.$queryRawUnsafe(sql, ...parameters),
    }
  },
  open: (db, act) => db.$transaction(act),
}

/** Drizzle wraps another client of this list, which is a property of its session. */
const drizzle: Client = {
  name: 'Drizzle',
  inside: 'the tx of db.transaction(async (tx) => …)',
  outside: 'a Drizzle database',
  is: ({ session, dialect }) => typeof session === 'object' && typeof dialect === 'object',
  isOpen: (value) => can(value, 'rollback'),
  handle: ({ session }) => handleOf(session.tx ?? session.client),
  open: (db, act) => db.transaction(act, drizzle.isSync!(db) ? { behavior: 'immediate' } : undefined),
  isSync: ({ resultKind }) => resultKind === 'sync',
}

const kysely: Client = {
  name: 'Kysely',
  inside: 'the trx of db.transaction().execute(async (trx) => …)',
  outside: 'a Kysely database',
  is: (value) => can(value, 'executeQuery', 'getExecutor', 'withoutPlugins'),
  isOpen: ({ isTransaction }) => isTransaction === true,
  handle(tx) {
    const { supportsReturning, supportsTransactionalDdl } = tx.getExecutor().adapter
    const dialect = supportsTransactionalDdl ? 'postgres' : supportsReturning ? 'sqlite' : 'mysql'
    // A plugin of the application may change the rows, for example parse the JSON in them.
    const plain = tx.withoutPlugins()
    return asynchronous(dialect, ({ sql, parameters }) =>
      plain.executeQuery({
        sql,
        parameters,
        query: { kind: 'RawNode', sqlFragments: [sql], parameters: [] },
        queryId: { queryId: '' },
      }),
    )
  },
  open: (db, act) => db.transaction().execute(act),
}

const postgresJs: Client = {
  name: 'postgres.js',
  inside: 'the sql of sql.begin(async (sql) => …)',
  outside: 'postgres.js outside of a transaction',
  is: (value) => can(value, 'unsafe', 'json', 'array'),
  isOpen: (value) => can(value, 'savepoint'),
  handle: (tx) => asynchronous('postgres', ({ sql, parameters }) => tx.unsafe(sql, parameters)),
  open: (db, act) => db.begin(act),
}

const libsqlClient: Client = {
  name: 'libsql',
  inside: "what client.transaction('write') returned",
  outside: 'a client of libsql',
  is: (value) => can(value, 'execute', 'batch', 'executeMultiple'),
  isOpen: (value) => can(value, 'commit'),
  handle: (tx) => asynchronous('sqlite', ({ sql, parameters }) => tx.execute({ sql, args: parameters })),
  async open(db, act) {
    const tx = await db.transaction('write')
    try {
      await act(tx)
      await tx.commit()
    } finally {
      tx.close()
    }
  },
}

const mysql2: Client = {
  name: 'mysql2',
  inside: 'the connection on which the transaction has begun',
  outside: 'a pool of mysql2',
  // The EntityManager of MikroORM also has getConnection().
  is: (value) =>
    can(value, 'getConnection', 'query') || can(value, 'execute', 'beginTransaction', 'unprepare'),
  isOpen: (value) => (can(value, 'getConnection') ? false : undefined),
  handle(tx) {
    const connection = can(tx, 'promise') ? tx.promise() : tx
    return asynchronous('mysql', async ({ sql, parameters }) => {
      const answer = await connection.execute(sql, parameters)
      // The text of the statement depends on the number of rows, so it is not kept as a prepared statement: a
      // server keeps only a few of these.
      if (parameters.length > 3) connection.unprepare(sql)
      return answer
    })
  },
  async open(db, act) {
    const own = can(db, 'promise') ? db.promise() : db
    if (!can(db, 'getConnection')) return inTurn(db, () => between(own, () => act(db)))
    const connection = await own.getConnection()
    const given = own === db ? connection : connection.connection
    await between(
      connection,
      () => act(given),
      (isSound) => (isSound ? connection.release() : connection.destroy()),
    )
  },
}

const pg: Client = {
  name: 'pg',
  inside: 'the client on which BEGIN was sent',
  outside: 'a pool of pg, or a client outside of a transaction',
  // The DataSource and the QueryRunner of TypeORM also have these two methods, but are not pools.
  is: (value) =>
    can(value, 'query', 'connect') && !can(value, 'transaction') && !can(value, 'startTransaction'),
  isOpen(value) {
    if (!can(value, 'escapeIdentifier')) return false
    // `pg` knows the state of the transaction from version 8.21 on, after it has the answers to all earlier
    // statements.
    return value.readyForQuery === true && value.getTransactionStatus?.() === 'I' ? false : undefined
  },
  handle: (tx) => asynchronous('postgres', ({ sql, parameters }) => tx.query(sql, parameters)),
  async open(db, act) {
    if (can(db, 'escapeIdentifier'))
      return inTurn(db, () => {
        if (db.getTransactionStatus?.() === 'T') throw hasBegun(pg)
        return between(db, () => act(db))
      })
    const client = await db.connect()
    await between(
      client,
      () => act(client),
      (isSound) => client.release(!isSound),
    )
  },
}

/** better-sqlite3, libsql, and node:sqlite. */
const sqlite: Client = {
  name: 'SQLite',
  inside: 'the database after BEGIN, or in db.transaction()',
  outside: 'an SQLite database outside of a transaction',
  is: (value) => can(value, 'prepare', 'exec') && !can(value, 'batch'),
  isOpen: ({ inTransaction, isTransaction }) => inTransaction ?? isTransaction,
  handle: (tx) => ({
    dialect: 'sqlite',
    isSync: true,
    execute: ({ sql, parameters }) => tx.prepare(sql).run(...parameters),
    select: ({ sql, parameters }) => tx.prepare(sql).all(...parameters),
  }),
  open(db, act) {
    db.exec('BEGIN IMMEDIATE')
    try {
      act(db)
      db.exec('COMMIT')
    } catch (error) {
      // Some errors end the transaction, so there may be nothing to roll back.
      if (sqlite.isOpen(db) !== false) db.exec('ROLLBACK')
      throw error
    }
  },
  isSync: () => true,
}

/** Any other client, which the application describes by a `TransactionExecutor` or a `TransactionOpener`. */
const other: Client = {
  name: 'tx.execute()',
  inside: 'the handle of a transaction',
  outside: 'what opens a transaction',
  is: (value) => can(value, 'transaction') || (can(value, 'execute') && typeof value.for === 'string'),
  isOpen: (value) => (!can(value, 'transaction') ? true : dialects.includes(value.for) ? false : undefined),
  handle(tx) {
    if (!can(tx, 'execute')) throw noHandle(tx)
    if (!dialects.includes(tx.for))
      throw unknown(`tx.for is ${shown(tx.for)}; it must be one of ${dialects.join(', ')}`)
    return asynchronous(tx.for, ({ sql, parameters }) => tx.execute(sql, parameters))
  },
  open: (db, act) => db.transaction(act),
}

const clients: readonly Client[] = [
  prisma,
  drizzle,
  kysely,
  postgresJs,
  libsqlClient,
  mysql2,
  pg,
  sqlite,
  other,
]

function clientOf(value: unknown): Client | undefined {
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return isObject ? clients.find(({ is }) => is(value)) : undefined
}

/** @throws OUTBOX_NO_TRANSACTION, OUTBOX_HANDLE_UNKNOWN */
export function handleOf(tx: unknown): Handle {
  const client = clientOf(tx)
  if (client === undefined) throw noHandle(tx)
  if (client.isOpen(tx) === false)
    throw new JobsError(
      'OUTBOX_NO_TRANSACTION',
      `tx is ${client.outside}; the job would not belong to a transaction`,
      { hint: `Nothing was written. Pass ${client.inside} as tx.` },
    )
  return { ...client.handle(tx), name: client.name }
}

/**
 * @returns undefined if Lark does not know this database client
 * @throws STEP_INVALID if a transaction has already begun on it
 */
export function openerOf(db: Foreign): Opener | undefined {
  const client = clientOf(db)
  if (client === undefined) return undefined
  if (client.isOpen(db) === true) throw hasBegun(client)
  const isSync = client.isSync?.(db) === true
  const handleIn = client === other ? handleOfOther(db) : handleOf
  return {
    isSync,
    async open<T>(act: (tx: unknown, handle: Handle) => T | Promise<T>): Promise<T> {
      let result!: T
      // The result is kept in a variable, because the `transaction()` of a client may not return the value of
      // its function.
      const within = (tx: unknown) =>
        next(act(tx, handleIn(tx)), (given) => {
          result = given
        })
      await client.open(db, isSync ? within : async (tx) => within(tx))
      return result
    },
  }
}

/** @throws STEP_INVALID */
function handleOfOther(db: Foreign): (tx: unknown) => Handle {
  if (!can(db, 'execute')) return handleOf
  if (!dialects.includes(db.for)) {
    const message = `stepIn() was given a database for ${shown(db.for)}; it must be for one of ${dialects.join(', ')}`
    throw new JobsError('STEP_INVALID', message)
  }
  return (tx) => {
    const execute = (sql: string, parameters: unknown[]) => db.execute(sql, parameters, tx)
    return handleOf({ for: db.for, execute })
  }
}

export function noOpener(db: unknown): JobsError {
  return new JobsError(
    'STEP_INVALID',
    `stepIn() was given ${formOf(db)} with which it cannot open a transaction`,
    {
      hint: `For a client that Lark does not know, give it { for: 'postgres', transaction: (work) => …, execute: (sql, parameters, tx) => … }`,
    },
  )
}

function asynchronous(
  dialect: Dialect,
  execute: (statement: OutboxStatement) => unknown,
): Omit<Handle, 'name'> {
  const select = async (statement: OutboxStatement) => rowsOf(await execute(statement))
  return { dialect, isSync: false, execute, select }
}

/** Whether a value has these methods. */
function can(value: Foreign, ...methods: string[]): boolean {
  return methods.every((method) => typeof value[method] === 'function')
}

/** For each shared connection, the promise of the last caller that waits for its turn. */
const turns = new WeakMap<object, Promise<unknown>>()

/** Runs one transaction at a time on a connection. */
function inTurn(connection: object, act: () => Promise<void>): Promise<void> {
  const turn = (turns.get(connection) ?? Promise.resolve()).then(act)
  turns.set(
    connection,
    turn.catch(() => {}),
  )
  return turn
}

/**
 * Sends BEGIN, and COMMIT or ROLLBACK.
 *
 * @param end is called after the transaction. Its argument says whether the connection can be used again
 */
async function between(
  connection: Foreign,
  act: () => void | Promise<void>,
  end: (isSound: boolean) => void = () => {},
): Promise<void> {
  let isSound = true
  try {
    await connection.query('BEGIN')
    await act()
    await connection.query('COMMIT')
  } catch (error) {
    await connection.query('ROLLBACK').catch(() => {
      isSound = false
    })
    throw error
  } finally {
    end(isSound)
  }
}

function noHandle(tx: unknown): JobsError {
  return unknown(`tx is ${formOf(tx)} that is not the handle of a transaction`)
}

function unknown(message: string): JobsError {
  return new JobsError('OUTBOX_HANDLE_UNKNOWN', message, {
    hint: `For a database client that Lark does not know: { tx: { for: 'postgres', execute: (sql, parameters) => … } }`,
  })
}

function hasBegun({ inside }: Client): JobsError {
  return new JobsError('STEP_INVALID', `stepIn() was given ${inside}; that transaction has begun already`, {
    hint: 'stepIn() begins a transaction for the step and its record. Give it the object that opens transactions.',
  })
}
