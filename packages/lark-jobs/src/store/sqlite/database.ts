/**
 * One connection to one SQLite file: statements prepared once, transactions tried again while another process
 * writes.
 *
 * The driver is synchronous: a transaction runs from its first statement to its commit without another task
 * of this process in between. So a lock held elsewhere must not be waited for inside SQLite, where the event
 * loop would stand still: SQLite waits `LOCK_WAIT`, then we do, outside.
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type Libsql from 'libsql'
import { JobsError } from '../../errors.ts'
import { busyTooLong, closed, isBusy, stillUsed, toJobsError } from './failure.ts'
import { makeFile } from './files.ts'
import { Presence, refuseOrphans } from './presence.ts'

/**
 * Milliseconds in which SQLite itself waits for a lock, and the event loop stands still. It looks again after 1 and 3.
 * (After those come 8, 18 and 25: beside a writer who makes one transaction after the other, most looks find the file
 * locked, and with 25 here a worker stood still for longer than it may hold jobs. Measured on 2026-11-25.)
 */
const LOCK_WAIT = 3
/** Milliseconds of trying in all: within what `dispatch` promises. */
const PATIENCE = 4_500
/** Milliseconds between two tries: an eighth of what was waited so far, within these. */
const PAUSE = { from: 1, to: 50 }

/**
 * Each takes its lock, or fails, at once. Nothing after it can find the file locked: that matters, because a
 * kept statement that failed on a lock stays in progress, and the driver has no way to reset it.
 */
const WRITE = 'BEGIN IMMEDIATE'
const READ = 'BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'

/** What may be bound. Not booleans: the driver aborts the process on one. */
export type Value = string | number | null

type Statement = ReturnType<Libsql.Database['prepare']>

/** A statement that answers with rows, and the names of their columns. */
interface Query {
  statement: Statement
  names: string[]
}

const unended = 'SELECT total(waiting + delayed) AS pending, total(active) AS active FROM partitions'

/** Thrown by an attempt that met a file which is not at its path any more. */
const GONE = new Error('the file is gone')

export class Database {
  /** What people call it. */
  readonly name: string
  readonly #statements = new Map<string, Statement>()
  readonly #queries = new Map<string, Query>()
  readonly #patience: number
  #driver: Libsql.Database
  /** Of a file. */
  #presence: Presence | undefined
  #renewing: Promise<boolean> | undefined
  #open = true
  /** Called in each transaction before its work: throws when that must not be done. */
  guard: (() => void) | undefined
  /** Opens what is at the path, or makes it; called when the file that was open is gone from there. */
  reopen: (() => Promise<Database>) | undefined
  /** Told that another file is in use, and what became of the one before. */
  renewed: ((words: string) => void) | undefined

  private constructor(name: string, driver: Libsql.Database, patience: number, presence?: Presence) {
    this.name = name
    this.#driver = driver
    this.#patience = patience
    this.#presence = presence
  }

