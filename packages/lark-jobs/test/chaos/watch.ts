/**
 * Reads at short intervals how many jobs of the limited queues are active, as counted by the store. A reading
 * fails while the store is away, and is left out.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../src/store/contract/store.ts'
import type { LimitedQueue } from './evidence.ts'

/** Milliseconds between two readings. */
const LOOK = 10

export class Watch implements AsyncDisposable {
  readonly #store: Store
  readonly #end = new AbortController()
  readonly #watching: Promise<LimitedQueue>[]

  /** @param limits how many jobs may be active at the same time, by queue */
  constructor(store: Store, limits: Readonly<Record<string, number>>) {
    this.#store = store
    this.#watching = Object.entries(limits).map(([queue, most]) => this.#watch(queue, most))
  }

  /** Stops reading, and returns what was read. */
  stop(): Promise<LimitedQueue[]> {
    this.#end.abort()
    return Promise.all(this.#watching)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #watch(queue: string, most: number): Promise<LimitedQueue> {
    const seen: LimitedQueue = { queue, most, looks: 0, active: [] }
    while (!this.#end.signal.aborted) {
      const counts = await this.#store.counts(queue).catch(() => undefined)
      if (counts !== undefined) {
        seen.looks += 1
        if (seen.active.at(-1)?.count !== counts.active)
          seen.active.push({ at: Date.now(), count: counts.active })
      }
      await pause(LOOK)
    }
    return seen
  }
}
