/**
 * The handle of a transaction, with which the application runs its own statements, and the object that opens
 * a transaction.
 */
import type { Dialect } from './dialect.ts'
import type { Columns } from './rows.ts'
import type { OutboxStatement } from './table.ts'

/** Describes a database client that Lark does not know: runs a statement in the transaction. */
export interface TransactionExecutor {
  for: Dialect
  /** @param sql the statement; its parameters are `$1`, `$2` for PostgreSQL, and `?` for MySQL and SQLite */
  execute(sql: string, parameters: unknown[]): unknown
}

/**
 * An object that runs statements in a transaction of the application: the `tx` of Drizzle, Prisma, Kysely or
 * postgres.js; a client of `pg`, a connection of `mysql2`, or an SQLite database on which a transaction has
 * begun; or a `TransactionExecutor`.
 */
export type TransactionHandle = object | TransactionExecutor

export interface Handle {
  /** The name of the database client, for people. */
  name: string
  dialect: Dialect
  /** Whether the client is synchronous: it has run a statement when its method returns. */
  isSync: boolean
  execute(statement: OutboxStatement): unknown
  /** Returns the rows of a SELECT, as a promise unless `isSync`. */
  select(statement: OutboxStatement): readonly Columns[] | Promise<readonly Columns[]>
}

/** Describes a database client that Lark does not know: opens a transaction, and runs a statement in it. */
export interface TransactionOpener<Tx = unknown> {
  /** The dialect of the database. Needed with `execute`. */
  for?: Dialect
  /**
   * Calls a function in a transaction. The transaction commits when the promise of the function resolves, and
   * is rolled back when that promise rejects.
   */
  transaction(work: (tx: Tx) => Promise<unknown>): Promise<unknown>
  /**
   * Runs a statement in the transaction, and returns the rows of a SELECT. This function is not needed if
   * `tx` is a handle that Lark knows.
   *
   * @param sql the statement; its parameters are `$1`, `$2` for PostgreSQL, and `?` for MySQL and SQLite
   */
  execute?(sql: string, parameters: unknown[], tx: Tx): unknown
}

/** The type of the transaction that a database passes to a function. */
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

/** Opens transactions of one database. */
export interface Opener {
  /** Whether the transaction has ended when `open` returns its promise. */
  isSync: boolean
  /**
   * Calls a function in a transaction. The transaction commits unless the function throws.
   *
   * @param act the function. If `isSync`, it must not return a promise
   */
  open<T>(act: (tx: unknown, handle: Handle) => T | Promise<T>): Promise<T>
}
