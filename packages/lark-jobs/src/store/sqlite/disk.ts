/**
 * The free space on the disk of a store's file, so that a store which fills its disk can still end jobs.
 *
 * A commit needs space in the write-ahead log. A checkpoint moves the log into the file, and needs space for
 * new pages there. On a full disk neither works, and no job could end and free space. So dispatches leave a
 * reserve for calls that settle and claim. Near the reserve the log is kept short, so that its space is used
 * again and again.
 *
 *   plenty   only the free space is checked, ten times a second
 *   near     every dispatch is checked
 *   tight    the log is also kept short
 */
import { statfsSync, statSync } from 'node:fs'

/**
 * Bytes that dispatches leave free, but no more than a quarter of a small disk. The largest call of a worker
 * settles 1 MiB of jobs and claims as many; each job is written to the log once, with a little more for
 * results.
 */
export const RESERVE = 4 << 20
/** While more bytes than this are free, no process can fill the disk between two looks. */
const PLENTY = 64 << 20
/** Milliseconds between two looks. (Measured on 2026-11-25: a look takes 3 µs.) */
const LOOK = 100
/** Bytes that a call writes in addition to its jobs: the other pages that it changes. */
const PAGES = 64 << 10

/** A log of more than `bytes` is emptied when nothing was written to it for `ms` milliseconds. */
const LEFT = { bytes: 1 << 20, ms: 1_000 }

/** The size of a file, in bytes, as a transaction sees it. */
export interface Extent {
  /** Includes pages that are only in the log. */
  size: number
  /** The bytes of the file that are free for new rows. */
  free: number
}

export class Disk {
  readonly #path: string
  #lookAt = 0
  /** Free bytes; infinite if the system does not report the free space. */
  free = Number.POSITIVE_INFINITY
  reserve = RESERVE

  constructor(path: string) {
    this.#path = path
  }

  get isTight(): boolean {
    return this.free < this.reserve * 4
  }

  /** Whether there may be too little space for a dispatch. */
  get isNear(): boolean {
    return this.free < PLENTY
  }

  /** Whether the write-ahead log takes much of the reserve. */
  get isLogLong(): boolean {
    return sizeOf(`${this.#path}-wal`) > this.reserve / 4
  }

  /** Whether the log is still long after a peak, and was not written to for a while. */
  get isLogLeft(): boolean {
    const log = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })
    return log !== undefined && log.size > LEFT.bytes && Math.abs(Date.now() - log.mtimeMs) > LEFT.ms
  }

  /** Checks the free space again, unless the last check was a moment ago. */
  look(): void {
    const now = performance.now()
    if (now < this.#lookAt) return
    this.#lookAt = now + LOOK
    this.#ask()
  }

  /**
   * Whether jobs with this many bytes leave the reserve free. If they fit into free pages of the file, half
   * of the reserve is enough: they only take space in the log, which becomes free again.
   */
  takes(bytes: number, { size, free }: Extent): boolean {
    this.#ask()
    const written = bytes + PAGES
    const inFile = Math.max(0, size - sizeOf(this.#path))
    const grows = Math.max(0, written - free)
    return this.free - written - inFile - grows >= (grows > 0 ? this.reserve : this.reserve / 2)
  }

  #ask(): void {
    try {
      const { bsize, blocks, bavail } = statfsSync(this.#path)
      if (blocks === 0) return
      this.free = bavail * bsize
      this.reserve = Math.min(RESERVE, (blocks * bsize) / 4)
    } catch {
      // The file is gone, or the system does not report the space: a write that does not fit will be refused.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
