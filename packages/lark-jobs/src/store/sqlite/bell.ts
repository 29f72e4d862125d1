/**
 * How a ring reaches a `wait`: in this process directly, in another through a file beside the database that
 * the ringer writes a byte to and the waiting watch (`jobs.db-bell`).
 *
 * A ring carries no content: who waits looks into the table of waiters. Looks by the clock make up for rings that
 * no watch reports. Nothing here keeps a process alive but the timer of a pending wait.
 *
 *   doubtful  it is not known that the watch hears anything, or a look by the clock found what it had not heard
 *   proven    it has heard a ring: at the start one of its own, that is for nobody
 */
import { closeSync, type FSWatcher, watch } from 'node:fs'
import { openBell, strike } from './files.ts'
import { STALE } from './waiters.ts'

/**
 * Milliseconds between two looks by the clock: while the watch is doubtful; after a ring, which is anybody's if the
 * one that it was for does not hear it; else. The last is well below the time after which a worker asks without a ring,
 * which would hide that the watch has missed one. (Measured on 2026-11-25: with a look every 250 ms, whatever the watch
 * hears, and the upkeep's as often, the main thread of an idle worker woke 9 times a second for 0.23 % of a core, and
 * now 3 times for 0.10 %.)
 *
 * Measured on 2026-11-24 (2 cores, Node 20.20, another process dispatching; from its call to the job in hand):
 * doorbell file: 0.8 ms p50, 5 ms p99, idle CPU 0.26 %. Watching `jobs.db-wal` instead: 1.0 and 14 ms, 0.23 %,
 * but every commit of anyone wakes everyone. Looking every 5 ms without a watch: 3.7 and 105 ms, 2.9 %.
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
  /** Those who sleep in `wait`, by caller. */
  readonly #sleepers = new Map<string, () => void>()

  /**
   * @param file the store's; undefined when no other process can see the store
   * @throws STORE_REFUSED
   */
  constructor(name: string, file?: string) {
    this.#name = name
    this.#store = file
    if (file !== undefined) this.#file = openBell(name, file)
  }

  /** Another file is at the path now: everyone who waits looks there. */
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

  /** Wakes the callers that sleep here, and tells other processes if there may be more of them. */
  ring(callers: readonly string[]): void {
    if (callers.length === 0) return
    const here = callers.filter((caller) => this.#sleepers.has(caller))
    this.#wake()
    if (here.length < callers.length) this.#tellOthers()
  }

  /**
   * Looks until something is found.
   * @returns what `look` found; empty when the time is over, the signal aborted or the bell closed
   */
  async wait(
    caller: string,
    timeout: number,
    signal: AbortSignal | undefined,
    look: () => Promise<string[]>,
  ): Promise<string[]> {
    const deadline = performance.now() + timeout
    this.#watch()
    // Since the look before; nobody knows what did before the first.
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
      // What the ring is about is committed; the others look by themselves.
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
      // No more watches to be had on this machine: looking must do.
    }
  }
}
