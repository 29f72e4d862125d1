/** Queues ended jobs again. */
import { mayPrefetch } from '../../contract/store.ts'
import { withdrawEffects } from '../effects/effect.ts'
import { forgetExpiries } from '../end/keep.ts'
import { move, toEnd } from '../end/move.ts'
import { tell } from '../events/events.ts'
import type { Partition } from '../partition.ts'
import { type JobRow, optionsOf } from '../row.ts'
import { PENDING } from '../states.ts'

const queueAnew = 'UPDATE jobs SET queuedAt = ? WHERE seq = ?'

/**
 * Puts an ended job back into its line. A unique job must have its lock already. The row of the job gets a
 * new `seq`.
 */
export function queueAgain(
  partition: Partition,
  row: JobRow,
  place: Pick<JobRow, 'dueAt' | 'failures' | 'crashes'>,
): void {
  withdrawEffects(partition, row)
  if (row.keep !== null) forgetExpiries(partition, [row])
  const direct = row.untilStart === 1 || !mayPrefetch(optionsOf(row)) ? 1 : 0
  move(partition, row, { state: PENDING, ...place, direct, finishedAt: null, effects: null, reason: null })
  // A batch distinguishes the starts of a member's job by their `queuedAt` (`contract/flows.ts`). So each
  // start has a later `queuedAt`, even within one millisecond.
  partition.database.run(queueAnew, Math.max(partition.now, row.queuedAt + 1), row.seq)
  toEnd(partition, row)
  tell(partition, 'queued', [row.id])
}
