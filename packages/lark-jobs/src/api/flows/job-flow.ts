/**
 * `this.flow` in a running job: the flow that the job belongs to. Callbacks use `this.flow` to read how the
 * flow ended, and jobs of a flow use it to add parts to the flow.
 */
import type { Member } from '../../model/effect.ts'
import type { FlowInfo } from '../../operate/flows/flow-info.ts'
import type { FlowFailure, FlowNodeInfo } from '../../operate/flows/flow-parts.ts'
import type { Operated } from '../../operate/operated.ts'
import type { FlowAddOptions } from './flow-add.ts'
import type { FlowPart } from './flow-draft.ts'
import { FlowHandle, type FlowProgress } from './flow-handle.ts'

/** A node or member that did not complete. */
export type FlowProblem = FlowFailure | FlowNodeInfo

/** How many members `failures()` returns by default. */
const FAILURES = 100

/** The flow of a running job: `this.flow`. */
export class JobFlow {
  /** The id of the flow. */
  readonly id: string
  readonly #jobs: Operated
  readonly #member: Member
  readonly #handle: FlowHandle

  /** @internal */
  constructor(jobs: Operated, member: Member) {
    this.#jobs = jobs
    this.#member = member
    this.#handle = new FlowHandle(jobs, member)
    this.id = member.flow
  }

  /** The status of the flow: see `FlowHandle.status`. */
  status(options: Parameters<FlowHandle['status']>[0] = {}): Promise<FlowInfo | undefined> {
    return this.#handle.status(options)
  }

  /** How many nodes and members of the flow have ended. */
  progress(): Promise<FlowProgress | undefined> {
    return this.#handle.progress()
  }

  /** The name of this job's node in the flow. Undefined for a member of a batch. */
  async node(): Promise<string | undefined> {
    const { nodeNamed } = await import('../../operate/flows/flow-results.ts')
    return nodeNamed(await this.#store(), this.#member)
  }

  /**
   * The result of another node of the flow. Undefined if that node has not completed, or returned nothing. A
   * node with the other node in its `after` can rely on the result.
   *
   * @param node the name of the other node
   * @throws FLOW_INVALID if there is no such node
   * @example const charge = (await this.flow!.result('ChargeJob')) as { receiptUrl: string }
   */
  async result(node: string): Promise<unknown> {
    const { nodeResult } = await import('../../operate/flows/flow-results.ts')
    return nodeResult(await this.#store(), this.#member, node)
  }

  /**
   * The parts that did not complete, with the reason and the error of each. Members of a batch have an index,
   * nodes have a name.
   *
   * @param most the maximum number of members. Default 100
   */
  async failures(most: number = FAILURES): Promise<FlowProblem[]> {
    const { failures = [], nodes = [] } = (await this.status({ failures: most })) ?? {}
    const isBad = ({ state }: FlowNodeInfo) =>
      state === 'failed' || state === 'cancelled' || state === 'skipped'
    return [...nodes.filter(isBad), ...failures]
  }

  /** Cancels the flow: see `FlowHandle.cancel`. The signal of this job is aborted too. */
  cancel(because?: string): Promise<boolean> {
    return this.#handle.cancel(because)
  }

  /**
   * Adds parts to the flow: see `FlowHandle.add`. A running job can always add parts, because the flow cannot
   * end before this job. If this job runs again, it adds the parts again.
   *
   * @example for (const page of pages) await this.flow!.add(new PageJob().with({ page }))
   */
  add(part: FlowPart | readonly FlowPart[], options: FlowAddOptions = {}): Promise<void> {
    return this.#handle.add(part, options)
  }

  async #store() {
    return (await this.#jobs.open()).store
  }
}
