/**
 * The presence of a store's file: whether its path still leads to the file that is open.
 *
 * SQLite goes on with a file that was moved or deleted, and finds its write-ahead log by the path. A new file at that
 * path would share the log with the old one: jobs would go where nobody looks for them, and both files would be
 * spoilt. (Tried: the new one lost its tables.) So whoever finds a log without its file makes no new file. A process
 * that has the old file open moves the log into it, removes the log, and goes on with what is at the path, or makes that.
 *
 * Nothing here may open the file: to close any descriptor of it would end every lock that SQLite holds on it.
 */
import { existsSync, readdirSync, readlinkSync, rmSync, type Stats, statSync } from 'node:fs'
import { JobsError } from '../../errors.ts'

/** Milliseconds between two looks of those who promise nothing. */
const LOOK = 100

/**
 * Which file it is, whatever its name. Large numbers of inodes are rounded, and the time of birth tells those apart.
 * (As bigints they would cost a dispatch 4 µs more.) Where the system does not tell that, Node says the time of the last
 * change instead: so a time of birth that is the same as that counts as unknown.
 */
type Identity = Pick<Stats, 'dev' | 'ino' | 'birthtimeMs' | 'ctimeMs'>

const orUndefined = { throwIfNoEntry: false } as const

export class Presence {
  readonly path: string
  readonly #file: Identity | undefined
  /** Those that lie beside it, once they are known. */
  #logs: { path: string; file: Identity | undefined }[] = []
  #lookAt = 0

  /** Of a file that is about to be opened. */
  constructor(path: string) {
    this.path = path
    this.#file = identityOf(path)
  }

  /** Its log has been made. */
  noteLogs(): void {
    this.#logs = logsOf(this.path).map((path) => ({ path, file: identityOf(path) }))
  }

  /**
   * One look for each transaction, however many jobs it brings. (Measured on 2026-11-26, 2 cores, shared, dispatches with
   * and without it in turns: 4 to 6 µs of CPU of the 78 that a dispatch takes which is awaited by itself, on Node 20.20
   * and nothing that could be told from chance on Node 24.21, or of `Promise.all` of 100. In a loop it takes 2.0 and 1.7
   * µs, of which `existsSync` alone, the cheapest call that there is, takes 1.25. What only settles and claims does not
   * look each time.)
   */
  isThere(): boolean {
    const found = identityOf(this.path)
    return found !== undefined && isSame(found, this.#file)
  }

  /** As it was at most a tenth of a second ago. */
  wasThere(): boolean {
    const now = performance.now()
    if (now < this.#lookAt) return true
    if (!this.isThere()) return false
    this.#lookAt = now + LOOK
    return true
  }

  /** Whether its log still lies where a new file would find it. */
  get hasLogs(): boolean {
    return this.#logs.some(isLeft)
  }

  /** Nobody else may be doing it, nor write to the file. */
  removeLogs(): void {
    for (const log of this.#logs) if (isLeft(log)) rmSync(log.path)
  }

  /** Where the file is now: 'deleted', a path, or undefined where the system does not say. */
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
 * Called before the file is opened, which makes it. The log is looked for first: whoever makes a file makes its log
 * afterwards, so one that is found without its file was left behind.
 *
 * @throws STORE_REFUSED
 */
export function refuseOrphans(name: string, path: string): void {
  const left = orphansOf(path)
  if (left.length === 0) return
  throw new JobsError(
    'STORE_REFUSED',
    `${name} is gone, but ${left.join(' and ')} ${left.length > 1 ? 'are' : 'is'} still there`,
    {
      hint: 'The file was moved or deleted. A process that has it open removes the files beside it within seconds. If no process runs, move them to where the file is, or remove them.',
    },
  )
}

/** What lies at a path where the file itself is gone. */
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
