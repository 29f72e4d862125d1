/**
 * How nodes and members of flows end, as the home of their flow is told.
 */
import { defined } from '../model/defined.ts'
import { type EndedMember, memberOf } from '../model/effect.ts'
import type { FlowEnding } from '../model/flow.ts'
import { whyDropped } from '../model/payload.ts'
import type { NewJob } from '../model/record.ts'
import { type Change, countsAsQueued, type Enqueued, type MemberEnd } from '../store/contract/store.ts'

/** How the job of a node or member ended, for its flow. */
export function endOf({ id, state, reason, errors, result, finishedAt }: EndedMember): MemberEnd {
  const { flow, index } = memberOf(id)!
  const error = state === 'failed' ? errors.at(-1)?.message : undefined
  // The job itself says why its result was not kept.
  const kept = result !== undefined && whyDropped(result) === undefined ? result : undefined
  const more = defined({ reason, error, result: kept })
  return { flow, index, state: state as MemberEnd['state'], at: finishedAt!, ...more }
}

/** The ends of jobs that a store did not queue. @param answers one for each job @param at by the store's clock */
export function rejected(jobs: readonly NewJob[], answers: readonly Enqueued[], at: number): MemberEnd[] {
  return jobs.flatMap(({ id }, i) => {
    const answer = answers[i]!
    if (countsAsQueued(answer)) return []
    const why = typeof answer === 'object' && 'reason' in answer ? answer.reason : 'exists'
    const { flow, index } = memberOf(id)!
    return [{ flow, index, state: 'cancelled' as const, reason: 'rejected', error: why, at }]
  })
}

/** The change that asks a job of a flow to end. */
export function cancelFor({ reason, because }: Pick<FlowEnding, 'reason' | 'because'>): Change {
  const isOfJobs = reason === 'user' || reason === 'lost'
  const why = reason === 'deadline' ? 'expired' : isOfJobs ? reason : 'skipped'
  return { kind: 'cancel', reason: why, ...defined({ because }) }
}
