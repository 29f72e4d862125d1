/**
 * The gate through which the jobs of all workers of this process start. The gate counts the running jobs. The
 * gate closes for a suspect, because a suspect must run alone (`store/contract/rules/after-run.ts`).
 * `suspects.ts` decides when the gate closes. There is one suspect at the gate at a time.
 *
 *   open     jobs start
 *   closed   no other job starts, because a suspect runs alone, or waits until no other job runs
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

  /** The suspect that keeps other jobs from starting, in the form in which the worker's record shows it. */
  get alone(): WorkerRecord['alone'] {
    return this.#isClosed ? { job: this.#suspect!.job.id, until: this.#until } : undefined
  }

  get hasSuspect(): boolean {
    return this.#suspect !== undefined
  }

  /** @param opened called when jobs may start again @returns a function that unsubscribes */
  watch(opened: () => void): () => void {
    this.#opened.add(opened)
    return () => this.#opened.delete(opened)
  }

  /**
   * Brings a suspect to the gate. There must be no other suspect at the gate.
   *
   * @param closes whether other jobs must wait until `open` is called
   * @param ms within how many milliseconds the gate opens
   */
  take(suspect: HeldJob, closes: boolean, ms: number): void {
    this.#suspect = suspect
    this.#isClosed = closes
    this.opensIn(ms)
  }

  /** Notes that the gate will open within this many milliseconds. */
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

  /** Notes that a job has started. */
  entered(): void {
    this.running++
  }

  /**
   * Notes that a job has left its slot. The job has ended, or was given back although its handler still runs.
   */
  left(held: HeldJob): void {
    this.running--
    if (held === this.#suspect) this.leave(held)
    if (this.running === 0) this.#emptied?.()
  }

  /** Removes the suspect from the gate, whether it has started or not. */
  leave(suspect: HeldJob): void {
    if (suspect !== this.#suspect) return
    this.#suspect = undefined
    this.open()
  }
}

export const startGate = new StartGate()
