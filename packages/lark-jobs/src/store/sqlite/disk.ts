/**
 * The disk of a store's file, and the room on it, so that a store which fills its disk does not stand still.
 *
 * A commit needs room in the write-ahead log, and the log is emptied into the file, which needs room for what is new
 * there. On a full disk neither goes, and nothing would end that makes room. So dispatches leave a reserve, for those who
 * settle and claim; and near it the log is kept short, so that the room it takes is used again and again.
 *
 *   plenty   nothing is looked at but the free space, ten times a second
 *   near     every dispatch is looked at
 *   tight    the log is short as well
 */
import { statfsSync, statSync } from 'node:fs'

/**
 * Bytes that dispatches leave, but no more than a quarter of a small disk. The largest call of a worker settles 1 MiB of
 * jobs and claims as much; each is written to the log once, and with results a little more.
 */
const RESERVE = 4 << 20
/** Bytes that nobody fills between two looks. */
const PLENTY = 64 << 20
/** Milliseconds between two looks. (Measured on 2026-11-25: a look takes 3 µs.) */
const LOOK = 100
/** Bytes that a call writes beyond its jobs: the pages it touches. */
const PAGES = 64 << 10

/** A log that nobody has written to for so many milliseconds is emptied where it has more bytes than this. */
const LEFT = { bytes: 1 << 20, ms: 1_000 }

/** Of a file, in bytes, as a transaction sees it. */
export interface Extent {
  /** With what is only in the log. */
  size: number
  /** Within it, free for new rows. */
  free: number
}

export class Disk {
  readonly #path: string
  #lookAt = 0
  /** Bytes; of a disk of which the system says nothing, without end. */
  free = Number.POSITIVE_INFINITY
  reserve = RESERVE

  constructor(path: string) {
    this.#path = path
  }

  get isTight(): boolean {
    return this.free < this.reserve * 4
  }

  /** Whether a dispatch may find too little. */
  get isNear(): boolean {
    return this.free < PLENTY
  }

  /** Whether the write-ahead log takes much of what is kept. */
  get isLogLong(): boolean {
    return sizeOf(`${this.#path}-wal`) > this.reserve / 4
  }

  /** Whether the log is still as long as a peak made it, and nobody has written to it for a while. */
  get isLogLeft(): boolean {
    const log = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })
    return log !== undefined && log.size > LEFT.bytes && Math.abs(Date.now() - log.mtimeMs) > LEFT.ms
  }

  /** Looks again, unless it was a moment ago. */
  look(): void {
    const now = performance.now()
    if (now < this.#lookAt) return
    this.#lookAt = now + LOOK
    this.#ask()
  }

  /**
   * Whether jobs of so many bytes leave the reserve. Where the file has room for them within, half of it is enough: all
   * that they take is a part of the log, which comes back.
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
      // The file is gone, or the system does not say: what does not fit is refused when it is written.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
