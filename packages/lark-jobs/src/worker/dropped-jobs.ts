/**
 * Warns when the store has removed failed jobs before they were old enough. The store is asked only after a
 * job of this worker has failed for good. So a worker whose jobs succeed makes no extra calls.
 */

import { queueOf } from '../model/partition.ts'
import type { Store } from '../store/contract/store.ts'
import { droppedWords } from '../words/dropped-words.ts'
import type { WorkerReport } from './report.ts'

/**
 * Milliseconds between two calls that ask about a partition, and between a warning and the next such call.
 */
const LOOK = 1_000
const AGAIN = 60_000

/** @returns a function that the worker calls when a job has failed for good */
export function warnsOfDropped(store: Store, report: WorkerReport): (of: { partition: string }) => void {
  const dropped = new DroppedJobs(store, report)
  return ({ partition }) => dropped.failed(partition)
}

class DroppedJobs {
  readonly #store: Store
  readonly #report: WorkerReport
  /**
   * For each partition: when the store may be asked again (by `performance.now()`), and how many failed jobs
   * the store had removed when it was last asked.
   */
  readonly #seen = new Map<string, { nextAt: number; count: number }>()

  constructor(store: Store, report: WorkerReport) {
    this.#store = store
    this.#report = report
  }

  /** Notes that a job of a partition has failed for good. */
  failed(partition: string): void {
    const seen = this.#seen.get(partition) ?? { nextAt: 0, count: 0 }
    const now = performance.now()
    if (now < seen.nextAt) return
    seen.nextAt = now + LOOK
    this.#seen.set(partition, seen)
    // If the store does not answer, it is asked again after the next job that fails.
    void this.#look(partition, seen).catch(() => {})
  }

  async #look(partition: string, seen: { nextAt: number; count: number }): Promise<void> {
    const [now, [found]] = await Promise.all([this.#store.now(), this.#store.standings([partition])])
    const { count, at } = found?.dropped ?? { count: 0, at: 0 }
    const isNew = count > seen.count && at > now - AGAIN
    seen.count = count
    if (!isNew) return
    seen.nextAt = performance.now() + AGAIN
    const queue = queueOf(partition)
    this.#report.warn(`${queue}: ${droppedWords({ count, at }, now)}`, { do: 'see-failures', queue })
  }
}
