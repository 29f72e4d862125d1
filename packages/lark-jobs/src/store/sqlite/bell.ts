/**
 * Rings callers that wait for jobs. Callers in the same process are woken directly. For callers in other
 * processes, there is a file beside the database, the bell (`jobs.db-bell`): a process that rings writes a
 * byte into this file, and waiting processes watch the file.
 *
 * A ring has no content: a caller that was rung reads the table `waiters`. Waiting callers also read the
 * table at intervals, because the watch of the file may miss a ring. The timer of a pending `wait` keeps the
 * process alive, but the watch does not.
 *
 *   doubtful  the watch has not reported a ring yet, or has missed one
 *   proven    the watch has reported a ring: at the start, one that this process sends to itself
 */
import { closeSync, type FSWatcher, watch } from 'node:fs'
import { STALE } from '../sql/events/waiters.ts'
import { openBell, strike } from './files.ts'

/**
 * Milliseconds between two reads of the table `waiters`. `doubtful` applies while the watch is doubtful, and
 * `proven` while it is proven. `rung` applies after a ring: if the caller that was rung does not take the
 * ring, another caller takes it after `STALE`. `proven` must be well below the interval at which a worker
 * claims without a ring. If `proven` were longer, a claim could find the jobs before the next read, and
 * nothing would show that the watch has missed a ring. (Measured on 2026-11-25: with reads and maintenance
 * every 250 ms, the main thread of an idle worker woke 9 times a second and used 0.23 % of a core. With these
 * values, it wakes 3 times a second and uses 0.10 %.)
 *
 * Three ways to wake other processes were measured on 2026-11-24 (2 cores, Node 20.20): the time from the
 * call of a dispatching process until the worker has the job, and the CPU time of an idle worker. The bell
 * file: 0.8 ms p50, 5 ms p99, CPU 0.26 %. A watch of `jobs.db-wal`: 1.0 ms p50, 14 ms p99, CPU 0.23 %, but
 * every commit wakes every process. A read every 5 ms without a watch: 3.7 ms p50, 105 ms p99, CPU 2.9 %.
 */
const LOOK = { doubtful: 250, rung: STALE + 100, proven: 2_000 }

export class Bell {
  readonly #name: string
  readonly #store: string | undefined
  #file: number | undefined
  #watcher: FSWatcher | undefined
  #watching = false
  #isProven = false
  #rings = 0
  #closed = false
  /** Functions that wake the pending calls of `wait`, by the id of the caller. */
  readonly #sleepers = new Map<string, () => void>()

  /**
   * @param file the file of the store; undefined if no other process can see the store
   * @throws STORE_REFUSED
   */
  constructor(name: string, file?: string) {
    this.#name = name
    this.#store = file
    if (file !== undefined) this.#file = openBell(name, file)
  }

  /** Call this when another database file is at the path. All waiting callers wake and read the new file. */
  renew(): void {
    if (this.#store === undefined || this.#closed) return
    const isWatched = this.#watching
    this.#letGo()
    try {
      this.#file = openBell(this.#name, this.#store)
    } catch {
      // Without the bell, callers still read the table at intervals.
    }
    if (isWatched) this.#watch()
    this.#wake()
  }

  /**
   * Wakes the callers that wait in this process. If some of `callers` wait in other processes, these
   * processes are rung.
   */
  ring(callers: readonly string[]): void {
    if (callers.length === 0) return
    const here = callers.filter((caller) => this.#sleepers.has(caller))
    this.#wake()
    if (here.length < callers.length) this.#tellOthers()
  }

  /**
   * Calls `look` after each ring and at intervals, until `look` finds something.
   * @returns the result of `look`. The result is empty if the timeout has passed, the signal is aborted or
   * the bell is closed
   */
  async wait(
    caller: string,
    timeout: number,
    signal: AbortSignal | undefined,
    look: () => Promise<string[]>,
  ): Promise<string[]> {
    const deadline = performance.now() + timeout
    this.#watch()
    // Whether a ring came since the previous call of `look`. Before the first call this is not known, and
    // counts as true.
    let rang = true
    let byClock = false
    while (!this.#closed && !signal?.aborted) {
      const rings = this.#rings
      const found = await look().catch((error) => {
        if (this.#closed) return []
        throw error
      })
      if (found.length > 0 && byClock) this.#isProven = false
      const left = deadline - performance.now()
      if (found.length > 0 || left <= 0) return found
      if (rings === this.#rings) await this.#sleep(caller, Math.min(left, this.#pause(rang)), signal)
      rang = rings !== this.#rings
      byClock = !rang
    }
    return []
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#letGo()
    this.#wake()
  }

  #letGo(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#watching = false
    this.#isProven = false
    if (this.#file !== undefined) closeSync(this.#file)
    this.#file = undefined
  }

  #pause(rang: boolean): number {
    if (this.#store !== undefined && !this.#isProven) return LOOK.doubtful
    return rang ? LOOK.rung : LOOK.proven
  }

  #sleep(caller: string, ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#closed || signal?.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', wake)
        if (this.#sleepers.get(caller) === wake) this.#sleepers.delete(caller)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      signal?.addEventListener('abort', wake, { once: true })
      this.#sleepers.set(caller, wake)
    })
  }

  #wake(): void {
    this.#rings += 1
    for (const wake of [...this.#sleepers.values()]) wake()
  }

  #tellOthers(): void {
    if (this.#file === undefined || this.#closed) return
    try {
      strike(this.#file)
    } catch {
      // A ring that fails is not an error: the jobs are committed, and other processes read the table at
      // intervals.
    }
  }

  #watch(): void {
    if (this.#store === undefined || this.#watching) return
    this.#watching = true
    try {
      this.#watcher = watch(`${this.#store}-bell`, { persistent: false }, () => {
        this.#isProven = true
        this.#wake()
      })
      // Without the bell, callers still read the table at intervals.
      this.#watcher.on('error', () => {
        this.#watcher?.close()
        this.#isProven = false
      })
      this.#tellOthers()
    } catch {
      // The system allows no further file watches. Callers find their jobs when they read the table at
      // intervals.
    }
  }
}
