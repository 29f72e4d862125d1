/**
 * One connection to one SQLite file. Each statement is prepared once. A transaction that finds the file
 * locked is tried again.
 *
 * The driver is synchronous: no other task of this process runs between the first statement of a transaction
 * and its commit. While SQLite waits for a lock of another process, it blocks the event loop. So SQLite waits
 * only for `LOCK_WAIT`. After this time, `retry` waits without blocking the event loop.
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { JobsError } from '../../model/errors.ts'
import type { Database, Value } from '../sql/database.ts'
import { Disk } from './disk.ts'
import type { Driver, Statement } from './driver.ts'
import { busyTooLong, closed, isBusy, isFull, NoRoom, stillUsed, toJobsError } from './failure.ts'
import { makeFile } from './files.ts'
import { library } from './library.ts'
import { orphansOf, Presence, refuseOrphans } from './presence.ts'

/**
 * Milliseconds for which SQLite itself waits for a lock, and blocks the event loop. Within 3 ms, SQLite tries
 * again after 1 ms and after 3 ms. With a longer limit, SQLite would try again after 8, 18 and 25 ms, too.
 * (Measured on 2026-11-25 beside a process that writes without a pause: most tries found the file locked, and
 * with a limit of 25 ms a worker was blocked for longer than its leases last.)
 */
const LOCK_WAIT = 3
/**
 * Milliseconds after which `retry` gives up. The limit is less than 5 s, because `dispatch` promises to fail
 * within 5 s.
 */
const PATIENCE = 4_500
/**
 * Milliseconds for which a call tries again on a full disk because other processes use the write-ahead log,
 * so that the log cannot be emptied.
 */
const EMPTYING = 1_000
/**
 * A purge rewrites the database file (`VACUUM`) if the file has at most this many bytes. No other process can
 * write during the rewrite. (16 MiB take 0.2 s: 2 cores, shared and busy, 2026-12-01.)
 */
const SCRUBBED = 16_777_216
/**
 * How long a process waits, in milliseconds, for the log of a moved or deleted file to be moved or deleted
 * too (`for`), and the time between two looks at the log (`look`).
 */
const FOLLOWING = { for: 100, look: 5 }
/**
 * The shortest and the longest pause between two tries, in milliseconds. A pause is an eighth of the time
 * since the first try.
 */
const PAUSE = { from: 1, to: 50 }

/**
 * The statements that begin a transaction. These statements take the lock at once or fail. So no later
 * statement of a transaction finds the file locked. A prepared statement that fails on a lock could not be
 * used again: SQLite considers it unfinished, and the driver cannot reset it.
 */
const WRITE = 'BEGIN IMMEDIATE'
const READ = 'BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'

/** Bytes of a page (SQLite's default), and bytes of the header that a page has in the log. */
const PAGE = 4_096
const FRAME = 24

/**
 * If the write-ahead log has at least this many pages, a commit makes a checkpoint: it moves the log into the
 * database file, which syncs the disk twice. A checkpoint cannot empty the log while other processes write;
 * then the next commits try again. `tight` applies on a disk that is almost full, and is the number of pages
 * that one call may write.
 *
 * Measured on 2026-11-25 with 60,000 jobs and 570 commits:
 *
 *   pages            commits over 3 ms   their sum   the longest   jobs a second
 *   1,000                     22           175 ms       17 ms         52,600
 *   4,000 (16 MB)              6           104 ms       33 ms         60,000
 *   8,000                      5           108 ms       52 ms         55,900
 */
const CHECKPOINT = { plenty: 4_000, tight: 64 }

const unended = 'SELECT total(waiting + delayed) AS pending, total(active) AS active FROM partitions'

/** Thrown in a transaction when the open file is no longer at its path. */
const GONE = new Error('the file is gone')

export class SqliteDatabase implements Database {
  /** The name of the store in messages. */
  readonly name: string
  readonly #statements = new Map<string, Statement>()
  readonly #patience: number
  #driver: Driver
  /** Checks whether the open file is still at its path; undefined for a store in memory. */
  #presence: Presence | undefined
  readonly #disk: Disk | undefined
  #isTight = false
  #renewing: Promise<boolean> | undefined
  #open = true
  /** The clock of the store: whole milliseconds since 1970. */
  now: () => number = Date.now
  /**
   * Called at the start of each transaction. Throws if the transaction must change nothing, because a newer
   * Lark has changed the layout.
   */
  guard: (() => void) | undefined
  /**
   * Opens the file that is now at the path, or creates one. Called when the open file is no longer at its
   * path.
   */
  reopen: (() => Promise<SqliteDatabase>) | undefined
  /**
   * Called when this database has switched to another file. The argument says what happened to the previous
   * file.
   */
  renewed: ((words: string) => void) | undefined

