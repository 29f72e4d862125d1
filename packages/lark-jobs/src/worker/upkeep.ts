/**
 * What every worker does for all: takes jobs back from the dead, forgets what is past its age, and makes itself
 * known. Each round does a bounded piece of work; what fails is done again in the next.
 */

import type { WorkerRecord } from '../record.ts'
import { MAX_ITEMS, type Store } from '../store/store.ts'
import type { Report } from './report.ts'

/** Milliseconds between two looks at what is due to be done. */
const TICK = 250
/** Milliseconds between two announcements, and how long one holds. */
export const ANNOUNCE = { every: 5_000, holds: 20_000 }
/** Milliseconds between two sweeps of a partition for ended jobs past their age. */
const PRUNE = 30_000

interface Chores {
  recoverAt: number
  pruneAt: number
}

export class Upkeep {
  readonly #store: Store
  readonly #lease: number
  readonly #record: () => WorkerRecord
  readonly #report: Report
  readonly #trouble: (error: unknown) => void
  readonly #chores = new Map<string, Chores>()
  #announceAt = 0
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> | undefined
  #stopped = false

  constructor(
    store: Store,
    partitions: readonly string[],
    lease: number,
    record: () => WorkerRecord,
    report: Report,
    trouble: (error: unknown) => void,
  ) {
    this.#store = store
    this.#lease = lease
    this.#record = record
    this.#report = report
    this.#trouble = trouble
    const now = performance.now()
    for (const partition of partitions) {
      // Spread: many workers of many queues should not sweep in step.
      this.#chores.set(partition, { recoverAt: now, pruneAt: now + Math.random() * PRUNE })
    }
  }

  /** The first round is over when this resolves: the worker is known. */
  async start(): Promise<void> {
    await this.#tick()
    if (!this.#stopped) this.#timer = setInterval(() => void this.#tick(), TICK)
  }

  /** Makes the worker's state known now. */
  announce(): Promise<void> {
    this.#announceAt = performance.now() + ANNOUNCE.every
    return this.#store.announce(this.#record(), ANNOUNCE.holds)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#round
  }

  #tick(): Promise<void> {
    this.#round ??= this.#work()
      .catch(this.#trouble)
      .finally(() => {
        this.#round = undefined
      })
    return this.#round
  }

  async #work(): Promise<void> {
    if (performance.now() >= this.#announceAt) await this.announce()
    for (const [partition, chores] of this.#chores) {
      if (this.#stopped) return
      if (performance.now() >= chores.recoverAt) await this.#recover(partition, chores)
      if (performance.now() >= chores.pruneAt) await this.#prune(partition, chores)
    }
  }

  async #recover(partition: string, chores: Chores): Promise<void> {
    const { recovered, failed, nextLeaseEnd } = await this.#store.recover(partition)
    this.#tell(partition, recovered.length, failed.length)
    // A lease taken after this look lasts at least as long as a lease.
    chores.recoverAt = performance.now() + Math.min(nextLeaseEnd ?? Number.POSITIVE_INFINITY, this.#lease)
  }

  #tell(queue: string, recovered: number, failed: number): void {
    if (recovered > 0) this.#report.warn(`Took ${jobs(recovered)} back from a worker that died (${queue})`)
    if (failed > 0) this.#report.warn(`Failed ${jobs(failed)} whose workers died again and again (${queue})`)
  }

  async #prune(partition: string, chores: Chores): Promise<void> {
    const removed = await this.#store.prune(partition)
    if (removed < MAX_ITEMS) chores.pruneAt = performance.now() + PRUNE * (0.75 + Math.random() / 2)
  }
}

function jobs(count: number): string {
  return count === 1 ? '1 job' : `${count} jobs`
}
