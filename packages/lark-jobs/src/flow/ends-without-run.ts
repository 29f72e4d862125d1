/** The ends of nodes and members, in the form in which they are reported to the partition of their flow. */
import { defined } from '@s18i/lark/internal'
import { memberOf } from '../model/effect.ts'
import type { FlowEnding } from '../model/flow.ts'
import type { NewJob } from '../model/record.ts'
import { type Change, countsAsQueued, type Enqueued, type MemberEnd } from '../store/contract/store.ts'

/**
 * The ends of jobs that a store did not queue.
 *
 * @param answers the answers of the store, one for each job
 * @param at by the store's clock
 */
export function rejected(jobs: readonly NewJob[], answers: readonly Enqueued[], at: number): MemberEnd[] {
  return jobs.flatMap(({ id }, i) => {
    const answer = answers[i]!
    if (countsAsQueued(answer)) return []
    const why = typeof answer === 'object' && 'reason' in answer ? answer.reason : 'exists'
    const { flow, index } = memberOf(id)!
    return [{ flow, index, state: 'cancelled' as const, reason: 'rejected', error: why, at }]
  })
}

/** The end of a node or member that was purged. */
export function removedEnd(flow: string, index: number, at: number): MemberEnd {
  return { flow, index, state: 'cancelled', reason: 'removed', at }
}

/** The change that asks a job of a flow to end. */
export function cancelFor({ reason, because }: Pick<FlowEnding, 'reason' | 'because'>): Change {
  const isOfJobs = reason === 'user' || reason === 'lost'
  const why = reason === 'deadline' ? 'expired' : isOfJobs ? reason : 'skipped'
  return { kind: 'cancel', reason: why, ...defined({ because }) }
}
