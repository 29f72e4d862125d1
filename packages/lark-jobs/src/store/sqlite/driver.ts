/**
 * The interface through which the embedded store uses an SQLite library. `libsql.ts` and `node-sqlite.ts`
 * implement this interface, and `library.ts` chooses one of the two for the process.
 */

import type { Value } from '../sql/database.ts'

export type Row = Record<string, Value>

export interface Library {
  readonly name: 'libsql' | 'node:sqlite'
  /** @param path the path of the database file, or `:memory:`. A missing file is created */
  open(path: string): Driver
}

/**
 * One connection to a database. The errors that its methods throw carry SQLite's result code, which
 * `failure.ts` reads.
 */
export interface Driver {
  /** Runs one or more statements, and ignores the rows that they return. */
  exec(sql: string): void
  prepare(sql: string): Statement
  /**
   * Rolls back the open transaction, if there is one. (After some failures, such as a full disk, SQLite has
   * rolled back already.)
   */
  rollback(): void
  close(): void
}

export interface Statement {
  /** @returns how many rows the statement changed */
  run(values: readonly Value[]): number
  get(values: readonly Value[]): Row | undefined
  all(values: readonly Value[]): Row[]
}
