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
import { JobsError } from '../../model/errors.ts'
import { Disk } from './disk.ts'
import type { Driver, Statement, Value } from './driver.ts'
import { busyTooLong, closed, isBusy, isFull, NoRoom, stillUsed, toJobsError } from './failure.ts'
import { makeFile } from './files.ts'
import { library } from './library.ts'
import { orphansOf, Presence, refuseOrphans } from './presence.ts'

/**
 * Milliseconds in which SQLite itself waits for a lock, and the event loop stands still. It looks again after 1 and 3.
 * (After those come 8, 18 and 25: beside a writer who makes one transaction after the other, most looks find the file
 * locked, and with 25 here a worker stood still for longer than it may hold jobs. Measured on 2026-11-25.)
 */
const LOCK_WAIT = 3
/** Milliseconds of trying in all: within what `dispatch` promises. */
const PATIENCE = 4_500
/** Milliseconds of trying to empty the log, for a call that found no room. */
const EMPTYING = 1_000
/** Milliseconds between two tries: an eighth of what was waited so far, within these. */
const PAUSE = { from: 1, to: 50 }

/**
 * Each takes its lock, or fails, at once. Nothing after it can find the file locked: that matters, because a
 * kept statement that failed on a lock stays in progress, and the driver has no way to reset it.
 */
const WRITE = 'BEGIN IMMEDIATE'
const READ = 'BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'

/** Bytes: SQLite's default, and what a page has on top of it in the log. */
const PAGE = 4_096
const FRAME = 24

/**
 * Pages of the write-ahead log from which on a commit moves it into the file, which syncs the disk twice. While others
 * write it is not emptied then, and the next commits try again. (Measured on 2026-11-25, 60,000 jobs, with 1,000 pages
 * and with these, 16 MB: of 570 commits 22 and 6 took over 3 ms, 175 and 104 ms in all, 17 and 33 ms at most; 52,600 and
 * 60,000 jobs worked off a second. With 8,000: 5, 108 and 52 ms, 55,900 a second.) On a disk that is almost full, as many
 * as one call may write.
 */
const CHECKPOINT = { plenty: 4_000, tight: 64 }

const unended = 'SELECT total(waiting + delayed) AS pending, total(active) AS active FROM partitions'

/** Thrown by an attempt that met a file which is not at its path any more. */
const GONE = new Error('the file is gone')

export class Database {
  /** What people call it. */
  readonly name: string
  readonly #statements = new Map<string, Statement>()
  readonly #patience: number
  #driver: Driver
  /** Of a file. */
  #presence: Presence | undefined
  readonly #disk: Disk | undefined
  #isTight = false
  #renewing: Promise<boolean> | undefined
  #open = true
  /** Called in each transaction before its work: throws when that must not be done. */
  guard: (() => void) | undefined
  /** Opens what is at the path, or makes it; called when the file that was open is gone from there. */
  reopen: (() => Promise<Database>) | undefined
  /** Called when another file is in use, with what became of the previous one. */
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
   * @param patience milliseconds of trying while the file is locked
   */
  static async connect(name: string, file: string, patience = PATIENCE): Promise<Database> {
    const { open } = library(name)
    const isFile = file !== ':memory:'
    for (;;) {
      if (isFile) refuseOrphans(name, file)
      try {
        if (isFile) makeFile(name, file)
        const presence = isFile ? new Presence(file) : undefined
        const driver = open(file)
        if (presence?.isThere() === false) {
          // It was moved just now, so it is unknown which file was opened.
          driver.close()
          continue
        }
        const database = new Database(name, driver, patience, presence)
        database.exec(`PRAGMA busy_timeout = ${LOCK_WAIT}; PRAGMA trusted_schema = OFF`)
        // After a peak, the log is cut to what it usually has.
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

  /** It is laid out, and has its log. */
  ready(guard: () => void): void {
    this.guard = guard
    this.#presence?.noteLogs()
  }

  /** @returns how many rows it changed */
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

  /** Runs `work` in a transaction that holds the write lock from its start. All of it is kept, or none. */
  write<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => this.#change(work), patience)
  }

  /**
   * `write` of what somebody is promised: it is kept in the file that is at the path. Where that was moved or deleted,
   * `work` runs again in the one that comes after it.
   */
  accept<T>(work: () => T, patience?: number): Promise<T> {
    return this.retry(() => {
      const result = this.#change(work)
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
    // Only tidying up: if it fails, the next process that opens the file does it.
    this.#emptyLog()
    this.#driver.close()
  }

  /** Called in a transaction that brings jobs. @param bytes as many as they have */
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

  /** Called now and then by whoever keeps the store in order. */
  tidy(): void {
    if (this.#disk?.isLogLeft) this.#emptyLog()
  }

  /** Gives the room of the write-ahead log back, unless somebody is at it, or the file cannot grow. */
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
    // Where several write at once, none of the checkpoints that SQLite makes may have let the log begin anew.
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
    // The file may be back at its path.
    if (left === undefined) return presence.isThere()
    const next = await this.reopen!().catch((error) => {
      // The file that came next is gone too, and the process that made it sees to its log.
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
   * Moves the log of a file that is gone into it, and out of the way of the next one.
   *
   * @returns what the file held, in words; undefined while that cannot be done
   */
  #leave(presence: Presence, isDeleted: boolean): string | undefined {
    const driver = this.#driver
    const numbers = (sql: string) => driver.prepare(sql).get([]) as Record<string, number>
    try {
      if (!isDeleted && presence.hasLogs && this.#emptyLog() !== 'empty') return undefined
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
}

/** Finds out why a file could not be opened, because the driver only says that it could not. */
function denied(file: string): unknown {
  try {
    for (const path of [dirname(file), file].filter((path) => existsSync(path)))
      accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return error
  }
}
