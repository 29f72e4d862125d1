/**
 * The gate through which the jobs of all workers of this process start. It counts the jobs that run, and
 * closes for a suspect (`store/contract/rules/after-run.ts`), which must run alone; `suspects.ts` decides
 * when. There is one suspect at a time.
 *
 *   open     jobs start
 *   closed   no other job starts: a suspect waits until no other job runs, or it runs alone
 */
import type { WorkerRecord } from '../../model/record.ts'
import type { HeldJob } from '../lease/ledger.ts'

class StartGate {
  /** How many jobs run. */
  running = 0
  #suspect: HeldJob | undefined
  #isClosed = false
  #until = 0
  readonly #opened = new Set<() => void>()
  #emptied: (() => void) | undefined

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** The suspect beside which no job starts, as it is shown to people. */
  get alone(): WorkerRecord['alone'] {
    return this.#isClosed ? { job: this.#suspect!.job.id, until: this.#until } : undefined
  }

  get hasSuspect(): boolean {
    return this.#suspect !== undefined
  }

  /** @param opened called when jobs may start again @returns a function that ends these calls */
  watch(opened: () => void): () => void {
    this.#opened.add(opened)
    return () => this.#opened.delete(opened)
  }

  /**
   * A suspect comes to the gate. There must be no other suspect at the gate.
   *
   * @param closes whether no other job starts until `open`
   * @param ms see `opensIn`
   */
  take(suspect: HeldJob, closes: boolean, ms: number): void {
    this.#suspect = suspect
    this.#isClosed = closes
    this.opensIn(ms)
  }

  /** Notes that the gate opens within this many milliseconds. */
  opensIn(ms: number): void {
    this.#until = Date.now() + ms
  }

  /** Lets other jobs start beside the suspect. */
  open(): void {
    if (!this.#isClosed) return
    this.#isClosed = false
    for (const opened of this.#opened) opened()
  }

  /** Resolves when no job runs. */
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

  /** A job has left its slot: it has ended, or was given back although its handler still runs. */
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
