/**
 * Whether a worker's queues are done: nothing waits, nothing is active anywhere, nothing is due within a minute.
 *
 * Jobs of a key that no class here has do not count: a worker without their class could wait for ever.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../store/store.ts'
import type { Claimer } from './claimer.ts'
import type { Registry } from './registry.ts'

/** Milliseconds. */
const SOON = 60_000

/** Milliseconds between two looks. */
const LOOK = 250

export class Emptiness {
  readonly #store: Store
  readonly #claimers: readonly Claimer[]
  readonly #registry: Registry
  #looking = false

  constructor(store: Store, claimers: readonly Claimer[], registry: Registry) {
    this.#store = store
    this.#claimers = claimers
    this.#registry = registry
  }

  /** One look, and a pause after one that found something. @returns undefined while another is under way */
  async look(signal: AbortSignal): Promise<boolean | undefined> {
    if (this.#looking) return undefined
    this.#looking = true
    try {
      if (await this.#isEmpty()) return true
      await pause(LOOK, undefined, { signal }).catch(() => {})
      return false
    } finally {
      this.#looking = false
    }
  }

  async #isEmpty(): Promise<boolean> {
    for (const claimer of this.#claimers) {
      const { waiting, active } = await this.#store.counts(claimer.partition)
      if (waiting > 0 || active > 0) return false
      const dueIn = claimer.nextDue - performance.now()
      if (dueIn <= SOON && (await someKnown(this.#store, claimer.partition, SOON - dueIn, this.#registry)))
        return false
    }
    return true
  }
}

/** Whether a delayed job that is due at most `within` milliseconds after the first has a class here. */
async function someKnown(
  store: Store,
  partition: string,
  within: number,
  registry: Registry,
): Promise<boolean> {
  const { jobs } = await store.list(partition, { state: 'delayed' })
  const first = jobs[0]?.dueAt ?? 0
  return jobs.some((job) => (job.dueAt ?? 0) - first <= within && registry.find(job.key) !== undefined)
}
