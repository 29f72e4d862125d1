/**
 * Pauses a queue when one of its jobs has asked for a pause (`Job.pauseQueue`). The store pauses the
 * partition of the job in the same step that puts the job back. This file pauses the other partitions of the
 * queue that the worker serves. If the call for a partition fails, jobs of this partition still begin, and
 * they pause the partition themselves when they meet the same problem. This worker gives back the jobs of the
 * queue that have not begun: the jobs that it has claimed, and the jobs that calls under way bring. Other
 * workers may still begin jobs that they have prefetched.
 */
import type { Outcome } from '../model/record.ts'
import type { Store } from '../store/contract/store.ts'
import { textOf } from '../words/thrown.ts'
import type { Claimer } from './fetch/claimer.ts'

/**
 * @param own the claimer of the job
 * @param giveBack gives back the jobs that a claimer has not begun
 * @param warn called for a partition that could not be paused
 */
export function pauseQueue(
  store: Store,
  claimers: Iterable<Claimer>,
  own: Claimer,
  { in: ms, because }: Outcome & { kind: 'released' },
  giveBack: (claimer: Claimer) => void,
  warn: (text: string) => void,
): void {
  for (const claimer of claimers) {
    if (claimer.queue !== own.queue) continue
    giveBack(claimer)
    const { partition } = claimer
    if (claimer === own) continue
    store
      .configure(partition, { paused: true, for: ms, because, keepsLonger: true })
      .catch((error) => warn(`${partition} was not paused with the rest of its queue: ${textOf(error)}`))
  }
}
