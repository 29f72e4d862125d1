/**
 * The presence of a store's file: whether its path still leads to the file that is open.
 *
 * SQLite keeps working on a file that was moved or deleted, and finds the write-ahead log by the path. A new
 * file at that path would share the log with the old file: jobs would go into a file that no other process
 * reads, and both files would be damaged. (Tried: the new file lost its tables.) So a process that finds a
 * log without its file does not make a new file. A process that has the old file open waits a moment, because
 * the log may be about to be moved as well. If the log stays, the process writes its content into the old
 * file, and removes it. Then it continues with the file at the path, or makes one.
 *
 * No code here may open the file: closing any descriptor of it would end all locks that SQLite holds on it.
 */
import { existsSync, readdirSync, readlinkSync, rmSync, type Stats, statSync } from 'node:fs'
import { JobsError } from '../../model/errors.ts'

/** Milliseconds between two checks, for calls whose result need not be in the file at the path. */
const LOOK = 100

/**
 * Identifies a file, whatever its name. Node rounds large inode numbers, so the time of birth is compared
 * too. (With bigints, which are not rounded, a dispatch would take 4 µs more.) If the system does not know
 * the time of birth, Node returns the time of the last change instead. So a time of birth that equals the
 * time of the last change counts as unknown.
 */
type Identity = Pick<Stats, 'dev' | 'ino' | 'birthtimeMs' | 'ctimeMs'>

const orUndefined = { throwIfNoEntry: false } as const

export class Presence {
  readonly path: string
  readonly #file: Identity | undefined
  /** The files beside it (log, shared memory), once they are known. */
  #logs: { path: string; file: Identity | undefined }[] = []
  #lookAt = 0

  /** For a file that is about to be opened. */
  constructor(path: string) {
    this.path = path
    this.#file = identityOf(path)
  }

  /** Notes the log files. Call when they exist. */
  noteLogs(): void {
    this.#logs = logsOf(this.path).map((path) => ({ path, file: identityOf(path) }))
  }

  /**
   * Whether the path still leads to the open file. A dispatch checks once for each transaction, however many
   * jobs it has. Calls that only settle and claim do not check each time.
   *
   * Measured on 2026-11-26, 2 cores, shared, dispatches with and without the check in turns: on Node 20.20, a
   * dispatch that is awaited alone takes 78 µs of CPU, 4 to 6 of them for the check. On Node 24.21, and with
   * `Promise.all` of 100, there was no difference beyond chance. In a loop the check takes 2.0 µs on Node
   * 20.20 and 1.7 on 24.21; `existsSync` alone, the cheapest call, takes 1.25.
   */
  isThere(): boolean {
    const found = identityOf(this.path)
    return found !== undefined && isSame(found, this.#file)
  }

  /** Like `isThere()`, but a positive result may be a tenth of a second old. */
  wasThere(): boolean {
    const now = performance.now()
    if (now < this.#lookAt) return true
    if (!this.isThere()) return false
    this.#lookAt = now + LOOK
    return true
  }

  /** Whether the log is still at the path, where a new file would find it. */
  get hasLogs(): boolean {
    return this.#logs.some(isLeft)
  }

  /** Removes the log. No other process may do the same at this time, or write to the file. */
  removeLogs(): void {
    for (const log of this.#logs) if (isLeft(log)) rmSync(log.path)
  }

  /** Where the file is now: 'deleted', a path, or undefined if the system does not report it. */
  whereabouts(): string | undefined {
    try {
      const open = readdirSync('/proc/self/fd').map((descriptor) => `/proc/self/fd/${descriptor}`)
      const own = open.find((path) => isSame(identityOf(path), this.#file))
      if (own === undefined) return undefined
      return statSync(own).nlink === 0 ? 'deleted' : readlinkSync(own)
    } catch {
      return undefined
    }
  }
}

/**
 * Refuses to make a file beside a log that was left behind. Call it before the file is opened, because
 * opening creates it. The log is checked before the file: a process creates a file before its log, so a log
 * without its file was left behind.
 *
 * @throws STORE_REFUSED
 */
export function refuseOrphans(name: string, path: string): void {
  const left = orphansOf(path)
  if (left.length === 0) return
  const files = `${left.join(' and ')} ${left.length > 1 ? 'are' : 'is'}`
  throw new JobsError('STORE_REFUSED', `${name} is gone, but ${files} still there`, {
    hint: 'The file was moved or deleted. A process that has it open removes the files beside it within seconds. If no process runs, move them to where the file is, or remove them.',
  })
}

/** The log files at a path whose file is gone. */
export function orphansOf(path: string): string[] {
  const left = logsOf(path).filter((file) => existsSync(file))
  return left.length === 0 || existsSync(path) ? [] : left
}

function logsOf(path: string): string[] {
  return [`${path}-wal`, `${path}-shm`]
}

function isLeft({ path, file }: { path: string; file: Identity | undefined }): boolean {
  return file !== undefined && isSame(identityOf(path), file)
}

function identityOf(path: string): Identity | undefined {
  return statSync(path, orUndefined)
}

function isSame(one: Identity | undefined, other: Identity | undefined): boolean {
  if (one === undefined || other === undefined) return one === other
  if (one.ino !== other.ino || one.dev !== other.dev) return false
  return one.birthtimeMs === other.birthtimeMs || !knowsBirth(one) || !knowsBirth(other)
}

function knowsBirth({ birthtimeMs, ctimeMs }: Identity): boolean {
  return birthtimeMs !== ctimeMs
}
