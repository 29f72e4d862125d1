/**
 * The interface through which the embedded store uses an SQLite library. `libsql.ts` and `node-sqlite.ts`
 * implement it, and `library.ts` decides which of them a process uses.
 */

import type { Value } from '../sql/database.ts'

export type Row = Record<string, Value>

export interface Library {
  readonly name: 'libsql' | 'node:sqlite'
  /** @param path the path of a file, which is made if it does not exist; or `:memory:` */
  open(path: string): Driver
}

/** One connection. Its errors carry SQLite's result code, which `failure.ts` reads. */
export interface Driver {
  /** Runs any number of statements. */
  exec(sql: string): void
  prepare(sql: string): Statement
  /**
   * Rolls back the open transaction, if there is one: SQLite itself rolls back after some failures, such as a
   * full disk.
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
