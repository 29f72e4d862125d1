/** The progress of a call that goes through many jobs, and whether it should end early. */

import type { AlterVerdict } from '../../store/contract/store.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'

/**
 * Options of a call that goes through many jobs. The call reports its progress. When its signal is aborted,
 * the call ends before the next lot of jobs. Jobs that were already changed stay changed, and the answer
 * counts these jobs.
 */
export interface PassageOptions {
  signal?: AbortSignalLike
  /** @param changed how many of the processed jobs were changed */
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

  /** Whether the call should end now, because its signal is aborted. */
  get isOver(): boolean {
    return !this.#isBound && (this.#options.signal?.aborted ?? false)
  }

  /** Calls a function that must finish its work even if the passage ends meanwhile. */
  async bound<T>(act: () => Promise<T>): Promise<T> {
    this.#isBound = true
    try {
      return await act()
    } finally {
      this.#isBound = false
    }
  }

  /** Adds to the number of jobs that the call will go through. */
  found(count: number): void {
    this.#found += count
  }

  /** Adds to the number of jobs that the call has processed. */
  passed(count: number, verdicts: readonly AlterVerdict[]): Promise<void> {
    this.#done += count
    this.#changed += verdicts.filter((verdict) => verdict === 'done' || verdict === 'asked').length
    this.#options.onProgress?.(this.#done, Math.max(this.#done, this.#found), this.#changed)
    return this.turn()
  }

  /**
   * Lets the event loop run timers, signals and other requests. The embedded store answers synchronously.
   * Without these pauses, a change of 100,000 jobs would block the process for 13 seconds.
   */
  turn(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve))
  }
}
