/**
 * A job of a flow as BullMQ shows it. While the job waits for its children, only its flow contains the job.
 * The flow also has the outcomes of the children. Each object of this class reads its flow once.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '@s18i/lark-jobs'
import {
  awaitEnd,
  decode,
  FlowBook,
  FlowRecords,
  type KeptFlow,
  locateFlow,
  memberOf,
  type NodeState,
  nodeId,
  nodeOf,
  opened,
  partitionsToLookIn,
  passes,
  queueOf,
  whyDropped,
  withoutNodes,
} from '@s18i/lark-jobs/internal'
import type { Dependencies } from '../job/dependencies.ts'
import { EveryJob } from '../job/every-job.ts'
import { type JobsOptions, optionsIn } from '../job/job-options.ts'
import { keepsNone } from '../job/kept-jobs.ts'
import type { JobHome } from '../store/shared-store.ts'
import { flowIdFor, type NodeDefinition, ruleOf, shownId } from './flow-rules.ts'

/**
 * The minimum time, in milliseconds, for which the jobs of a flow are kept after its end, so that a process
 * that awaits a job can read how the job ended. The id of a removed flow is free again after this time.
 */
export const LEAST_KEPT = 600_000
/**
 * Milliseconds between two checks of a job that waits for its children. The pause grows from `first` to
 * `last`.
 */
const LOOK = { first: 20, last: 500 }
/** How many flows are read together. The number is low because the texts of flows may be large. */
const AT_A_TIME = 100

type NodeEnd = Awaited<ReturnType<FlowRecords['ends']>>[number]

/** The last node that is not a callback. */
function rootOf({ definition }: KeptFlow): number {
  return definition.nodes.findLastIndex(({ on }) => on === undefined)
}

export class FlowNode {
  readonly #home: JobHome
  readonly #found: KeptFlow
  readonly #node: number
  /** The prefix of the application's keys. */
  readonly #prefix: string

  private constructor(home: JobHome, found: KeptFlow, node: number, prefix: string) {
    this.#home = home
    this.#found = found
    this.#node = node
    this.#prefix = prefix
  }

  /**
   * Finds a job of a flow in a queue.
   *
   * @param id the id in Lark, or the id that the application has chosen
   * @throws STORE_DAMAGED
   */
  static async find(home: JobHome, id: string): Promise<FlowNode | undefined> {
    const open = await opened(home.store.jobs)
    const { store, settings } = open
    const member = memberOf(id)
    const found =
      member === undefined
        ? await locateFlow(open, flowIdFor(id), home.queue)
        : await new FlowRecords(store).get(member)
    if (found === undefined) return undefined
    const { nodes } = found.definition
    const number = member === undefined ? rootOf(found) : nodeOf(member.index)?.node
    if (number === undefined || nodes[number]?.job === undefined) return undefined
    const node = new FlowNode(home, found, number, settings.prefix)
    return node.queue === home.queue && (member !== undefined || node.shownId === id) ? node : undefined
  }

  /** The jobs of a queue that wait for their children, the last added first. */
  static blocked(home: JobHome): AsyncGenerator<FlowNode> {
    return FlowNode.#inState(home, 'b')
  }

