/**
 * How many bytes of jobs an answer may still carry: a claim, or a page. (Or how many a transaction may still remove.) The first job goes whatever its size. One that
 * does not fit ends the answer, since those behind it must not pass it over.
 */
import { MAX_BYTES } from '../store.ts'

export class Room {
  #left: number
  #isEmpty = true
  /** A job did not fit. */
  isFull = false

  constructor(bytes = MAX_BYTES) {
    this.#left = bytes
  }

  /**
   * @param jobs those that are next, in their order
   * @param among how many lanes the room is for: of its share, this one has one job at least
   * @returns the first of them, as many as go
   */
  take<T extends { bytes: number }>(jobs: readonly T[], among = 1): T[] {
    let count = 0
    let share = this.#left / among
    for (const { bytes } of jobs) {
      this.isFull = !this.#isEmpty && bytes > this.#left
      if (this.isFull || (count > 0 && bytes > share)) break
      count += 1
      share -= bytes
      this.#left -= bytes
      this.#isEmpty = false
    }
    return jobs.slice(0, count)
  }
}
