/**
 * The operations on the flows of a store: read, cancel, retry, purge. The implementation is in
 * `flow-finding.ts`, `flow-list.ts` and `flow-changes.ts`. These files are loaded with the first call,
 * because most processes only dispatch.
 */
import { readId } from '../model/id.ts'
import { type Perform, unrecorded } from './audit/hand-change.ts'
import type { Removed } from './change/changed.ts'
import type { CancelFlowOptions, PurgeFlowOptions, RetryFlowOptions } from './change/flow-changes.ts'
import type { FindFlowOptions, FlowIdOrRef, FlowOfJob, GetFlowOptions } from './flows/flow-finding.ts'
import type { FlowInfo, OpenFlows } from './flows/flow-info.ts'
import type { FlowFilter, FlowListOptions, FlowPage } from './flows/flow-list.ts'
import type { FlowRef } from './flows/flow-parts.ts'
import type { Flags } from './look/filter.ts'

/**
 * Reads and changes the flows of a store; `operate().flows` is such an object. A call takes the id of a flow,
 * or an object with its `id` and its `home`, such as a `FlowInfo`. With the object, the flow is found without
 * a search.
 */
export class FlowOperations {
  readonly #open: () => Promise<OpenFlows>
  readonly #names: Flags | undefined
  readonly #perform: Perform

  /** @internal */
  constructor(open: () => Promise<OpenFlows>, names?: Flags, perform: Perform = unrecorded) {
    this.#open = open
    this.#names = names
    this.#perform = perform
  }

  /**
   * Finds the flow with this id. Undefined if there is no such flow.
   *
   * @param options `queue`: looks only in this queue
   * @throws FLOW_INVALID for a value that cannot be an id; FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE
   */
  async find(id: string, options: FindFlowOptions = {}): Promise<FlowRef | undefined> {
    const { checkFindFlow, locateFlow } = await import('./flows/flow-finding.ts')
    checkFindFlow(id, options)
    const found = await locateFlow(await this.#open(), id, options.queue)
    return found && { id: found.id, home: found.home }
  }

  /**
   * Reads a flow with its nodes. Undefined if there is no such flow, or if it ended so long ago that it is no
   * longer kept.
   *
   * @param options `nodes: false` leaves the nodes out. `failures`: how many of the members of a batch that
   *   did not complete are returned. `queue`: looks only in this queue
   * @throws FLOW_INVALID, FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE, STORE_DAMAGED
   * @example const { state, counts, nodes } = (await operate().flows.get('order-77'))!
   */
  async get(which: FlowIdOrRef, options: GetFlowOptions = {}): Promise<FlowInfo | undefined> {
    const { checkGetFlow, getFlow } = await import('./flows/flow-finding.ts')
    checkGetFlow(which, options)
    return getFlow(await this.#open(), which, options)
  }

  /**
   * Lists flows that meet all conditions of a filter, page by page, without their nodes. The flows that were
   * dispatched last come first. Flows that are nodes of other flows are left out unless `nested` is true. One
   * call reads at most 1,000 flows of each partition. Therefore a page may have fewer flows than `limit`, or
   * even none, although more pages follow. A page that is not the last has a `cursor`. Flows that cannot be
   * read are in `damaged`, no matter what the filter says.
   *
   * @param options `cursor`: the cursor of the previous page, with the same filter. `limit`: the maximum
   *   number of flows on the page, 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { flows, cursor } = await operate().flows.list({ state: 'failed', since: '1h' })
   */
  async list(filter: FlowFilter = {}, options: FlowListOptions = {}): Promise<FlowPage> {
    const { checkFlows, listFlows } = await import('./flows/flow-list.ts')
    checkFlows(filter, options, this.#names)
    return listFlows(await this.#open(), filter, options, this.#names)
  }

  /**
   * Finds the flow that a job belongs to, and says which node or member of the flow the job is. Undefined if
   * the job belongs to no flow, or if the flow is no longer kept.
   *
   * @throws JOB_ID_INVALID, STORE_DAMAGED
   */
  async ofJob(id: string): Promise<FlowOfJob | undefined> {
    const { flowOfJob } = await import('./flows/flow-finding.ts')
    return flowOfJob(await this.#open(), readId(id))
  }

  /**
   * Cancels a flow: nodes that have not started never start, jobs that are not running end at once, and the
   * `signal` of running jobs is aborted. The flow ends when all its jobs have ended. If this process dies
   * meanwhile, a worker completes the cancellation.
   *
   * @param options `because`: the reason, for people
   * @returns false if the flow has ended, or is already ending
   * @throws FLOW_NOT_FOUND, FLOW_INVALID, FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE
   * @example await operate().flows.cancel('order-77', { because: 'the order was returned' })
   */
  async cancel(which: FlowIdOrRef, options: CancelFlowOptions = {}): Promise<boolean> {
    const { cancelFlow, checkCancelFlow } = await import('./change/flow-changes.ts')
    checkCancelFlow(which, options)
    const change = { what: 'cancel-flow', on: flowWords(which), count: Number } as const
    return this.#perform(change, async () => cancelFlow(await this.#open(), which, options))
  }

  /**
   * Starts all parts of a flow again that did not complete: nodes that failed or were cancelled, nodes that
   * were skipped because of such a node, and members that failed. The results of completed parts are kept.
   * When the flow ends again, its callbacks start again.
   *
   * @param options `within`: the time from now within which the flow must end. A flow that failed because of
   *   its deadline can be retried only with this option
   * @returns false if there is nothing to start again: every part has completed, is waiting or running, or is
   *   no longer kept
   * @throws FLOW_NOT_FOUND, FLOW_ENDING, FLOW_LATE, FLOW_INVALID, FLOW_ID_AMBIGUOUS, FILTER_INVALID,
   *   UNKNOWN_QUEUE
   * @example await operate().flows.retry('order-77')
   */
  async retry(which: FlowIdOrRef, options: RetryFlowOptions = {}): Promise<boolean> {
    const { checkRetryFlow, retryFlow } = await import('./change/flow-changes.ts')
    checkRetryFlow(which, options, this.#names)
    const change = { what: 'retry-flow', on: flowWords(which), count: Number } as const
    return this.#perform(change, async () => retryFlow(await this.#open(), which, options))
  }

  /**
   * Removes a flow for good, with everything that the store keeps about it: its definition, its jobs, their
   * results and errors, and the flows inside it. Nodes and callbacks that have not started never start.
   * Running jobs go on. While jobs of the flow are running, the flow is kept without its payloads. To remove
   * the flow itself, call this method again after these jobs have ended. If the flow is a node of another
   * flow, that node ends with the reason `removed`.
   *
   * @param options `dryRun`: only counts the jobs that would be purged. `queue`: looks for the flow only in
   *   this queue
   * @returns how many jobs were removed, including those that had never been queued, and how many are running
   * @throws FLOW_NOT_FOUND, FLOW_INVALID, FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE, STORE_DAMAGED
   * @example await operate().flows.purge('order-77')
   */
  async purge(which: FlowIdOrRef, options: PurgeFlowOptions = {}): Promise<Removed> {
    const { checkPurgeFlow, purgeFlow } = await import('./change/flow-changes.ts')
    checkPurgeFlow(which, options)
    if (options.dryRun) return purgeFlow(await this.#open(), which, options)
    const count = ({ removed }: Removed) => removed
    const change = { what: 'purge-flow', on: flowWords(which), count } as const
    return this.#perform(change, async () => purgeFlow(await this.#open(), which, options))
  }
}

function flowWords(which: FlowIdOrRef): string {
  return `flow ${typeof which === 'string' ? which : which.id}`
}