  static async *#inState(home: JobHome, state: NodeState): AsyncGenerator<FlowNode> {
    const { store, settings } = await opened(home.store.jobs)
    const records = new FlowRecords(store)
    for (const partition of await partitionsToLookIn({ store, queues: settings.partitions }))
      for (let before: string | undefined; ; ) {
        const page = await store.flows.list(partition, AT_A_TIME, before)
        before = page.at(-1)?.id
        if (before === undefined) break
        for (const each of page) {
          const found = records.parse(partition, { ...each, news: [] }, 0)
          if (found.state.phase === 'ended') continue
          for (const [number, { on }] of found.definition.nodes.entries()) {
            const node = new FlowNode(home, found, number, settings.prefix)
            if (on === undefined && node.state === state && node.queue === home.queue) yield node
          }
        }
      }
  }

  get #definition(): NodeDefinition {
    return this.#found.definition.nodes[this.#node]!
  }

  get #job(): NodeDefinition['job'] {
    return this.#definition.job
  }

  /** The queue of the node's job, or the queue of its flow if the node is itself a flow. */
  get queue(): string {
    return queueOf(this.#job?.partition ?? this.#definition.flow!.home)
  }

  /** The id of the job in Lark. */
  get id(): string {
    const { id: flow, home, state } = this.#found
    return state.flows?.[this.#node] ?? nodeId({ flow, home }, this.#node, state)
  }

  get shownId(): string {
    return shownId(this.id, this.opts)
  }

  get key(): string {
    return `${this.#prefix}:${this.queue}:${this.shownId}`
  }

  get name(): string {
    return this.#job?.job.key ?? this.#definition.name
  }

  get data(): unknown {
    return decode(this.#job?.job.payload ?? '')
  }

  get opts(): JobsOptions {
    return optionsIn(this.#job?.job.options?.context)
  }

  /** The time at which the flow was dispatched, in milliseconds since 1970. */
  get timestamp(): number {
    return this.#found.state.at
  }

  get state(): NodeState {
    return this.#found.state.nodes[this.#node] as NodeState
  }

  /** The nodes that wait for this node, or have waited for it. */
  get parents(): FlowNode[] {
    const all = this.#found.definition.nodes.map(({ after }, node) => ({ after, node }))
    return all.filter(({ after }) => after.includes(this.#node)).map(({ node }) => this.#other(node))
  }

  /** Whether a parent of this job has not started yet. */
  get isAwaited(): boolean {
    return this.parents.some(({ state }) => state === 'b')
  }

  /** Makes all parents stop waiting for this job. @returns whether a parent waited for this job */
  async leaveParents(): Promise<boolean> {
    const { store } = await opened(this.#home.store.jobs)
    const { id: flow, home } = this.#found
    const isChanged = await new FlowBook({ store }).change({ flow, home }, ({ definition, state }) => {
      const waits = definition.nodes.map(
        ({ after }, node) => state.nodes[node] === 'b' && after.includes(this.#node),
      )
      if (!waits.includes(true)) return undefined
      const nodes = definition.nodes.map((node, i) =>
        waits[i] ? { ...node, after: node.after.filter((each) => each !== this.#node) } : node,
      )
      return { state, definition: { ...definition, nodes } }
    })
    return isChanged === true
  }

  /** Whether the job is or was in its queue. */
  get isQueued(): boolean {
    const { causes, reasons } = this.#found.state
    const isEnded = this.state !== 'b' && this.state !== 's'
    return (
      this.state !== 'b' &&
      this.#definition.ended === undefined &&
      !(isEnded && (causes?.[this.#node] !== undefined || reasons?.[this.#node] === 'rejected'))
    )
  }

  /** The nodes that have ended because this node did not complete. */
  get followers(): FlowNode[] {
    const causes = Object.entries(this.#found.state.causes ?? {})
    return causes.filter(([, cause]) => cause === this.#node).map(([node]) => this.#other(Number(node)))
  }

  /** The nodes that this node waits for. */
  get children(): FlowNode[] {
    return this.#definition.after.map((child) => this.#other(child))
  }

  /** The place of the job: its store and its own queue. */
  get home(): JobHome {
    return { store: this.#home.store, queue: this.queue }
  }

  /**
   * How the job has ended. Undefined if the job has not ended.
   *
   * @throws RESULT_DROPPED if the value that it returned was not kept
   */
  async end(): Promise<{ at: number; value?: unknown; failedReason?: string } | undefined> {
    const { state } = this
    if (state === 'b' || state === 's') return undefined
    const [end] = await this.#ends([this.#node])
    const at = end?.at ?? this.#found.state.end?.at ?? this.#found.at
    return state === 'c' ? { at, value: this.#valueOf(end) } : { at, failedReason: this.#reasonOf(end) }
  }

  /** @throws RESULT_DROPPED if the value that a child returned was not kept */
  async dependencies(): Promise<Dependencies> {
    const all: Dependencies = { processed: {}, unprocessed: [], ignored: {}, failed: [] }
    const { after } = this.#definition
    const ends = new Map((await this.#ends(after)).map((end) => [end.node, end]))
    for (const number of after) {
      const child = this.#other(number)
      const { key, opts, state } = child
      if (child.isRemoved) continue
      // The flow learns of the end of a job a moment after the job has ended.
      const job = state === 's' ? await child.#queued() : undefined
      if (state === 'c') all.processed[key] = child.#valueOf(ends.get(number))
      else if (job?.state === 'completed' && job.result !== undefined) all.processed[key] = job.result
      else if (job?.state === 'completed') all.processed[key] = null
      else if (state === 'b' || state === 's' || (await child.#isRetried())) all.unprocessed.push(key)
      else if (opts.ignoreDependencyOnFailure || opts.continueParentOnFailure)
        all.ignored[key] = child.#reasonOf(ends.get(number))
      else if (opts.failParentOnFailure) all.failed.push(key)
      // As in BullMQ, a job with the rule `skip` waits for its failed child for ever.
      else if (ruleOf(opts) === 'skip') all.unprocessed.push(key)
    }
    return all
  }

  /** Whether the job had failed, was retried by hand, and has not ended again. */
  async #isRetried(): Promise<boolean> {
    const now = this.isQueued ? (await this.#handle().status())?.state : undefined
    return now === 'waiting' || now === 'delayed' || now === 'active'
  }

  /** Whether the node was removed. In BullMQ, such a job no longer exists. */
  get isRemoved(): boolean {
    return this.#found.state.reasons?.[this.#node] === 'removed'
  }

  /**
   * Whether BullMQ would have removed this job at once, because the job failed before it was in its queue,
   * and its `removeOnFail` keeps no job.
   */
  get isUnkept(): boolean {
    return 'fx'.includes(this.state) && !this.isQueued && keepsNone(this.opts.removeOnFail)
  }

  /** The node and all nodes below it. A workflow of Lark is not a tree: several paths may lead to a job. */
  get family(): FlowNode[] {
    const numbers = new Set([this.#node])
    // The loop also visits the numbers that it adds to the set.
    for (const number of numbers)
      for (const child of this.#found.definition.nodes[number]!.after) numbers.add(child)
    return [...numbers].map((number) => this.#other(number))
  }

  /**
   * Waits for the value that a job of a flow returns. The job may still be waiting for its children.
   *
   * @param ttl the maximum number of milliseconds to wait. Default: no limit
   * @throws RESULT_TIMEOUT, as `JobHandle.result`; an error with the reason of the failure
   */
  static async result(home: JobHome, id: string, ttl?: number): Promise<unknown> {
    return await awaitEnd(home.store.jobs, { ms: ttl, what: `Job ${id}`, id }, async (over) => {
      for (let wait = LOOK.first; ; wait = Math.min(2 * wait, LOOK.last)) {
        over.throwIfAborted()
        try {
          const node = await FlowNode.find(home, id)
          if (node === undefined) throw new Error(`Missing key for job ${id}. isFinished`)
          const end = node.isQueued ? undefined : await node.end()
          if (end?.failedReason !== undefined) throw new Error(end.failedReason)
          if (end !== undefined) return end.value
          if (node.isQueued) return await node.#handle().result({ signal: over })
        } catch (error) {
          // After these errors the wait goes on: the store may be unreachable for a moment, or the job may be
          // on its way to its queue.
          if (!passes(error) && !JobsError.is(error, 'RESULT_GONE')) throw error
        }
        await pause(wait, undefined, { signal: over })
      }
    })
  }

  #handle() {
    return this.#home.store.jobs.handle(EveryJob, this.id, { queue: this.queue })
  }

  #queued() {
    return this.#home.store.jobs.find(this.id, { queue: this.queue })
  }

  get #isOpen(): boolean {
    return this.state === 'b' || this.state === 's'
  }

  async #isActive(): Promise<boolean> {
    return this.state === 's' && (await this.#handle().status())?.state === 'active'
  }

  async #hasBegun(): Promise<boolean> {
    const now = this.state === 's' ? (await this.#handle().status())?.state : undefined
    return now !== undefined && now !== 'waiting' && now !== 'delayed'
  }

  /** Removes the jobs below this node that have not begun. */
  async removeUnprocessed(): Promise<void> {
    const open = this.family.slice(1).filter((node) => node.#isOpen)
    // The flow may not know yet that a job has ended.
    const hasBegun = await Promise.all(open.map((node) => node.#hasBegun()))
    await this.#remove(open.filter((_, i) => !hasBegun[i]))
  }

  /**
   * @param withChildren whether to remove the nodes below this node, too
   * @throws Error if one of these jobs runs
   */
  async remove(withChildren: boolean): Promise<void> {
    const all = withChildren ? this.family : [this]
    if ((await Promise.all(all.map((node) => node.#isActive()))).includes(true))
      throw new Error(`Job ${this.shownId} could not be removed because it is locked by another worker`)
    await this.#remove(all)
  }

  async #remove(nodes: readonly FlowNode[]): Promise<void> {
    // Nodes that have not started are ended first, so that the removal of their children does not start them.
    const ended = await this.#endAsRemoved(
      nodes.filter(({ state }) => state === 'b'),
      'b',
    )
    const removed: FlowNode[] = []
    for (const node of nodes) {
      const hasStarted = node.state === 'b' && !ended.has(node.#node)
      if (!node.isQueued && !hasStarted) continue
      const isGone = await node.#handle().remove()
      if (isGone && (node.state !== 'b' || hasStarted)) removed.push(node)
    }
    await this.#endAsRemoved(removed, 'sfx')
  }

  /**
   * Removes jobs for `clean()` and `drain()` of a queue. If the last child of a parent is removed, the parent
   * is removed, too, if it is in the same queue. A parent in another queue starts. Running jobs are not
   * removed.
   *
   * @param ids the ids in Lark of jobs of flows that are in the queue
   * @returns the ids of the removed jobs
   */
  static async clear(home: JobHome, ids: readonly string[]): Promise<string[]> {
    const all: string[] = []
    const flows = new Map<string, FlowNode[]>()
    for (const id of ids) {
      const node = await FlowNode.find(home, id)
      // The flow may no longer be kept, so the job itself is removed.
      const isGone = await home.store.jobs.handle(EveryJob, id, { queue: home.queue }).remove()
      if (isGone) all.push(id)
      if (node === undefined || !isGone) continue
      const flow = JSON.stringify([node.#found.home, node.#found.id])
      flows.set(flow, [...(flows.get(flow) ?? []), node])
    }
    for (const nodes of flows.values()) await nodes[0]!.#endAsRemoved(nodes, 'sfx', true)
    return all
  }

  /** Removes the jobs of flows that wait in a queue. @param delayed whether to remove delayed jobs, too */
  static async drain(home: JobHome, delayed: boolean): Promise<void> {
    const ids: string[] = []
    for await (const node of FlowNode.#inState(home, 's')) {
      const state = (await node.#handle().status())?.state
      if (state === 'waiting' || (delayed && state === 'delayed')) ids.push(node.id)
    }
    await FlowNode.clear(home, ids)
  }

  /**
   * Ends nodes at once, because without a running worker the flow would not learn that their jobs were
   * removed. Parents do not wait for a node that was ended in this way, and such a node no longer makes its
   * parents fail.
   *
   * @param from the states in which a node is ended. Nodes in other states do not change
   * @param withParents whether parents in this queue that wait for no other job are removed, too
   * @returns the numbers of the nodes that were ended
   */
  async #endAsRemoved(
    nodes: readonly FlowNode[],
    from: string,
    withParents = false,
  ): Promise<ReadonlySet<number>> {
    let removed = new Set<number>()
    if (nodes.length === 0) return removed
    const { store } = await opened(this.#home.store.jobs)
    const { id: flow, home } = this.#found
    const keep = { completed: LEAST_KEPT, failed: LEAST_KEPT, cancelled: LEAST_KEPT }
    await new FlowBook({ store }).change({ flow, home }, (found) => {
      removed = new Set(
        nodes.map((node) => node.#node).filter((node) => from.includes(found.state.nodes[node]!)),
      )
      if (withParents) for (const parent of this.#parentsLeft(found, removed)) removed.add(parent)
      const change = withoutNodes(found, [...removed])
      if (change === undefined || !removed.has(rootOf(found))) return change
      return { ...change, definition: { ...change.definition!, keep } }
    })
    return removed
  }

  /**
   * The parents in this queue whose children were all removed or have ended, beginning with the lowest
   * parents. These parents are waiting, or were skipped because of a child.
   */
  *#parentsLeft({ definition, state }: KeptFlow, removed: ReadonlySet<number>): Generator<number> {
    const gone = new Set(removed)
    // Each node comes after the nodes that it waits for.
    for (const [number, { after }] of definition.nodes.entries()) {
      const isOver = (each: number) => gone.has(each) || 'cfx'.includes(state.nodes[each]!)
      const isSkipped = state.nodes[number] === 'x' && gone.has(state.causes?.[number] ?? -1)
      const waits = state.nodes[number] === 'b' || isSkipped
      if (!waits || this.#other(number).queue !== this.queue) continue
      if (!after.some((each) => gone.has(each)) || !after.every(isOver)) continue
      gone.add(number)
      yield number
    }
  }

  async #ends(nodes: readonly number[]): Promise<NodeEnd[]> {
    const { store } = await opened(this.#home.store.jobs)
    const ended = nodes.filter((node) => 'cfx'.includes(this.#found.state.nodes[node]!))
    return await new FlowRecords(store).ends(this.#found, ended)
  }

  #valueOf(end: NodeEnd | undefined): unknown {
    const { result } = end ?? {}
    const why = result === undefined ? undefined : whyDropped(result)
    if (why === undefined) return result === undefined ? null : decode(result)
    const message = `The job ${this.shownId} completed, but what its processor returned was not kept: ${why}`
    throw new JobsError('RESULT_DROPPED', message, { id: this.id })
  }

  #reasonOf(end: NodeEnd | undefined): string {
    const { causes, reasons } = this.#found.state
    if (causes?.[this.#node] === undefined)
      return end?.error ?? `cancelled: ${reasons?.[this.#node] ?? 'the reason is not known'}`
    const child = this.children.find(({ state }) => state === 'f' || state === 'x')
    return `child ${child?.key} failed`
  }

  #other(node: number): FlowNode {
    return new FlowNode(this.#home, this.#found, node, this.#prefix)
  }
}
