/**
 * How a transaction is opened with what the application has for that: its Drizzle or Kysely database, its
 * Prisma client, a pool. Like handles (`handle.ts`), it is recognised by what it can do.
 */
import { JobsError } from '../model/errors.ts'
import { formOf, shown } from '../words/secret.ts'
import { type Dialect, dialects } from './dialect.ts'
import { can, type Foreign, type Handle, handleOf } from './handle.ts'

/** For a database client that Lark does not know: how a transaction is opened, and a statement run in it. */
export interface TransactionOpener<Tx = unknown> {
  /** Needed with `execute`. */
  for?: Dialect
  /** Calls a function in a transaction, which commits when its promise resolves, and else is rolled back. */
  transaction(work: (tx: Tx) => Promise<unknown>): Promise<unknown>
  /**
   * Runs a statement in the transaction, and gives the rows of a SELECT. Not needed if Lark knows `tx` as the
   * handle of a transaction.
   *
   * @param sql has `$1`, `$2` for PostgreSQL, and `?` for MySQL and SQLite
   */
  execute?(sql: string, parameters: unknown[], tx: Tx): unknown
}

/** The transaction that a database opens, as its functions get it. */
export type TransactionOf<Db> = Db extends {
  $transaction(work: (tx: infer Tx) => Promise<unknown>, options?: never): unknown
}
  ? Tx
  : Db extends { transaction(): { execute(work: (tx: infer Tx) => Promise<unknown>): unknown } }
    ? Tx
    : Db extends { begin(options: string, work: (tx: infer Tx) => unknown): unknown }
      ? Tx
      : Db extends { getConnection(): Promise<infer Tx> }
        ? Tx
        : Db extends { escapeIdentifier(text: string): string }
          ? Db
          : Db extends { idleCount: number; connect(act: (error: never, client: infer Tx) => void): void }
            ? NonNullable<Tx>
            : Db extends { batch: unknown; transaction(mode?: never): Promise<infer Tx> }
              ? Tx
              : Db extends { prepare(sql: string): unknown }
                ? Db
                : Db extends { transaction(work: (tx: infer Tx) => never, options?: never): unknown }
                  ? Tx
                  : Db

/** Opens transactions. */
export interface Opener {
  /** Whether the transaction has ended when `open` returns its promise. */
  isSync: boolean
  /**
   * Calls a function in a transaction, which commits unless that throws.
   *
   * @param act must not return a promise if `isSync`
   */
  open<T>(act: (tx: unknown, handle: Handle) => T | Promise<T>): Promise<T>
}

/** Of a kind of database. @returns undefined if this is not one @throws STEP_INVALID */
type OpenerShape = (db: Foreign) => Opener | undefined
/** A function that is called in a transaction. */
type Within = (tx: unknown) => Promise<void>

/** @throws STEP_INVALID if a transaction has begun on it already */
export function openerOf(db: unknown): Opener | undefined {
  if ((typeof db === 'object' && db !== null) || typeof db === 'function')
    for (const shape of shapes) {
      const opener = shape(db)
      if (opener !== undefined) return opener
    }
  return undefined
}

export function noOpener(db: unknown): JobsError {
  return new JobsError(
    'STEP_INVALID',
    `stepIn() was given ${formOf(db)} that opens no transaction it knows`,
    {
      hint: `Of a client that Lark does not know: { for: 'postgres', transaction: (work) => …, execute: (sql, parameters, tx) => … }`,
    },
  )
}

const prisma: OpenerShape = (db) => {
  if (!can(db, '$executeRawUnsafe')) return undefined
  if (!can(db, '$connect')) throw hasBegun('the tx of prisma.$transaction()')
  return by((act) => db.$transaction(act))
}

const drizzle: OpenerShape = (db) => {
  if (typeof db.session !== 'object' || typeof db.dialect !== 'object') return undefined
  if (can(db, 'rollback')) throw hasBegun('the tx of a Drizzle transaction')
  if (db.resultKind === 'sync') return atOnce((act) => db.transaction(act, { behavior: 'immediate' }))
  return by((act) => db.transaction(act))
}

const kysely: OpenerShape = (db) => {
  if (!can(db, 'executeQuery', 'getExecutor')) return undefined
  if (db.isTransaction === true) throw hasBegun('the trx of a Kysely transaction')
  return by((act) => db.transaction().execute(act))
}

const postgresJs: OpenerShape = (db) => {
  if (!can(db, 'unsafe', 'json', 'array')) return undefined
  if (can(db, 'savepoint')) throw hasBegun('the sql of sql.begin()')
  return by((act) => db.begin(act))
}

