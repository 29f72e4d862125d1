/**
 * Brings a ring to a `wait`: directly in this process, and in other processes through a file beside the
 * database (`jobs.db-bell`), to which the ringing process writes a byte, and which the waiting processes
 * watch.
 *
 * A ring has no content: a waiting caller reads the table of waiters. It also reads the table at intervals,
 * in case the watch misses a ring. Only the timer of a pending wait keeps the process alive.
 *
 *   doubtful  it is not known whether the watch works, or it has missed a ring
 *   proven    the watch has reported a ring: at the start, one that this process sends to itself
 */
import { closeSync, type FSWatcher, watch } from 'node:fs'
import { STALE } from '../sql/events/waiters.ts'
import { openBell, strike } from './files.ts'

/**
 * Milliseconds between two looks into the table of waiters. `doubtful`: while the watch is doubtful. `rung`:
 * after a ring, because a ring that its caller does not take goes to another caller. `proven`: otherwise;
 * this is well below the interval at which a worker asks without a ring, because such a call would hide that
 * the watch has missed a ring. (Measured on 2026-11-25: with a look every 250 ms in all cases, and
 * maintenance as often, the main thread of an idle worker woke 9 times a second and used 0.23 % of a core;
 * now it wakes 3 times and uses 0.10 %.)
 *
 * Measured on 2026-11-24 (2 cores, Node 20.20; from the call of a dispatching process until the worker has
 * the job): bell file: 0.8 ms p50, 5 ms p99, idle CPU 0.26 %. Watching `jobs.db-wal` instead: 1.0 and 14 ms,
 * 0.23 %, but every commit wakes every process. Looking every 5 ms without a watch: 3.7 and 105 ms, 2.9 %.
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
  /** The pending `wait` calls, by caller. */
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

  /** Called when another file is at the path: all waiting callers look into that file. */
  renew(): void {
    if (this.#store === undefined || this.#closed) return
    const isWatched = this.#watching
    this.#letGo()
    try {
      this.#file = openBell(this.#name, this.#store)
    } catch {
      // Without the bell, callers still look at the store periodically.
    }
    if (isWatched) this.#watch()
    this.#wake()
  }

  /**
   * Wakes the callers that wait in this process, and rings other processes if there may be waiting callers
   * there.
   */
  ring(callers: readonly string[]): void {
    if (callers.length === 0) return
    const here = callers.filter((caller) => this.#sleepers.has(caller))
    this.#wake()
    if (here.length < callers.length) this.#tellOthers()
  }

  /**
   * Calls `look` until it finds something.
   * @returns the result of `look`; empty if the time is over, the signal is aborted or the bell is closed
   */
  async wait(
    caller: string,
    timeout: number,
    signal: AbortSignal | undefined,
    look: () => Promise<string[]>,
  ): Promise<string[]> {
    const deadline = performance.now() + timeout
    this.#watch()
    // Whether the watch reported anything since the previous look. Before the first look this is not known.
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
      // The jobs are committed already, and the other processes look at intervals anyway.
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
      // Without the bell, callers still look at the store periodically.
      this.#watcher.on('error', () => {
        this.#watcher?.close()
        this.#isProven = false
      })
      this.#tellOthers()
    } catch {
      // The machine has no more file watches: the looks at intervals must be enough.
    }
  }
}
