/**
 * What the embedded store needs of an SQLite library. There are two, in `libsql.ts` and `node-sqlite.ts`; `library.ts`
 * decides which one a process uses.
 */

/** What may be bound. Not booleans: `libsql` aborts the process on one. */
export type Value = string | number | null

export type Row = Record<string, Value>

export interface Library {
  readonly name: 'libsql' | 'node:sqlite'
  /** @param path of a file, which is made when there is none; or `:memory:` */
  open(path: string): Driver
}

/** One connection. Its errors carry SQLite's result code, which `failure.ts` reads. */
export interface Driver {
  /** Runs any number of statements. */
  exec(sql: string): void
  prepare(sql: string): Statement
  /** Undoes the transaction that is open, if there is one: some failures (a full disk) have undone it already. */
  rollback(): void
  close(): void
}

export interface Statement {
  /** @returns how many rows it changed */
  run(values: readonly Value[]): number
  get(values: readonly Value[]): Row | undefined
  all(values: readonly Value[]): Row[]
}