const libsqlClient: OpenerShape = (db) => {
  if (!can(db, 'execute', 'batch', 'executeMultiple')) return undefined
  if (can(db, 'commit')) throw hasBegun('a transaction of libsql')
  return by(async (act) => {
    const tx = await db.transaction('write')
    try {
      await act(tx)
      await tx.commit()
    } finally {
      tx.close()
    }
  })
}

const mysql2: OpenerShape = (db) => {
  if (can(db, 'getConnection')) {
    const pool = can(db, 'promise') ? db.promise() : db
    return by(async (act) => {
      const connection = await pool.getConnection()
      const given = pool === db ? connection : connection.connection
      await between(
        connection,
        () => act(given),
        (isSound) => (isSound ? connection.release() : connection.destroy()),
      )
    })
  }
  if (!can(db, 'execute', 'beginTransaction', 'unprepare')) return undefined
  return alone(db, can(db, 'promise') ? db.promise() : db)
}

const pg: OpenerShape = (db) => {
  if (!can(db, 'query', 'connect') || can(db, 'transaction')) return undefined
  // It knows since 8.21.
  if (can(db, 'escapeIdentifier')) return alone(db, db, () => db.getTransactionStatus?.() === 'T')
  return by(async (act) => {
    const client = await db.connect()
    await between(
      client,
      () => act(client),
      (isSound) => client.release(!isSound),
    )
  })
}

/** better-sqlite3, libsql, and node:sqlite. */
const sqlite: OpenerShape = (db) => {
  if (!can(db, 'prepare', 'exec') || can(db, 'batch')) return undefined
  const isOpen = () => db.inTransaction ?? db.isTransaction
  if (isOpen() === true) throw hasBegun('an SQLite database on which a transaction has begun')
  return atOnce((act) => {
    db.exec('BEGIN IMMEDIATE')
    try {
      act(db)
      db.exec('COMMIT')
    } catch (error) {
      // Some errors have ended it.
      if (isOpen() !== false) db.exec('ROLLBACK')
      throw error
    }
  })
}

const other: OpenerShape = (db) => {
  if (!can(db, 'transaction')) return undefined
  if (!can(db, 'execute')) return by((act) => db.transaction(act))
  if (!dialects.includes(db.for)) {
    const message = `stepIn() was given a database for ${shown(db.for)}; it must be for one of ${dialects.join(', ')}`
    throw new JobsError('STEP_INVALID', message)
  }
  return by(
    (act) => db.transaction(act),
    (tx) =>
      handleOf({
        for: db.for,
        execute: (sql: string, parameters: unknown[]) => db.execute(sql, parameters, tx),
      }),
  )
}

const shapes: readonly OpenerShape[] = [
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

/** @param open opens a transaction, as the client does @param handle of what it gives */
function by(open: (act: Within) => Promise<unknown>, handle: (tx: unknown) => Handle = handleOf): Opener {
  return {
    isSync: false,
    async open<T>(act: (tx: unknown, handle: Handle) => T | Promise<T>): Promise<T> {
      let result!: T
      // The client's own function may return something else.
      await open(async (tx) => {
        result = await act(tx, handle(tx))
      })
      return result
    },
  }
}

/** Of a database that runs statements at once. */
function atOnce(open: (act: (tx: unknown) => void) => void): Opener {
  return {
    isSync: true,
    async open<T>(act: (tx: unknown, handle: Handle) => T | Promise<T>): Promise<T> {
      let result!: T | Promise<T>
      open((tx) => {
        result = act(tx, handleOf(tx))
      })
      return result
    },
  }
}

/** Who waits for a connection that several use. */
const turns = new WeakMap<object, Promise<unknown>>()

/** Of a single connection: one transaction at a time. @param isOpen whether the application has begun one */
function alone(db: Foreign, connection: Foreign, isOpen = () => false): Opener {
  return by((act) => {
    const turn = (turns.get(db) ?? Promise.resolve()).then(() => {
      if (isOpen()) throw hasBegun('a connection with a transaction')
      return between(connection, () => act(db))
    })
    turns.set(
      db,
      turn.catch(() => {}),
    )
    return turn
  })
}

/** Sends BEGIN, and COMMIT or ROLLBACK. @param end is told whether the connection can be used again */
async function between(
  connection: Foreign,
  act: () => Promise<void>,
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

/** @param what it is, for people */
function hasBegun(what: string): JobsError {
  return new JobsError('STEP_INVALID', `stepIn() was given ${what}, which has begun already`, {
    hint: 'The step and its record are one transaction: give it what opens one, and it begins its own.',
  })
}
