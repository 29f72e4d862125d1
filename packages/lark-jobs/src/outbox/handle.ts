/**
 * The handle of a transaction, with which the application runs its own statements, and the object that opens
 * a transaction.
 */
import type { Dialect } from './dialect.ts'
import type { Columns } from './rows.ts'
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
