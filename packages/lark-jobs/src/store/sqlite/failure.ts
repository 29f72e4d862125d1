/**
 * Turns the errors of SQLite into the errors of the store contract. SQLite rolls back a transaction that
 * fails, so a failed call has certainly changed nothing. Therefore no error of this file is
 * `STORE_UNCERTAIN`.
 */
import { JobsError } from '../../model/errors.ts'

/**
 * The result codes of SQLite that this file distinguishes. An extended code (`SQLITE_READONLY_DIRECTORY`,
 * 1544) contains the primary code in its low byte. The driver names only some extended codes. For code 1544
 * the driver says `UNKNOWN_SQLITE_ERROR_1544`.
 */
const PERM = 3
const BUSY = 5
const LOCKED = 6
const READONLY = 8
const IOERR = 10
const IOERR_WRITE = 778
const CORRUPT = 11
const FULL = 13
const CANTOPEN = 14
/** Two connections collided while one of them opened the write-ahead log. */
const PROTOCOL = 15
const AUTH = 23
const NOTADB = 26

/** Whether a call failed because another process holds the lock, so that a later try may succeed. */
export function isBusy(error: unknown): boolean {
  const code = primaryOf(error)
  return code === BUSY || code === LOCKED || code === PROTOCOL
}

export function busyTooLong(name: string, ms: number, cause: unknown): JobsError {
  return new JobsError('STORE_UNREACHABLE', `${name} was locked by other processes for ${ms} ms`, {
    cause,
    hint: 'Another program may hold a long transaction on the file.',
  })
}

export function stillUsed(name: string): JobsError {
  const message = `${name} was moved or deleted, and another process still writes to it`
  return new JobsError('STORE_UNREACHABLE', message, {
    hint: 'Stop every process that uses a file before you move or delete it.',
  })
}

/** The error of a dispatch that would use disk space of the reserve (`disk.ts`). */
export class NoRoom extends JobsError {
  constructor(name: string, free: number, reserve: number) {
    super(
      'STORE_REFUSED',
      `${name} takes no more jobs: ${mebibytes(free)} are free on its disk, and ${mebibytes(reserve)} are kept so that jobs can end`,
      { hint: hints[FULL]! },
    )
  }
}

/** Whether a write failed on a full disk or beyond a quota. */
export function isFull(error: unknown): boolean {
  return primaryOf(error) === FULL || rawOf(error) === IOERR_WRITE
}

/** Whether missing disk space is the reason for an error that a store has thrown. */
export function isForWantOfRoom(error: unknown): boolean {
  return error instanceof NoRoom || (error instanceof JobsError && isFull(error.cause))
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

export function notReplicated(name: string): JobsError {
  return new JobsError('STORE_INVALID', `${name} is one file: it cannot keep durability 'replicated'`, {
    hint: "Use 'strict', which loses nothing in a power cut, or a Redis with a replica.",
  })
}

export function closed(name: string): JobsError {
  return new JobsError('STORE_UNREACHABLE', `${name} is not open`)
}

/**
 * Converts an error to the error that the user gets. Only errors of SQLite and of the file system are
 * converted; every other error is returned unchanged.
 */
export function toJobsError(name: string, error: unknown): unknown {
  if (error instanceof JobsError) return error
  const code = primaryOf(error)
  const message = error instanceof Error ? error.message : String(error)
  if (code === NOTADB) {
    return new JobsError('STORE_INVALID', `${name} is a file, but not an SQLite database`, { cause: error })
  }
  if (code === CORRUPT) {
    return new JobsError('STORE_REFUSED', `${name} is damaged: ${message}`, {
      cause: error,
      hint: 'Move the file away and restore a copy; the sqlite3 program has `.recover`.',
    })
  }
  if (code !== undefined && code !== CANTOPEN) {
    const why = `${message}${extendedOf(error)}`
    if (hints[code] !== undefined) return refused(name, why, hints[code], error)
    const hint = 'This call changed nothing.'
    return new JobsError('STORE_REFUSED', `${name} failed: ${why}`, { cause: error, hint })
  }
  // Errors about the folder and the bell come from the file system.
  const system = (error as NodeJS.ErrnoException | undefined)?.code ?? ''
  if (/^(EACCES|EPERM|EROFS)$/.test(system)) return refused(name, message, hints[READONLY]!, error)
  if (/^(ENOSPC|EDQUOT|EFBIG)$/.test(system)) return refused(name, message, hints[FULL]!, error)
  if (code === CANTOPEN || /^E[A-Z]+$/.test(system)) {
    return new JobsError('STORE_UNREACHABLE', `${name} cannot be opened: ${message}`, { cause: error })
  }
  return error
}

/** Hints that tell a user what to do when SQLite cannot write, by the result code of SQLite. */
const hints: Record<number, string> = {
  [FULL]: 'Free space on its disk. This call changed nothing, and jobs that were queued before are safe.',
  [IOERR]:
    'Check its disk: it may be full or failing, or the size of files may be limited. This call changed nothing.',
  [READONLY]: 'Let this process write to the file and to its folder.',
  [PERM]: 'Let this process write to the file and to its folder.',
  [AUTH]: 'Let this process write to the file and to its folder.',
}

function refused(name: string, why: string, hint: string, cause: unknown): JobsError {
  return new JobsError('STORE_REFUSED', `${name} refused to write: ${why}`, { cause, hint })
}

/** The result code of SQLite in an error of the driver. Other errors give undefined. */
function rawOf(error: unknown): number | undefined {
  const { rawCode, errcode, message } = (error ?? {}) as Record<string, unknown>
  const code = rawCode ?? errcode
  if (typeof code === 'number') return code
  // If `libsql` cannot open a file, only the message of its error contains the result code.
  const opening = /^ConnectionFailed\("Unable to open.*: (\d+)"\)$/.exec(String(message))
  return opening === null ? undefined : Number(opening[1])
}

function primaryOf(error: unknown): number | undefined {
  const raw = rawOf(error)
  return raw === undefined ? undefined : raw & 0xff
}

/**
 * The extended code as text for the message, because the driver's message describes only the primary code.
 */
function extendedOf(error: unknown): string {
  const raw = rawOf(error)!
  return raw > 0xff ? ` (SQLite's code ${raw})` : ''
}
