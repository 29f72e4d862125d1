/**
 * What a flow of BullMQ is in Lark: its id, the ids of its jobs, and what becomes of a job whose child fails.
 */
import { createHash } from 'node:crypto'
import { memberOf } from '../model/effect.ts'
import { type FailureRule, MAX_FLOW_ID } from '../model/flow.ts'
import { isFlowId } from '../options/flow.ts'

/** What becomes of the job that waits for this one, in a flow, if this one fails. At most one of them. */
export interface ChildFailureOptions {
  /** It fails at once. */
  failParentOnFailure?: boolean
  /** It starts at once. */
  continueParentOnFailure?: boolean
  /** It waits for the others, and starts then. */
  ignoreDependencyOnFailure?: boolean
  /** The same, and nothing is told of this one. */
  removeDependencyOnFailure?: boolean
}

/** The rule of the parent for this child. */
export function ruleOf(opts: ChildFailureOptions): FailureRule {
  if (opts.failParentOnFailure) return 'fail'
  if (opts.continueParentOnFailure) return 'now'
  return opts.ignoreDependencyOnFailure || opts.removeDependencyOnFailure ? 'run' : 'skip'
}

/** The id of the flow whose last job has an id of the application. */
export function flowIdFor(ownId: string): string {
  if (isFlowId(ownId)) return ownId
  return createHash('sha256').update(ownId).digest('base64url').slice(0, MAX_FLOW_ID)
}

/** The id of a job for the application: its own, if it has chosen one, or that of Lark. */
export function shownId(id: string, { jobId }: { jobId?: unknown }): string {
  if (typeof jobId !== 'string') return id
  return memberOf(id)?.flow === flowIdFor(jobId) ? jobId : id
}
