/**
 * Says how a flow of BullMQ is stored in Lark: its id, the ids of its jobs, and what happens to a job whose
 * child fails.
 */

import { createHash } from 'node:crypto'
import { type FlowSpec, type flowPlace, type KeptFlow, LARGEST, memberOf } from '@s18i/lark-jobs/internal'
import { keepsNone, type RemoveOption } from '../job/kept-jobs.ts'
import { larkId } from '../job/own-id.ts'

/** The definition of a flow as Lark keeps it. */
export type FlowDefinition = KeptFlow['definition']
export type NodeDefinition = FlowDefinition['nodes'][number]

/** The id of a flow, and the partition that keeps it. */
export type FlowPlace = ReturnType<typeof flowPlace>

/** What a node does if a node that it waits for does not complete. */
export type FailureRule = NonNullable<FlowSpec['nodes'][number]['rules']>[number]

/** What happens to the parent of this job if this job fails. At most one of these options may be true. */
export interface ChildFailureOptions {
  /** The parent fails at once. */
  failParentOnFailure?: boolean
  /** The parent starts at once. */
  continueParentOnFailure?: boolean
  /** The parent waits for its other children, and then starts. */
  ignoreDependencyOnFailure?: boolean
  /** The parent waits for its other children, and then starts. It cannot read that this job has failed. */
  removeDependencyOnFailure?: boolean
}

/**
 * What the parent does if this child fails. As in BullMQ, a parent does not wait for a failed child that is
 * not kept.
 */
export function ruleOf(opts: ChildFailureOptions & { removeOnFail?: RemoveOption }): FailureRule {
  if (opts.failParentOnFailure) return 'fail'
  if (opts.continueParentOnFailure) return 'now'
  const { ignoreDependencyOnFailure, removeDependencyOnFailure, removeOnFail } = opts
  return ignoreDependencyOnFailure || removeDependencyOnFailure || keepsNone(removeOnFail) ? 'run' : 'skip'
}

/** The id of the flow whose root job has an id of the application. */
export function flowIdFor(ownId: string): string {
  if (ownId.length <= LARGEST.flowId && /^[\w-]+$/.test(ownId)) return ownId
  return createHash('sha256').update(ownId).digest('base64url').slice(0, LARGEST.flowId)
}

/** The id that the application sees: the id that the application has chosen, or else the id in Lark. */
export function shownId(id: string, { jobId }: { jobId?: unknown }): string {
  if (typeof jobId !== 'string') return id
  return id === larkId(jobId) || memberOf(id)?.flow === flowIdFor(jobId) ? jobId : id
}
