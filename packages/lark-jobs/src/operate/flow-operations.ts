/**
 * The flows of a store: look, cancel, retry, purge. What it does is in `flow-finding.ts`, `flow-list.ts` and
 * `flow-changes.ts`, which are loaded with the first call: most processes only dispatch.
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
 * Looks at the flows of a store and changes them; `operate().flows` is such an object. A call takes the id of
 * a flow, or an object with its `id` and its `home`, such as a `FlowInfo`: then nothing has to be searched.
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
   * Where the flow with this id is kept; undefined if there is none.
   *
   * @param options `queue`: looks only there
   * @throws FLOW_INVALID for a value that cannot be an id; FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE
   */
  async find(id: string, options: FindFlowOptions = {}): Promise<FlowRef | undefined> {
    const { checkFindFlow, locateFlow } = await import('./flows/flow-finding.ts')
    checkFindFlow(id, options)
    const found = await locateFlow(await this.#open(), id, options.queue)
    return found && { id: found.id, home: found.home }
  }

  /**
   * A flow with its nodes; undefined if there is none, or if the time for which it is kept after its end is
   * over.
   *
   * @param options `nodes: false` leaves the nodes out. `failures`: for a batch, how many of the members that
   *   did not complete to return. `queue`: looks only there
   * @throws FLOW_INVALID, FLOW_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE, STORE_DAMAGED
   * @example const { state, counts, nodes } = (await operate().flows.get('order-77'))!
   */
  async get(which: FlowIdOrRef, options: GetFlowOptions = {}): Promise<FlowInfo | undefined> {
    const { checkGetFlow, getFlow } = await import('./flows/flow-finding.ts')
    checkGetFlow(which, options)
    return getFlow(await this.#open(), which, options)
  }

  /**
   * A page of the flows that meet all conditions of a filter, the last dispatched first, without their nodes.
   * Flows that are nodes of others are left out unless `nested` is true. One call looks at no more than 1,000
   * flows of each partition. So a page may have fewer flows than `limit`, or none, and yet a `cursor`: there
   * is more. A flow that cannot be read is in `damaged`, whatever the filter says.
   *
   * @param options `cursor`: of the page before, of the same filter. `limit`: the most flows of the page,
   *   1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { flows, cursor } = await operate().flows.list({ state: 'failed', since: '1h' })
   */
  async list(filter: FlowFilter = {}, options: FlowListOptions = {}): Promise<FlowPage> {
    const { checkFlows, listFlows } = await import('./flows/flow-list.ts')
    checkFlows(filter, options, this.#names)
    return listFlows(await this.#open(), filter, options, this.#names)
  }

  /**
   * The flow of a job, and which node or member of it the job is; undefined if the job is in none, or if the
   * flow is not kept any more.
   *
   * @throws JOB_ID_INVALID, STORE_DAMAGED
   */
  async ofJob(id: string): Promise<FlowOfJob | undefined> {
    const { flowOfJob } = await import('./flows/flow-finding.ts')
    return flowOfJob(await this.#open(), readId(id))
  }

  /**
   * Cancels a flow: nodes that have not started never do, jobs that do not run end at once, and the `signal`
   * of those that run is aborted. The flow has ended when all of its jobs have. If this process dies
   * meanwhile, a worker continues.
   *
   * @param options `because`: why, for people
   * @returns false if it has ended, or is already ending
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
   * Starts everything again that did not complete: nodes that failed or were cancelled, nodes that were
   * skipped because of them, and members that failed. Other results are kept. Callbacks are due again when
   * the flow has ended again.
   *
   * @param options `within`: the time in which it must end, from now on; without it, a flow that had not
   *   ended in time is refused
   * @returns false if there is nothing to start again: everything has completed, waits or runs, or is no
   *   longer kept
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
   * Removes a flow for good, with everything that is kept of it: its definition, its jobs, their results and
   * errors, and the flows in it. Nodes that have not started never start, and callbacks do not start. Running
   * jobs are left as they are: as long as some run, the flow is kept without payloads, and a second call
   * removes it when they have ended. If the flow is a node of another, that node has ended, with the reason
   * `removed`.
   *
   * @param options `dryRun`: only counts the jobs that would be purged. `queue`: looks for the flow only
   *   there
   * @returns how many jobs are gone, including those that were never queued, and how many run
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
