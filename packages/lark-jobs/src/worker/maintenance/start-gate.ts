/**
 * What runs in this process, of all its workers, and the suspect (`store/contract/recovery.ts`) that waits or runs alone in it, of
 * which there is one at a time.
 *
 *   open     jobs start
 *   closed   a suspect waits until nothing else runs, or runs alone: nothing else starts
 */
import type { HeldJob } from '../lease/ledger.ts'

class StartGate {
  /** Jobs that run. */
  running = 0
  #suspect: HeldJob | undefined
  #isClosed = false
  readonly #opened = new Set<() => void>()
  #emptied: (() => void) | undefined

  get isClosed(): boolean {
    return this.#isClosed
  }

  get hasSuspect(): boolean {
    return this.#suspect !== undefined
  }

  /** @param opened called when jobs may start again @returns ends the calls */
  watch(opened: () => void): () => void {
    this.#opened.add(opened)
    return () => this.#opened.delete(opened)
  }

  /** A suspect takes the floor, where there is none. @param closes nothing else starts until `open` */
  take(suspect: HeldJob, closes: boolean): void {
    this.#suspect = suspect
    this.#isClosed = closes
  }

  /** Lets other jobs start beside the suspect. */
  open(): void {
    if (!this.#isClosed) return
    this.#isClosed = false
    for (const opened of this.#opened) opened()
  }

  /** Resolves when nothing runs. */
  emptied(): Promise<void> {
    if (this.running === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#emptied = resolve
    })
  }

  isTakenBy(suspect: HeldJob): boolean {
    return suspect === this.#suspect
  }

  /** A job has started. */
  entered(): void {
    this.running++
  }

  /** A job that had begun has ended, or its place is free though its handler still runs. */
  left(held: HeldJob): void {
    this.running--
    if (held === this.#suspect) this.leave(held)
    if (this.running === 0) this.#emptied?.()
  }

  /** A suspect leaves, whether it started or not. */
  leave(suspect: HeldJob): void {
    if (suspect !== this.#suspect) return
    this.#suspect = undefined
    this.open()
  }
}

export const startGate = new StartGate()