  /**
   * @param file a path or `:memory:`
   * @param patience milliseconds of trying while the file is locked
   */
  static async connect(name: string, file: string, patience = PATIENCE): Promise<Database> {
    const { default: Driver } = await import('libsql')
    const isFile = file !== ':memory:'
    if (isFile) refuseOrphans(name, file)
    try {
      if (isFile) makeFile(name, file)
      const driver = new Driver(file)
      const database = new Database(name, driver, patience, isFile ? new Presence(file) : undefined)
      database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT}; PRAGMA trusted_schema = OFF`)
      return database
    } catch (error) {
      throw toJobsError(name, error instanceof JobsError || !isFile ? error : (denied(file) ?? error))
    }
  }

  /** It is laid out, and has its log. */
  ready(guard: () => void): void {
    this.guard = guard
    this.#presence?.noteLogs()
  }

  /** @returns how many rows it changed */
  run(sql: string, ...values: Value[]): number {
    return this.#statement(sql).run(values).changes
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    const { statement, names } = this.#query(sql)
    const found = statement.get(values) as Value[] | undefined
    return found && toRow<Row>(names, found)
  }

  all<Row>(sql: string, ...values: Value[]): Row[] {
    const { statement, names } = this.#query(sql)
    return (statement.all(values) as Value[][]).map((found) => toRow<Row>(names, found))
  }

  exec(sql: string): void {
    this.#driver.exec(sql)
  }

  /** Runs `work` in a transaction that holds the write lock from its start. All of it is kept, or none. */
  write<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => this.#transaction(WRITE, work), patience)
  }

  /**
   * `write` of what somebody is promised: it is kept in the file that is at the path. Where that was moved or deleted,
   * `work` runs again in the one that comes after it.
   */
  accept<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => {
      const result = this.#transaction(WRITE, work)
      if (this.#presence?.isThere() === false) throw GONE
      return result
    }, patience)
  }

  /** Runs `work` so that all it reads is of one instant. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => this.#transaction(READ, work))
  }

  /** Runs `attempt`, again while it finds the file locked or gone. */
  async retry<T>(attempt: () => T, patience = this.#patience): Promise<T> {
    const start = performance.now()
    for (;;) {
      if (!this.#open) throw closed(this.name)
      try {
        return attempt()
      } catch (error) {
        const isGone = error === GONE || (!isBusy(error) && this.#presence?.isThere() === false)
        if (isGone && (await this.#renewOnce())) continue
        if (!isGone && !isBusy(error)) throw toJobsError(this.name, error)
        if (performance.now() - start > patience)
          throw isGone ? stillUsed(this.name) : busyTooLong(this.name, Math.round(patience), error)
      }
      const pause = Math.max(PAUSE.from, Math.min((performance.now() - start) / 8, PAUSE.to))
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
    this.#close()
  }

  #close(): void {
    this.#statements.clear()
    this.#queries.clear()
    try {
      this.#driver.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    } catch {
      // A matter of tidiness: whoever opens the file next does it.
    }
    this.#driver.close()
  }

  #transaction<T>(begin: string, work: () => T): T {
    try {
      if (this.#presence?.wasThere() === false) throw GONE
      this.#driver.exec(begin)
      this.guard?.()
      const result = work()
      this.#driver.exec('COMMIT')
      return result
    } catch (error) {
      // Some failures (a full disk) have rolled back already.
      if (this.#driver.inTransaction) this.#driver.exec('ROLLBACK')
      throw error
    }
  }

  /** For all who meet it at once. @returns false while another process still writes to the old file */
  #renewOnce(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #renew(): Promise<boolean> {
    const presence = this.#presence!
    const whereabouts = presence.whereabouts()
    const left = this.#leave(presence, whereabouts === 'deleted')
    // It may have come back.
    if (left === undefined) return presence.isThere()
    const next = await this.reopen!()
    if (!this.#open) {
      next.close()
      throw closed(this.name)
    }
    this.#close()
    this.#driver = next.#driver
    this.#presence = next.#presence
    const where = whereabouts === undefined ? 'away' : `to ${whereabouts}`
    const went = whereabouts === 'deleted' ? 'deleted' : `moved ${where}`
    this.renewed?.(
      `${this.name} was ${went} while this process had it open, with ${left}. Another file is at its path now.`,
    )
    return true
  }

  /**
   * Moves the log of a file that is gone into it, and out of the way of the next one.
   *
   * @returns what the file held, in words; undefined while that cannot be done
   */
  #leave(presence: Presence, isDeleted: boolean): string | undefined {
    const driver = this.#driver
    const numbers = (sql: string) => driver.prepare(sql).get() as Record<string, number>
    try {
      if (!isDeleted && presence.hasLogs && numbers('PRAGMA wal_checkpoint(TRUNCATE)').busy !== 0)
        return undefined
      // All who have the old file open come through here: its own lock says whose turn it is.
      driver.exec(WRITE)
      try {
        if (presence.isThere()) return undefined
        presence.removeLogs()
        const { pending, active } = numbers(unended)
        return `${pending} waiting or delayed jobs and ${active} active ones`
      } finally {
        driver.exec('ROLLBACK')
      }
    } catch (error) {
      if (isBusy(error)) return undefined
      throw toJobsError(this.name, error)
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

  #query(sql: string): Query {
    let query = this.#queries.get(sql)
    if (query === undefined) {
      const statement = this.#driver.prepare(sql).raw()
      query = { statement, names: statement.columns().map((column) => column.name) }
      this.#queries.set(sql, query)
    }
    return query
  }
}

/** Why a file that could not be opened could not: the driver says no more than that. */
function denied(file: string): unknown {
  try {
    for (const path of [dirname(file), file].filter((path) => existsSync(path)))
      accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return error
  }
}

/** The driver makes objects at twice the price (measured: a row of 16 columns, 3.4 µs as a list, 6.8 as an object). */
function toRow<Row>(names: readonly string[], values: readonly Value[]): Row {
  const row: Record<string, Value> = {}
  for (let column = 0; column < names.length; column += 1) row[names[column]!] = values[column]!
  return row as Row
}
