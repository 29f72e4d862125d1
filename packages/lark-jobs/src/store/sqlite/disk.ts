/**
 * Watches the free space on the disk of a store's file, so that a store can still end jobs when its disk is
 * full.
 *
 * A commit needs space in the write-ahead log. A checkpoint, which moves the log into the file, needs space
 * for new pages of the file. On a full disk both fail, so no job could end and free space. Therefore
 * dispatches leave a reserve, which only calls that settle and claim may use. When there is little free space
 * beyond the reserve, the log is emptied often, so that its space can be used again.
 *
 *   plenty   only the free space is checked, ten times a second
 *   near     every dispatch is checked
 *   tight    every dispatch is checked, and the log is kept short
 */
import { statfsSync, statSync } from 'node:fs'

/**
 * The reserve: bytes that dispatches leave free. On a small disk the reserve is at most a quarter of the
 * disk. The largest call of a worker settles 1 MiB of jobs and claims 1 MiB. Such a call writes each of these
 * jobs to the log once, and also the results.
 */
export const RESERVE = 4 << 20
/** If more bytes than this are free, the disk cannot become full between two checks of the free space. */
const PLENTY = 64 << 20
/** Milliseconds between two checks of the free space. (Measured on 2026-11-25: one check takes 3 µs.) */
const LOOK = 100
/**
 * An estimate of the bytes that a call writes in addition to its jobs, because the call also changes other
 * pages.
 */
const PAGES = 64 << 10

/**
 * If a write-ahead log has more than `bytes` bytes, it is emptied after `ms` milliseconds without a write to
 * the log.
 */
const LEFT = { bytes: 1 << 20, ms: 1_000 }

/** The size of a file, in bytes, as a transaction sees it. */
export interface Extent {
  /** The bytes of all pages, including those that are only in the write-ahead log. */
  size: number
  /** The bytes of pages in the file that are unused, so that new rows can take them. */
  free: number
}

export class Disk {
  readonly #path: string
  #lookAt = 0
  /** Free bytes of the disk. The value is infinite if the system does not report it. */
  free = Number.POSITIVE_INFINITY
  reserve = RESERVE

  constructor(path: string) {
    this.#path = path
  }

  get isTight(): boolean {
    return this.free < this.reserve * 4
  }

  /** Whether the free space may be too small for a dispatch. */
  get isNear(): boolean {
    return this.free < PLENTY
  }

  /** Whether the write-ahead log takes much of the reserve. */
  get isLogLong(): boolean {
    return sizeOf(`${this.#path}-wal`) > this.reserve / 4
  }

  /** Whether the log is long and no process has written to it for a while. */
  get isLogLeft(): boolean {
    const log = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })
    return log !== undefined && log.size > LEFT.bytes && Math.abs(Date.now() - log.mtimeMs) > LEFT.ms
  }

  /** Checks the free space, at most ten times a second. */
  look(): void {
    const now = performance.now()
    if (now < this.#lookAt) return
    this.#lookAt = now + LOOK
    this.#ask()
  }

  /**
   * Whether the reserve stays free after jobs of this many bytes are written. If the jobs fit into free pages
   * of the file, half of the reserve must stay free: such jobs take space only in the log, and a checkpoint
   * frees that space.
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
      // The file is gone, or the system does not report the free space. Then dispatches are not refused in
      // advance, and a write that does not fit fails.
    }
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}
