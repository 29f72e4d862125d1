/**
 * A job has paused its queue (`Job.pauseQueue`). The store pauses the partition of the job in the same step that puts
 * the job back. This pauses the other partitions of the queue that the worker serves. If a call fails, jobs of that
 * partition begin, and pause it when they meet the same trouble.
 */
import type { Outcome } from '../model/record.ts'
import { textOf } from '../model/thrown.ts'
import type { Store } from '../store/contract/store.ts'
import type { Claimer } from './fetch/claimer.ts'

/**
 * @param own the claimer of the job
 * @param warn told of a partition that could not be paused
 */
export function pauseOthers(
  store: Store,
  claimers: Iterable<Claimer>,
  own: Claimer,
  { in: ms, because }: Outcome & { kind: 'released' },
  warn: (text: string) => void,
): void {
  for (const { queue, partition } of claimers) {
    if (queue !== own.queue || partition === own.partition) continue
    store
      .configure(partition, { paused: true, for: ms, because, keepsLonger: true })
      .catch((error) => warn(`${partition} was not paused with the rest of its queue: ${textOf(error)}`))
  }
}
