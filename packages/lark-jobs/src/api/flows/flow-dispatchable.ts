/**
 * The draft of a flow that can be dispatched: chain, batch and workflow extend it.
 */
import type { TransactionOptions } from '../transactions.ts'
import { FlowDraft } from './flow-draft.ts'
import type { FlowHandle } from './flow-handle.ts'

export abstract class DispatchableFlow<Result = unknown> extends FlowDraft<Result> {
  /**
   * Dispatches the flow. Each call dispatches another flow, unless it has an id. Everything is checked before
   * anything is queued, except the members of a batch after the first 5,000, which are checked when their
   * turn comes.
   *
   * @returns a handle of the flow
   * @param options `tx`: the flow starts if and only if this transaction of the application commits. Such a
   *   flow has at most 8 MiB, including the members of a batch
   * @throws FLOW_INVALID, FLOW_TOO_LARGE, RESULT_NOT_KNOWN; FLOW_ENDED if a batch was given up because it was
   *   not filled in time; the errors of a batch's members while they are iterated; the errors of
   *   `Job.dispatch`
   */
  dispatch(options?: TransactionOptions): Promise<FlowHandle<Result>> {
    return this.jobs.dispatchFlow(this, options) as Promise<FlowHandle<Result>>
  }
}
