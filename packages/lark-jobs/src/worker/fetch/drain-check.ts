/**
 * Checks whether a worker's queues are empty (`stopWhenEmpty`). A queue is empty if no job waits, no job is
 * active on any worker, and no job is due within a minute. A flow may queue more jobs when one of its jobs
 * ends, so the queues do not count as empty while this worker advances flows.
 *
 * Delayed jobs without a class in this process are ignored, because the worker could wait for them for ever.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import type { Registry } from '../../options/registry.ts'
import { MAX_STANDINGS, type Standing, type Store } from '../../store/contract/store.ts'
import type { ServedPartitions } from './served-partitions.ts'

/** A job that is due within this many milliseconds keeps the worker from ending. */
const SOON = 60_000

/** How many calls are made at the same time. */
const TOGETHER = 10

/** Milliseconds between two checks. */
const LOOK = 250

export class DrainCheck {
  readonly #store: Store
  readonly #served: ServedPartitions
  readonly #registry: Registry
  readonly #advances: () => boolean
  #looking = false

  /** @param advances whether this worker advances flows, or is about to */
  constructor(store: Store, served: ServedPartitions, registry: Registry, advances: () => boolean) {
    this.#store = store
    this.#served = served
    this.#registry = registry
    this.#advances = advances
  }

  /**
   * Checks once. If the check finds a job or fails, this method pauses before it returns. (An embedded store
   * answers without giving the event loop a turn, so a loop of checks without pauses would block the event
   * loop.)
   *
   * @returns undefined while another check is under way
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
   * Reads the counts, the delayed jobs, and the counts again. During the first two readings a job may have
   * become due, or may have dispatched a job into a queue that was already read. Finally the check looks for
   * new partitions.
   */
  async #isEmpty(): Promise<boolean> {
    if (this.#advances()) return false
    const { partitions } = this.#served
    const before = await this.#delayed(partitions)
    if (before === undefined) return false
    for (const [i, partition] of partitions.entries()) {
      if (before[i]! > 0 && (await this.#isKnownSoon(partition))) return false
    }
    const after = await this.#delayed(partitions)
    if (after === undefined || !after.every((count, i) => count === before[i])) return false
    return !this.#served.meet(await this.#store.partitions()) && !this.#advances()
  }

  /**
   * How many jobs are delayed in each partition. Undefined if a job is waiting or active in one of the
   * partitions.
   */
  async #delayed(partitions: readonly string[]): Promise<number[] | undefined> {
    const delayed: number[] = []
    for (let i = 0; i < partitions.length; i += MAX_STANDINGS * TOGETHER) {
      const some = partitions.slice(i, i + MAX_STANDINGS * TOGETHER)
      const calls: Promise<Standing[]>[] = []
      for (let n = 0; n < some.length; n += MAX_STANDINGS)
        calls.push(this.#store.standings(some.slice(n, n + MAX_STANDINGS)))
      const standings = (await Promise.all(calls)).flat()
      for (const { damage } of standings) if (damage !== undefined) throw damage
      const counts = standings.map((each) => each.counts)
      if (counts.some(({ waiting, active }) => waiting > 0 || active > 0)) return undefined
      delayed.push(...counts.map((each) => each.delayed))
    }
    return delayed
  }

  /** Whether a job whose class this process knows is due within a minute. */
  async #isKnownSoon(partition: string): Promise<boolean> {
    const soon = (await this.#store.now()) + SOON
    let cursor: string | undefined
    do {
      const page = await this.#store.list(partition, {
        state: 'delayed',
        ...defined({ cursor }),
      })
      const due = page.jobs.filter((job) => (job.dueAt ?? 0) <= soon)
      if (due.some((job) => this.#registry.find(job.key) !== undefined)) return true
      cursor = due.length === page.jobs.length ? page.cursor : undefined
    } while (cursor !== undefined)
    return false
  }
}
