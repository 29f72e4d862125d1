/**
 * One connection to one SQLite file. It prepares each statement once, and retries transactions while another
 * process writes.
 *
 * The driver is synchronous: no other task of this process runs between the first statement of a transaction
 * and its commit. If SQLite waits for a lock of another process, the event loop is blocked. So SQLite waits
 * only for `LOCK_WAIT`, and after that `retry` waits without blocking.
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
 * Milliseconds for which SQLite itself waits for a lock, while the event loop is blocked. SQLite tries
 * again 1 and 3 ms after the beginning. (Its next tries would be after 8, 18 and 25 ms. Beside a process that
 * writes without a pause, most tries find the file locked, and with a limit of 25 ms a worker was blocked for
 * longer than it may hold jobs. Measured on 2026-11-25.)
 */
const LOCK_WAIT = 3
/** Milliseconds after which `retry` gives up: less than the 5 s that `dispatch` promises. */
const PATIENCE = 4_500
/**
 * Milliseconds for which a call that found no room on the disk retries, while other processes keep the
 * write-ahead log from being emptied.
 */
const EMPTYING = 1_000
/**
 * Bytes of the largest file that a purge writes again. No other process can write during that time. (16 MiB
 * take 0.2 s: 2 cores, shared and busy, 2026-12-01.)
 */
const SCRUBBED = 16_777_216
/**
 * Milliseconds. `for`: how long to wait for the log of a moved or deleted file to be moved or deleted too.
 * `look`: between two looks.
 */
const FOLLOWING = { for: 100, look: 5 }
/**
 * Bounds of the pause between two tries, in milliseconds. The pause is an eighth of the time waited so far.
 */
const PAUSE = { from: 1, to: 50 }

/**
 * The two ways to begin a transaction. Each takes its lock at once, or fails. So no later statement can find
 * the file locked. This matters because statements are kept: a statement that fails on a lock stays in
 * progress, and the driver cannot reset it.
 */
const WRITE = 'BEGIN IMMEDIATE'
const READ = 'BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'

/** Bytes of a page (SQLite's default), and the bytes that the log adds to each page. */
const PAGE = 4_096
const FRAME = 24

/**
 * The size of the write-ahead log, in pages, from which a commit makes a checkpoint: it moves the log into
 * the file, which syncs the disk twice. While other processes write, the log is not emptied, and the next
 * commits try again. `tight` is for a disk that is almost full: as many pages as one call may write.
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

/** Thrown by an attempt that finds the file no longer at its path. */
const GONE = new Error('the file is gone')

export class SqliteDatabase implements Database {
  /** The name that people see. */
  readonly name: string
  readonly #statements = new Map<string, Statement>()
  readonly #patience: number
  #driver: Driver
  /** Undefined for `:memory:`. */
  #presence: Presence | undefined
  readonly #disk: Disk | undefined
  #isTight = false
  #renewing: Promise<boolean> | undefined
  #open = true
  /** The clock of the store: whole milliseconds since 1970. */
  now: () => number = Date.now
  /** Called in each transaction before its work. Throws if the work must not be done. */
  guard: (() => void) | undefined
  /** Opens the file at the path, or makes one. Called when the open file is no longer at the path. */
  reopen: (() => Promise<SqliteDatabase>) | undefined
  /**
   * Called when this database has changed to another file. The argument says what happened to the previous
   * one.
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
   * @param patience milliseconds for which calls retry while the file is locked
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
          // The file was moved just now, so it is unknown which file was opened.
          driver.close()
          continue
        }
        const database = new SqliteDatabase(name, driver, patience, presence)
        database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT}; PRAGMA trusted_schema = OFF`)
        // After a peak, the log is cut to its usual size.
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

  /** Call when the file has its tables and its log. */
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
   * Like `write`, but promises that the changes are in the file at the path. If this file was moved or
   * deleted meanwhile, `work` runs again in the next file.
   */
  accept<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => {
      const result = this.#change(work)
      if (this.#presence?.isThere() === false) throw GONE
      return result
    }, patience)
  }

  /** Runs `work` in a transaction, so that everything it reads is of the same instant. */
  read<T>(work: () => T): Promise<T> {
    return this.retry(() => this.#transaction(READ, work))
  }

  /** Runs `attempt`, and repeats it while the file is locked or gone. */
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
   * Moves the write-ahead log into the file if no other process uses it, and closes the connection. With
   * `libsql`, the descriptors of the file stay open until the statements are garbage collected.
   */
  close(): void {
    if (!this.#open) return
    this.#open = false
    this.#close()
  }

  #close(): void {
    this.#statements.clear()
    // If this fails, the next process that opens the file moves the log.
    this.#emptyLog()
    this.#driver.close()
  }

  /** Call in a transaction that adds jobs. @param bytes returns their size @throws NoRoom */
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

  /** Empties a long log that is not in use. Maintenance calls this from time to time. */
  tidy(): void {
    if (this.#disk?.isLogLeft) this.#emptyLog()
  }

  /**
   * Writes a small file again without its free pages, and truncates its log, because removed data stays in
   * both until then. If another process holds the file, or its disk is nearly full, the file stays as it is.
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
   * Moves the write-ahead log into the file and truncates it, unless another process uses it or the file
   * cannot grow.
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
    // If several processes write at the same time, the checkpoints of SQLite itself may never empty the log.
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
   * Changes to the file that is now at the path. Calls that come together share one change.
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
    // A person or program that moves or deletes a file does the same with its log next. If the next file were
    // made before that, its log would be taken instead.
    for (let waited = 0; presence.hasLogs && waited < FOLLOWING.for; waited += FOLLOWING.look)
      await sleep(FOLLOWING.look)
    const whereabouts = presence.whereabouts()
    const left = this.#leave(presence, whereabouts === 'deleted')
    // The file may be back at its path.
    if (left === undefined) return presence.isThere()
    const next = await this.reopen!().catch((error) => {
      // The next file is gone too. The process that made it will move its log.
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
   * Moves the log of a file that is gone into that file, and removes the log, so that the next file does not
   * find it.
   *
   * @returns what the file contained, in words; undefined while the log cannot be moved
   */
  #leave(presence: Presence, isDeleted: boolean): string | undefined {
    const driver = this.#driver
    const numbers = (sql: string) => driver.prepare(sql).get([]) as Record<string, number>
    try {
      if (!isDeleted && presence.hasLogs && this.#emptyLog() !== 'empty') return undefined
      // Every process that has the old file open does this. The lock of the old file makes them take turns.
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

/** Finds out why a file cannot be opened, because the error of the driver does not say it. */
function denied(file: string): unknown {
  try {
    for (const path of [dirname(file), file].filter((path) => existsSync(path)))
      accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return error
  }
}
