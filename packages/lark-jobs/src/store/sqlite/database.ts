/**
 * One connection to one SQLite file: statements prepared once, transactions tried again while another process
 * writes.
 *
 * The driver is synchronous: a transaction runs from its first statement to its commit without another task
 * of this process in between. So a lock held elsewhere must not be waited for inside SQLite, where the event
 * loop would stand still: SQLite waits `LOCK_WAIT`, then we do, outside.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type Libsql from 'libsql'
import { busyTooLong, closed, isBusy, toJobsError } from './failure.ts'

/** Milliseconds in which SQLite itself waits for a lock: about ten transactions of 1,000 jobs. */
const LOCK_WAIT = 25
/** Milliseconds of trying in all: within what `dispatch` promises. */
const PATIENCE = 4_500
/** Milliseconds: the longest pause between two tries. */
const MAX_PAUSE = 50

/**
 * Each takes its lock, or fails, at once. Nothing after it can find the file locked: that matters, because a
 * kept statement that failed on a lock stays in progress, and the driver has no way to reset it.
 */
const WRITE = 'BEGIN IMMEDIATE'
const READ = 'BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'

/** What may be bound. Not booleans: the driver aborts the process on one. */
export type Value = string | number | null

type Statement = ReturnType<Libsql.Database['prepare']>

export class Database {
  /** What people call it. */
  readonly name: string
  readonly #driver: Libsql.Database
  readonly #statements = new Map<string, Statement>()
  #open = true

  readonly #patience: number

  private constructor(name: string, driver: Libsql.Database, patience: number) {
    this.name = name
    this.#patience = patience
    this.#driver = driver
  }

  /**
   * @param file a path or `:memory:`
   * @param patience milliseconds of trying while the file is locked
   */
  static async connect(name: string, file: string, patience = PATIENCE): Promise<Database> {
    const { default: Driver } = await import('libsql')
    try {
      const database = new Database(name, new Driver(file), patience)
      database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT}`)
      return database
    } catch (error) {
      throw toJobsError(name, error)
    }
  }

  /** @returns how many rows it changed */
  run(sql: string, ...values: Value[]): number {
    return this.#statement(sql).run(values).changes
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(values) as Row | undefined
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(values) as Row[]
  }

  exec(sql: string): void {
    this.#driver.exec(sql)
  }

  /** Runs `work` in a transaction that holds the write lock from its start. All of it is kept, or none. */
  write<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => this.#transaction(WRITE, work), patience)
  }

  /** Runs `work` so that all it reads is of one instant. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => this.#transaction(READ, work))
  }

  /** Runs `attempt`, again while it finds the file locked. */
  async retry<T>(attempt: () => T, patience = this.#patience): Promise<T> {
    const start = performance.now()
    for (let pause = 1; ; pause = Math.min(pause * 2, MAX_PAUSE)) {
      if (!this.#open) throw closed(this.name)
      try {
        return attempt()
      } catch (error) {
        if (!isBusy(error)) throw toJobsError(this.name, error)
        if (performance.now() - start > patience) throw busyTooLong(this.name, Math.round(patience), error)
      }
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  /**
   * Moves the write-ahead log into the file, if nobody else is at it, and lets go. The driver gives the file
   * back to the system when the statements are collected, not before.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#statements.clear()
    try {
      this.#driver.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // A matter of tidiness: whoever opens the file next does it.
    }
    this.#driver.close()
  }

  #transaction<T>(begin: string, work: () => T): T {
    try {
      this.#driver.exec(begin)
      const result = work()
      this.#driver.exec('COMMIT')
      return result
    } catch (error) {
      // Some failures (a full disk) have rolled back already.
      if (this.#driver.inTransaction) this.#driver.exec('ROLLBACK')
      throw error
    }
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.#driver.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