  private constructor(name: string, driver: Driver, patience: number, presence?: Presence) {
    this.name = name
    this.#driver = driver
    this.#patience = patience
    if (presence === undefined) return
    this.#presence = presence
    this.#disk = new Disk(presence.path)
  }

  /**
   * @param file a path or `:memory:`
   * @param patience milliseconds for which a call tries again while the file is locked
   */
  static async connect(name: string, file: string, patience = PATIENCE): Promise<SqliteDatabase> {
    const { open } = library(name)
    const isFile = file !== ':memory:'
    for (;;) {
      if (isFile) refuseOrphans(name, file)
      try {
        if (isFile) makeFile(name, file)
        const presence = isFile ? new Presence(file) : undefined
        const driver = open(file)
        if (presence?.isThere() === false) {
          // The file at the path changed during the opening, so the driver may have opened another file.
          driver.close()
          continue
        }
        const database = new SqliteDatabase(name, driver, patience, presence)
        database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT}; PRAGMA trusted_schema = OFF`)
        // When the log has become longer than usual, SQLite truncates it to this size.
        const limit = CHECKPOINT.plenty * (PAGE + FRAME)
        database.exec(
          `PRAGMA wal_autocheckpoint = ${CHECKPOINT.plenty}; PRAGMA journal_size_limit = ${limit}`,
        )
        return database
      } catch (error) {
        throw toJobsError(name, error instanceof JobsError || !isFile ? error : (denied(file) ?? error))
      }
    }
  }

  /** Call this when the file has its tables and its write-ahead log. */
  ready(guard: () => void): void {
    this.guard = guard
    this.#presence?.noteLogs()
  }

  /** @returns how many rows the statement changed */
  run(sql: string, ...values: Value[]): number {
    return this.#statement(sql).run(values)
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

  /** Runs `work` in a transaction that holds the write lock from its start. All changes are kept, or none. */
  write<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => this.#change(work), patience)
  }

  /**
   * Like `write`, but the changes are certainly in the file that is at the path. If somebody has moved or
   * deleted the open file during the transaction, `work` runs again in the new file.
   */
  accept<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => {
      const result = this.#change(work)
      if (this.#presence?.isThere() === false) throw GONE
      return result
    }, patience)
  }

  /** Runs `work` in a transaction, so that all of its reads see the database at the same instant. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => this.#transaction(READ, work))
  }

  /** Runs `attempt`, and repeats it while the file is locked or is no longer at its path. */
  async retry<T>(attempt: () => T, patience = this.#patience): Promise<T> {
    const start = performance.now()
    let isFirst = true
    for (;;) {
      if (!this.#open) throw closed(this.name)
      try {
        return attempt()
      } catch (error) {
        const isGone = error === GONE || (!isBusy(error) && this.#presence?.isThere() === false)
        if (isGone && (await this.#renewOnce())) continue
        const wantsRoom = isFirst && (error instanceof NoRoom || isFull(error))
        const log = wantsRoom ? this.#emptyLog() : undefined
        if (log === 'empty') {
          isFirst = false
          continue
        }
        const waits = isBusy(error) || isGone || (log === 'busy' && performance.now() - start < EMPTYING)
        if (!waits) throw toJobsError(this.name, error)
        if (performance.now() - start > patience)
          throw isGone ? stillUsed(this.name) : busyTooLong(this.name, Math.round(patience), error)
      }
      const pause = Math.max(PAUSE.from, Math.min((performance.now() - start) / 8, PAUSE.to))
      await sleep(pause * (0.5 + Math.random()))
    }
  }

  /**
   * Closes the connection. If no other process uses the write-ahead log, the log is moved into the file
   * first. With `libsql`, the descriptors of the file stay open until the statements are garbage collected.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#close()
  }

  #close(): void {
    this.#statements.clear()
    // If this fails, the next process that opens the file moves the log into the file.
    this.#emptyLog()
    this.#driver.close()
  }

  /**
   * Checks that the disk has space for new jobs. Call this in the transaction that adds the jobs. @param
   * bytes returns the size of the jobs @throws NoRoom
   */
  leaveRoom(bytes: () => number): void {
    const disk = this.#disk
    if (disk === undefined || !disk.isNear) return
    const [size, free] = ['page_count', 'freelist_count'].map((name) => this.#number(name) * PAGE)
    if (!disk.takes(bytes(), { size: size!, free: free! }))
      throw new NoRoom(this.name, disk.free, disk.reserve)
  }

  #number(pragma: string): number {
    return this.get<Record<string, number>>(`PRAGMA ${pragma}`)![pragma]!
  }

  /**
   * Empties a long write-ahead log to which no process has written for a while. The maintenance of a worker
   * calls this from time to time.
   */
  tidy(): void {
    if (this.#disk?.isLogLeft) this.#emptyLog()
  }

  /**
   * Makes removed data unreadable. Removed data stays in free pages of the file and in the log. So this
   * method rewrites a small file without its free pages, and truncates the log. The file is not rewritten if
   * another process uses it or the disk is nearly full.
   */
  async scrub(): Promise<void> {
    if (this.#disk === undefined) return
    const isSmall = this.#number('page_count') * PAGE <= SCRUBBED
    if (isSmall && !this.#disk.isNear)
      await this.retry(() => this.exec('VACUUM'), EMPTYING).catch(() => undefined)
    const start = performance.now()
    while (this.#emptyLog() === 'busy' && performance.now() - start < EMPTYING) await sleep(PAUSE.to)
  }

  /**
   * Moves the write-ahead log into the file and truncates the log. The result is `busy` if another process
   * uses the log, and `full` if the file cannot grow.
   */
  #emptyLog(): 'empty' | 'busy' | 'full' {
    try {
      const [answer] = this.#driver.prepare('PRAGMA wal_checkpoint(TRUNCATE)').all([]) as unknown as {
        busy: number
      }[]
      return answer!.busy === 0 ? 'empty' : 'busy'
    } catch (error) {
      return isBusy(error) ? 'busy' : 'full'
    }
  }

  #change<T>(work: () => T): T {
    const disk = this.#disk
    if (disk === undefined) return this.#transaction(WRITE, work)
    disk.look()
    if (disk.isTight !== this.#isTight) this.#tighten(disk.isTight)
    const result = this.#transaction(WRITE, work)
    // While several processes write, SQLite's own checkpoints may never empty the log, so this process
    // empties it.
    if (disk.isTight && disk.isLogLong) this.#emptyLog()
    return result
  }

  #tighten(isTight: boolean): void {
    this.#isTight = isTight
    this.#driver.exec(`PRAGMA wal_autocheckpoint = ${isTight ? CHECKPOINT.tight : CHECKPOINT.plenty}`)
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
      this.#driver.rollback()
      throw error
    }
  }

  /**
   * Switches to the file that is now at the path. Calls that ask for this at the same time share one switch.
   *
   * @returns false while another process still writes to the old file
   */
  #renewOnce(): Promise<boolean> {
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined
    })
    return this.#renewing
  }

  async #renew(): Promise<boolean> {
    const presence = this.#presence!
    // A person or program that moves or deletes a database file moves or deletes its log next. This loop
    // waits until the log is gone, because if a new file were created earlier, the log of the new file would
    // be moved or deleted.
    for (let waited = 0; presence.hasLogs && waited < FOLLOWING.for; waited += FOLLOWING.look)
      await sleep(FOLLOWING.look)
    const whereabouts = presence.whereabouts()
    const left = this.#leave(presence, whereabouts === 'deleted')
    // The log could not be moved into the old file. The file may be back at its path, and then no switch is
    // needed.
    if (left === undefined) return presence.isThere()
    const next = await this.reopen!().catch((error) => {
      // The file at the path is gone again, and its log is still there. The process that has this file open
      // will move the log.
      if (orphansOf(presence.path).length > 0) return undefined
      throw error
    })
    if (next === undefined) return false
    if (!this.#open) {
      next.close()
      throw closed(this.name)
    }
    this.#close()
    this.#driver = next.#driver
    this.#presence = next.#presence
    this.#isTight = next.#isTight
    const where = whereabouts === undefined ? 'away' : `to ${whereabouts}`
    const went = whereabouts === 'deleted' ? 'deleted' : `moved ${where}`
    this.renewed?.(
      `${this.name} was ${went} while this process had it open, with ${left}. Another file is at its path now.`,
    )
    return true
  }

  /**
   * Leaves the open file, which is no longer at its path: moves the log into this file and removes the log,
   * because a new file at the path would use the same log.
   *
   * @returns how many jobs the file contained, in words; undefined if the log cannot be moved now
   */
  #leave(presence: Presence, isDeleted: boolean): string | undefined {
    const driver = this.#driver
    const numbers = (sql: string) => driver.prepare(sql).get([]) as Record<string, number>
    try {
      if (!isDeleted && presence.hasLogs && this.#emptyLog() !== 'empty') return undefined
      // Every process that has the old file open comes to this point. The write lock of the old file lets one
      // process go on at a time.
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
}

/** Finds the reason why a file cannot be opened, because the driver's error does not contain the reason. */
function denied(file: string): unknown {
  try {
    for (const path of [dirname(file), file].filter((path) => existsSync(path)))
      accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return error
  }
}
