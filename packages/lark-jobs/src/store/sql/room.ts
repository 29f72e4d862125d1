/**
 * Counts how many bytes of jobs an answer (a claim or a page) may still have, or how many bytes a transaction
 * may still remove. The first job always fits. A job that does not fit is the end of the answer, because
 * later jobs must not go before it.
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
   * @param jobs the next jobs, in the order of the answer
   * @param among how many lanes share the room that is left. The jobs may use one share of the room. Only the
   * first job may be larger than this share
   * @returns as many of the first jobs as fit
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
