/**
 * What SQLite answers when it fails, in the words of the store's contract. A transaction that failed was rolled
 * back, so every failure is certain: nothing here is `STORE_UNCERTAIN`.
 */
import { JobsError } from '../../errors.ts'

/** Another process holds the lock that is needed: worth another try. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error))
}

export function busyTooLong(name: string, ms: number, cause: unknown): JobsError {
  return new JobsError('STORE_UNREACHABLE', `${name} was locked by other processes for ${ms} ms`, {
    cause,
    hint: 'Another program may hold a long transaction on the file.',
  })
}

export function notReplicated(name: string): JobsError {
  return new JobsError('STORE_INVALID', `${name} is one file: it cannot keep durability 'replicated'`, {
    hint: "Use 'strict', which loses nothing in a power cut, or a Redis with a replica.",
  })
}

export function closed(name: string): JobsError {
  return new JobsError('STORE_UNREACHABLE', `${name} is not open`)
}

/** The error that a user should see; what is not SQLite's goes through as it is. */
export function toJobsError(name: string, error: unknown): unknown {
  if (error instanceof JobsError) return error
  const code = codeOf(error)
  const message = error instanceof Error ? error.message : String(error)
  if (code === 'SQLITE_NOTADB') {
    return new JobsError('STORE_INVALID', `${name} is a file, but not an SQLite database`, { cause: error })
  }
  if (code.startsWith('SQLITE_CORRUPT')) {
    return new JobsError('STORE_REFUSED', `${name} is damaged: ${message}`, {
      cause: error,
      hint: 'Move the file away and restore a copy; the sqlite3 program has `.recover`.',
    })
  }
  // The driver gives no code when it cannot open; the folder and the bell fail as files do (EACCES, EROFS).
  if (/^(SQLITE_CANTOPEN|E[A-Z]+$)/.test(code) || /unable to open/i.test(message)) {
    return new JobsError('STORE_UNREACHABLE', `${name} cannot be opened: ${message}`, { cause: error })
  }
  const refusal = refusals.find(([codes]) => codes.test(code))
  if (refusal) {
    return new JobsError('STORE_REFUSED', `${name} refused to write: ${message}`, {
      cause: error,
      hint: refusal[1],
    })
  }
  return error
}

/** Why SQLite does not write, and what to do. */
const refusals: [codes: RegExp, hint: string][] = [
  [
    /^SQLITE_FULL/,
    'Make room on its disk. Nothing of this call was kept, and what was queued before is safe.',
  ],
  [
    /^SQLITE_IOERR/,
    'Look at its disk: full, failing, or a limit on the size of files. Nothing of this call was kept.',
  ],
  [/^SQLITE_(READONLY|PERM|AUTH)/, 'Let this process write to the file and to its folder.'],
  [/^SQLITE_(NOLFS|TOOBIG|NOMEM)/, 'Nothing of this call was kept.'],
]

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code
  return typeof code === 'string' ? code : ''
}
