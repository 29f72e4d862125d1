/**
 * How many bytes of jobs an answer (a claim or a page) may still carry, or how many bytes a transaction may
 * still remove. The first job fits whatever its size. A job that does not fit ends the answer, because later
 * jobs must not pass it.
 */
import { MAX_BYTES } from '../contract/store.ts'

export class Room {
  #left: number
  #isEmpty = true
  /** Whether a job did not fit. */
  isFull = false

  constructor(bytes = MAX_BYTES) {
    this.#left = bytes
  }

  /**
   * @param jobs the next jobs, in their order
   * @param among how many lanes share the room. Each lane may use its share, and at least one job fits
   * @returns the first of these jobs, as many as fit
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
