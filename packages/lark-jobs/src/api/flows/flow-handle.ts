/**
 * A handle stands for one flow in the store, in the process that dispatched the flow or in any other process.
 * Each call asks the store again.
 */
import { defined } from '@s18i/lark/internal'
import type { FlowPlace } from '../../model/flow.ts'
import type { RetryFlowOptions } from '../../operate/change/flow-changes.ts'
import type { FindFlowOptions, GetFlowOptions } from '../../operate/flows/flow-finding.ts'
import type { FlowInfo } from '../../operate/flows/flow-info.ts'
import type { FlowResultOptions } from '../../operate/flows/flow-results.ts'
import type { Operated } from '../../operate/operated.ts'
import type { FlowAddOptions } from './flow-add.ts'
import type { FlowPart } from './flow-draft.ts'

/** The progress of a flow: counts of its nodes or members, without callbacks. */
export interface FlowProgress {
  /** How many nodes or members have ended, no matter how. */
  done: number
  /** How many of the ended nodes or members did not complete. */
  failed: number
  /** How many nodes or members the flow has. While a batch is being filled: the number of members so far. */
  total: number
}

/**
 * One flow in the store. Dispatching a flow resolves to a handle, and `Jobs.flow(id)` makes a handle in
 * another process.
 *
 * @example
 * const handle = await chain([FetchJob.with({ url }), ResizeJob.with({ file })]).dispatch()
 * response.json({ id: handle.id })
 * @example const progress = await Jobs.flow(request.params.id).progress()
 */
export class FlowHandle<Result = unknown> {
  readonly id: string
  /** `false` if you chose the id of the flow and a flow with this id had already been started. */
  readonly isNew: boolean
  /**
   * Whether the flow was dispatched in a transaction. Such a flow starts after the transaction has committed.
   */
  readonly inTransaction: boolean
  readonly #jobs: Operated
  readonly #find: FindFlowOptions
  #home: string | undefined

  /** @internal */
  constructor(
    jobs: Operated,
    { flow, home, find = {} }: { flow: string; home?: string; find?: FindFlowOptions },
    isNew = false,
    inTransaction = false,
  ) {
    this.#jobs = jobs
    this.#find = find
    this.#home = home
    this.id = flow
    this.isNew = isNew
    this.inTransaction = inTransaction
  }

  /**
   * The status of the flow: its state, how each node has ended, and why. Undefined if the flow is no longer
   * kept.
   *
   * @param options `nodes: false` leaves out the nodes. `failures`: how many of the members of a batch that
   *   did not complete are returned
   */
  async status(options: Omit<GetFlowOptions, 'queue'> = {}): Promise<FlowInfo | undefined> {
    return (await this.#flows()).get(this.#which, { ...this.#where, ...options })
  }

  /** How many nodes and members of the flow have ended. Undefined if the flow is no longer kept. */
  async progress(): Promise<FlowProgress | undefined> {
    const info = await this.status({ nodes: false })
    if (info === undefined) return undefined
    const { completed, failed, cancelled, skipped, total } = info.counts
    const others = failed + cancelled + skipped
    return { done: completed + others, failed: others, total }
  }

  /**
   * Waits until the flow has ended. The jobs of the flow may run in any process. When this method resolves,
   * callbacks of the flow may still be running. If the flow was dispatched in a transaction, this method also
   * waits until the flow has started: for `timeout`, or for a minute without one.
   *
   * @returns for a chain, the result of its last step; for a workflow, an object that maps the name of each
   *   node to its result; for a batch, `{ completed, failed, total }`
   * @throws FLOW_FAILED, with the error of the first job that failed as `cause`; FLOW_CANCELLED;
   *   FLOW_NOT_FOUND if the flow is no longer kept; FLOW_WAITS_FOR_ITSELF if a job of the flow calls it;
   *   RESULT_TIMEOUT; RESULT_DROPPED if the result of a chain is not JSON; the reason of `signal`;
   *   STORE_UNREACHABLE when the instance of `Jobs` is closed
   * @example const { completed } = await handle.result({ timeout: '1h' })
   */
  async result(options: FlowResultOptions = {}): Promise<Result> {
    // The signal is read before anything is awaited, because the caller may call `close()` right after this
    // call.
    const closed = this.#jobs.closing
    const { flowResultAt } = await import('../../operate/flows/flow-results.ts')
    const place = () => this.#place()
    return flowResultAt(this.#jobs, closed, this.id, place, options, this.inTransaction) as Promise<Result>
  }

  /**
   * Cancels the flow: no more jobs start, waiting jobs are cancelled, and the `signal` of running jobs is
   * aborted. When all jobs of the flow have ended, the flow ends and its callbacks start.
   *
   * @param because the reason, for people: its first 200 characters are kept and passed to the jobs
   * @returns `false` if the flow has ended, or is already ending
   * @throws FLOW_NOT_FOUND
   */
  async cancel(because?: string): Promise<boolean> {
    return (await this.#flows()).cancel(this.#which, { ...this.#where, ...defined({ because }) })
  }

  /**
   * Restarts all parts that did not complete: nodes that failed or were cancelled, nodes that were skipped
   * because of such a node, and members that failed. The results of completed parts are kept. When the flow
   * ends again, its callbacks start again.
   *
   * @param options `within`: the time from now within which the flow must end. Default: the time of its
   *   dispatch, if it had a deadline. A flow that failed because of its deadline can be retried only with
   *   this option
   * @returns `false` if no part of the flow can be started again. Of several simultaneous calls, only one
   *   returns `true`
   * @throws FLOW_NOT_FOUND, FLOW_LATE; FLOW_ENDING if the flow was cancelled or failed and some of its jobs
   *   are still running
   * @example await handle.retry({ within: '2h' })
   */
  async retry(options: Omit<RetryFlowOptions, 'queue'> = {}): Promise<boolean> {
    return (await this.#flows()).retry(this.#which, { ...this.#where, ...options })
  }

  /**
   * Adds to a flow that has not ended: members to a batch, steps to the end of a chain, a node to a workflow.
   * A job of the flow can always add parts, because the flow cannot end before the job. If the job runs
   * again, it adds the parts again.
   *
   * @param options options of a new node of a workflow: `name`, `after` (names of nodes), `ifFailed`
   * @throws FLOW_ENDED, FLOW_NOT_FOUND, FLOW_INVALID, FLOW_TOO_LARGE; the errors of `Job.dispatch`. After
   *   DISPATCH_UNCERTAIN, all, some or none of the new parts may be in the flow
   * @example await handle.add(new CheckJob().with({ file }), { after: 'Unpack' })
   */
  async add(part: FlowPart | readonly FlowPart[], options: FlowAddOptions = {}): Promise<void> {
    const { addTo } = await import('./flow-add.ts')
    return addTo(this.#jobs, this.id, await this.#place(), part, options)
  }

  get #which(): string | { id: string; home: string } {
    return this.#home === undefined ? this.id : { id: this.id, home: this.#home }
  }

  /**
   * After the first call, the partition that keeps the flow is known. Its name contains the queue, so the
   * option `queue` is no longer needed.
   */
  get #where(): FindFlowOptions {
    return this.#home === undefined ? this.#find : {}
  }

  async #place(): Promise<FlowPlace | undefined> {
    if (this.#home === undefined) this.#home = (await (await this.#flows()).find(this.id, this.#find))?.home
    return this.#home === undefined ? undefined : { flow: this.id, home: this.#home }
  }

  async #flows() {
    const { FlowOperations } = await import('../../operate/flow-operations.ts')
    return new FlowOperations(() => this.#jobs.open())
  }
}
