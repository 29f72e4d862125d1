/**
 * Whether a worker's queues are done: nothing waits, nothing is active anywhere, nothing is due within a minute.
 *
 * Jobs of a key that no class here has do not count: a worker without their class could wait for ever.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Registry } from '../../options/registry.ts'
import { MAX_STANDINGS, type Store } from '../../store/contract/store.ts'
import type { ServedPartitions } from './served-partitions.ts'

/** Milliseconds. */
const SOON = 60_000

/** Calls that are sent together. */
const TOGETHER = 10

/** Milliseconds between two looks. */
const LOOK = 250

export class DrainCheck {
  readonly #store: Store
  readonly #served: ServedPartitions
  readonly #registry: Registry
  #looking = false

  constructor(store: Store, served: ServedPartitions, registry: Registry) {
    this.#store = store
    this.#served = served
    this.#registry = registry
  }

  /**
   * One look, and a pause after one that found something or failed: an embedded store fails without giving the event
   * loop a turn.
   *
   * @returns undefined while another is under way
   */
  async look(signal: AbortSignal): Promise<boolean | undefined> {
    if (this.#looking) return undefined
    this.#looking = true
    let isEmpty = false
    try {
      isEmpty = await this.#isEmpty()
      return isEmpty
    } finally {
      if (!isEmpty) await pause(LOOK, undefined, { signal }).catch(() => {})
      this.#looking = false
    }
  }

  /**
   * Two looks at the counts with the delayed jobs between them, because a job may fall due, or dispatch another into
   * a queue that was looked at already, while the rest is read. And last, a look for partitions that came meanwhile.
   */
  async #isEmpty(): Promise<boolean> {
    const { partitions } = this.#served
    const before = await this.#delayed(partitions)
    if (before === undefined) return false
    for (const [i, partition] of partitions.entries()) {
      if (before[i]! > 0 && (await this.#isKnownSoon(partition))) return false
    }
    const after = await this.#delayed(partitions)
    if (after === undefined || !after.every((count, i) => count === before[i])) return false
    return !this.#served.meet(await this.#store.partitions())
  }

  /** How many jobs are delayed in each partition; undefined when some wait or are active. */
  async #delayed(partitions: readonly string[]): Promise<number[] | undefined> {
    const delayed: number[] = []
    for (let i = 0; i < partitions.length; i += MAX_STANDINGS * TOGETHER) {
      const calls = Array.from(
        { length: Math.min(TOGETHER, Math.ceil((partitions.length - i) / MAX_STANDINGS)) },
        (_, n) => {
          const from = i + n * MAX_STANDINGS
          return this.#store.standings(partitions.slice(from, from + MAX_STANDINGS))
        },
      )
      const standings = (await Promise.all(calls)).flat()
      for (const { damage } of standings) if (damage !== undefined) throw damage
      const counts = standings.map((each) => each.counts)
      if (counts.some(({ waiting, active }) => waiting > 0 || active > 0)) return undefined
      delayed.push(...counts.map((each) => each.delayed))
    }
    return delayed
  }

  /** Whether a job that has a class here falls due within a minute. */
  async #isKnownSoon(partition: string): Promise<boolean> {
    const soon = (await this.#store.now()) + SOON
    let cursor: string | undefined
    do {
      const page = await this.#store.list(partition, {
        state: 'delayed',
        ...(cursor !== undefined && { cursor }),
      })
      const due = page.jobs.filter((job) => (job.dueAt ?? 0) <= soon)
      if (due.some((job) => this.#registry.find(job.key) !== undefined)) return true
      cursor = due.length === page.jobs.length ? page.cursor : undefined
    } while (cursor !== undefined)
    return false
  }
}
