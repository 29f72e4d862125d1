/**
 * A database with the tables of a store, as the rules of `store/sql` use it. Calls are synchronous, so
 * nothing else runs between the first statement of a transaction and its commit. `store/sqlite/database.ts`
 * implements it.
 */

/** A value that may be bound. Booleans are excluded, because `libsql` aborts the process on one. */
export type Value = string | number | null

export interface Database {
  /** The clock of the store: whole milliseconds since 1970. */
  now: () => number
  /** @returns how many rows the statement changed */
  run(sql: string, ...values: Value[]): number
  get<Row>(sql: string, ...values: Value[]): Row | undefined
  all<Row>(sql: string, ...values: Value[]): Row[]
  /** Runs `work` in a transaction that holds the write lock from its start. All changes are kept, or none. */
  write<T>(work: () => T): Promise<T>
  /** Like `write`, but makes sure that the changes are in the file that the next process will open. */
  accept<T>(work: () => T): Promise<T>
  /** Runs `work` in a transaction, so that everything it reads is of the same instant. */
  read<T>(work: () => T): Promise<T>
  /**
   * Call in a transaction that adds jobs.
   *
   * @param bytes returns the size of the jobs
   * @throws if there is no room for them
   */
  leaveRoom(bytes: () => number): void
}
