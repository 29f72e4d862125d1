/** The progress of a call that goes through many jobs, and when it ends. */

import type { AlterVerdict } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'

/**
 * Options of a call that goes through many jobs: it reports its progress, and ends between two lots of jobs
 * when it is aborted. Jobs that were changed by then stay changed, and are in its answer.
 */
export interface PassageOptions {
  signal?: AbortSignalLike
  /** @param changed how many of them were changed */
  onProgress?: (done: number, found: number, changed: number) => void
}

export class Passage {
  readonly #options: PassageOptions
  #done = 0
  #found = 0
  #changed = 0
  #isBound = false

  constructor(options: PassageOptions = {}) {
    this.#options = options
  }

  /** Whether the call should end here. */
  get isOver(): boolean {
    return !this.#isBound && (this.#options.signal?.aborted ?? false)
  }

  /** Calls a function that has to finish what it does, although the passage ends. */
  async bound<T>(act: () => Promise<T>): Promise<T> {
    this.#isBound = true
    try {
      return await act()
    } finally {
      this.#isBound = false
    }
  }

  /** Counts jobs that the call will go through. */
  found(count: number): void {
    this.#found += count
  }

  /** Counts jobs that the call has processed. */
  passed(count: number, verdicts: readonly AlterVerdict[]): Promise<void> {
    this.#done += count
    this.#changed += verdicts.filter((verdict) => verdict === 'done' || verdict === 'asked').length
    this.#options.onProgress?.(this.#done, Math.max(this.#done, this.#found), this.#changed)
    return this.turn()
  }

  /**
   * Lets timers, signals and other requests run. The embedded store answers without a turn of the event loop,
   * so a change of 100,000 jobs would block the process for 13 seconds.
   */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}
