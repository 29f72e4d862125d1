/**
 * The presence of a store's file: that its path still leads to the file that is open.
 *
 * SQLite goes on with a file that was moved or deleted, and finds its write-ahead log by the path. A new file at that
 * path would share the log with the old one: jobs would go where nobody looks for them, and both files would be
 * spoilt. (Tried: the new one lost its tables.) So whoever finds a log without its file makes no new one, and whoever
 * has the old one open stops using it.
 */
import { existsSync, statSync } from 'node:fs'
import { JobsError } from '../../errors.ts'

/** Milliseconds between two looks. (Measured: a look takes 2 µs.) */
const LOOK = 1_000

export class Presence {
  readonly #name: string
  readonly #path: string
  readonly #inode: bigint | undefined
  #lookAt: number

  /** Of a file that was just opened. */
  constructor(name: string, path: string) {
    this.#name = name
    this.#path = path
    this.#inode = inodeOf(path)
    this.#lookAt = performance.now() + LOOK
  }

  /** @throws STORE_UNREACHABLE when the path has led elsewhere for a second */
  check(): void {
    const now = performance.now()
    if (now < this.#lookAt) return
    if (inodeOf(this.#path) !== this.#inode) {
      throw new JobsError(
        'STORE_UNREACHABLE',
        `${this.#name} was moved or deleted while this process had it open`,
        {
          hint: 'Start the process again. Stop every process that uses the file before you move or delete it.',
        },
      )
    }
    this.#lookAt = now + LOOK
  }
}

/**
 * Called before the file is opened, which makes it. The log is looked for first: whoever makes a file makes its log
 * afterwards, so one that is found without its file was left behind.
 *
 * @throws STORE_REFUSED
 */
export function refuseOrphans(name: string, path: string): void {
  const left = [`${path}-wal`, `${path}-shm`].filter((file) => existsSync(file))
  if (left.length === 0 || existsSync(path)) return
  throw new JobsError(
    'STORE_REFUSED',
    `${name} is gone, but ${left.join(' and ')} ${left.length > 1 ? 'are' : 'is'} still there`,
    {
      hint: 'It was moved or deleted, maybe while a process had it open. Stop that process, then remove these as well.',
    },
  )
}

function inodeOf(path: string): bigint | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })?.ino
}
