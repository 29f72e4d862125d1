/**
 * A handle of a flow: one flow in the store, seen from the process that dispatched it or from any other. It
 * asks the store again with every call.
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

/** The progress of a flow: nodes and members, without callbacks. */
export interface FlowProgress {
  /** How many have ended, in whatever way. */
  done: number
  /** How many of these did not complete. */
  failed: number
  /** While a batch is being filled: as many as there are so far. */
  total: number
}

/**
 * One flow in the store. Dispatching a flow resolves to a handle, and `Jobs.flow(id)` makes one in another
 * process.
 *
 * @example
 * const handle = await chain([FetchJob.with({ url }), ResizeJob.with({ file })]).dispatch()
 * response.json({ id: handle.id })
 * @example const progress = await Jobs.flow(request.params.id).progress()
 */
export class FlowHandle<Result = unknown> {
  readonly id: string
  /** `false`: the flow has an id that you chose, and had been started before. */
  readonly isNew: boolean
  /** The flow was dispatched in a transaction: it starts when that has committed. */
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
   * The status of the flow: its state, what became of each node, and why. Undefined if it is no longer kept.
   *
   * @param options `nodes: false`: without its nodes. `failures`: for a batch, how many of the members that
   *   did not complete to return
   */
  async status(options: Omit<GetFlowOptions, 'queue'> = {}): Promise<FlowInfo | undefined> {
    return (await this.#flows()).get(this.#which, { ...this.#where, ...options })
  }

  /** How many of its nodes and members have ended. Undefined if it is not kept any more. */
  async progress(): Promise<FlowProgress | undefined> {
    const info = await this.status({ nodes: false })
    if (info === undefined) return undefined
    const { completed, failed, cancelled, skipped, total } = info.counts
    const others = failed + cancelled + skipped
    return { done: completed + others, failed: others, total }
  }

  /**
   * Waits until the flow has ended, wherever its jobs run. Its callbacks may still run then.
   *
   * @returns for a chain, the result of its last step; for a workflow, an object with the results of its
   *   nodes, by their names; for a batch, `{ completed, failed, total }`
   * @throws FLOW_FAILED, with the error of the first job that failed as `cause`; FLOW_CANCELLED;
   *   FLOW_NOT_FOUND if it is not kept any more; FLOW_WAITS_FOR_ITSELF in a job of the flow; RESULT_TIMEOUT;
   *   RESULT_DROPPED if the result of a chain is not JSON; the reason of `signal`; STORE_UNREACHABLE when the
   *   instance of `Jobs` is closed
   * @example const { completed } = await handle.result({ timeout: '1h' })
   */
  async result(options: FlowResultOptions = {}): Promise<Result> {
    // Read before anything is awaited, because `close()` may be called next.
    const closed = this.#jobs.closing
    const { flowResultAt } = await import('../../operate/flows/flow-results.ts')
    return flowResultAt(this.#jobs, closed, this.id, () => this.#place(), options) as Promise<Result>
  }

  /**
   * Cancels the flow: nothing more starts, waiting jobs are cancelled, and the `signal` of running jobs is
   * aborted. The flow ends when all of them have ended, and then its callbacks start.
   *
   * @param because why, for people: the first 200 characters are kept, and told to the jobs
   * @returns `false` if it has ended, or is already ending
   * @throws FLOW_NOT_FOUND
   */
  async cancel(because?: string): Promise<boolean> {
    return (await this.#flows()).cancel(this.#which, { ...this.#where, ...defined({ because }) })
  }

  /**
   * Starts everything again that did not complete: nodes that failed or were cancelled, nodes that were
   * skipped because of them, and members that failed. Results are kept. When the flow ends again, its
   * callbacks start again.
   *
   * @param options `within`: the time in which it must end, from now on. Default: the same time as at first,
   *   if it has a deadline. A flow that had not ended in time is refused without it
   * @returns `false` if there is nothing to start again. If there are several calls at once, one returns
   *   `true`
   * @throws FLOW_NOT_FOUND, FLOW_LATE; FLOW_ENDING while jobs of it still run, after it was cancelled or has
   *   failed
   * @example await handle.retry({ within: '2h' })
   */
  async retry(options: Omit<RetryFlowOptions, 'queue'> = {}): Promise<boolean> {
    return (await this.#flows()).retry(this.#which, { ...this.#where, ...options })
  }

  /**
   * Adds to a flow that has not ended: to a batch, members; to a chain, steps at its end; to a workflow, a
   * node. Called in a job of the flow, it is always in time. A job that is run again adds again.
   *
   * @param options of a node of a workflow: `name`, `after` (names of nodes), `ifFailed`
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

  /** The home determines the queue. */
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
