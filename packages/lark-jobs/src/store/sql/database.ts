/**
 * The interface of a database with the tables of a store, which the files in `store/sql` use.
 * `store/sqlite/database.ts` implements it. Calls are synchronous, so no other code of the process runs
 * between the first statement of a transaction and its commit.
 */

/**
 * A value that can be bound in a statement. Booleans are excluded, because `libsql` aborts the process when
 * it gets a boolean.
 */
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
  /**
   * Like `write`, but makes sure that the changes are in the file at the path of the store, which other
   * processes will open.
   */
  accept<T>(work: () => T): Promise<T>
  /** Runs `work` in a transaction, so that all of its reads see the database at the same instant. */
  read<T>(work: () => T): Promise<T>
  /**
   * Checks that the disk has space for new jobs. Call this in the transaction that adds the jobs.
   *
   * @param bytes returns the size of the jobs
   * @throws an error if the jobs do not fit
   */
  leaveRoom(bytes: () => number): void
}
