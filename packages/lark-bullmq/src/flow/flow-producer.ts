/** The `FlowProducer` of BullMQ. It turns a tree of jobs into a workflow of Lark. */
import { JobsError } from '@s18i/lark-jobs'
import { type Drafted, type FlowSpec, opened, shown, startFlow } from '@s18i/lark-jobs/internal'
import {
  checkOptions,
  refuseMethods,
  refuseProperties,
  unsupported,
  wrongValue,
} from '../compared/unsupported.ts'
import { BullEmitter, type IoredisListener } from '../events/emitter.ts'
import { BullJob } from '../job/bull-job.ts'
import { draftedBy, optionsIn } from '../job/job-options.ts'
import { larkQueue, readQueue } from '../queue/queue-name.ts'
import { type QueueBaseOptions, SharedStore } from '../store/shared-store.ts'
import {
  checkTelemetry,
  SpanKind,
  type Telemetry,
  TelemetryAttributes,
  traced,
  withContext,
} from '../store/telemetry.ts'
import { addChildren, isChild, readyTree } from './added-children.ts'
import { FlowNode } from './flow-node.ts'
import type { FlowPlace } from './flow-rules.ts'
import { type BullFlow, type FlowOpts, idIn, readTree, type TreeJob } from './flow-tree.ts'

export interface FlowProducerOptions extends QueueBaseOptions {
  telemetry?: Telemetry
}

/**
 * The events of a flow producer. A flow producer emits no events, because its calls reject in case of an
 * error.
 */
export interface FlowProducerListener extends IoredisListener {
  error: (error: Error) => void
}

/**
 * How many flows `addBulk()` sends at a time. The number is low because the definition of each flow takes up
 * to 4 MiB of memory.
 */
const TOGETHER = 20

/** A job with its children. */
export interface JobNode {
  job: BullJob
  children?: JobNode[]
}

/** Names a job, and says how much of the tree below it is returned. */
export interface NodeOpts {
  id: string
  queueName: string
  /** The prefix. If the producer has a prefix, this must be the same prefix. */
  prefix?: string
  /** How many levels are returned, including the level of the job. Default: 10. */
  depth?: number
  /**
   * The maximum number of children of a job that are returned, counted separately for completed, open and
   * failed children. Default: 20.
   */
  maxChildren?: number
}

/**
 * Adds jobs that wait for other jobs. Each job starts when its children have completed, and can read the
 * values that they returned.
 *
 * @example
 * const flows = new FlowProducer({ connection })
 * await flows.add({
 *   name: 'renovate',
 *   queueName: 'renovate',
 *   children: [{ name: 'paint', queueName: 'steps', data: { place: 'ceiling' } }],
 * })
 */
export class FlowProducer extends BullEmitter<FlowProducerListener> implements AsyncDisposable {
  readonly opts: FlowProducerOptions
  readonly #store: SharedStore
  #closing: Promise<void> | undefined

  /** @throws BULLMQ_UNSUPPORTED for an option that Lark does not have, JOB_INVALID for a wrong value */
  constructor(opts: FlowProducerOptions = {}) {
    super('FlowProducer', 'events of FlowProducer')
    this.opts = checkOptions(`${this}`, 'options of FlowProducer', opts)
    checkTelemetry(`${this}`, this.opts.telemetry)
    this.#store = SharedStore.of(`${this}`, this.opts)
  }

  /** The promise that `close()` has returned. Undefined before `close()` was called. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  /**
   * Adds a flow, in one atomic step.
   *
   * @returns the root job with its children. If the queue already has a flow with this `jobId`, the jobs of
   *   the existing flow are returned
   * @throws BULLMQ_UNSUPPORTED, JOB_INVALID and FLOW_TOO_LARGE before anything is sent; the errors of a
   *   dispatch
   */
  async add(flow: BullFlow, opts: FlowOpts = {}): Promise<JobNode> {
    const queue = flow?.queueName
    const spanned = { kind: SpanKind.PRODUCER, queue, operation: 'addFlow', on: queue }
    return await traced(this.opts.telemetry, spanned, async (span, metadata) => {
      span?.setAttributes({ [TelemetryAttributes.FlowName]: flow?.name })
      const [tree] = await this.#add([this.#read(flow, opts, metadata)])
      return tree!
    })
  }

  /** Adds several flows, each in one atomic step. All flows are checked before the first flow is sent. */
  async addBulk(flows: readonly BullFlow[]): Promise<JobNode[]> {
    const spanned = { kind: SpanKind.PRODUCER, queue: '', operation: 'addBulkFlows', on: '' }
    return await traced(this.opts.telemetry, spanned, async (span, metadata) => {
      span?.setAttributes({
        [TelemetryAttributes.BulkCount]: flows.length,
        [TelemetryAttributes.BulkNames]: flows.map((flow) => flow?.name).join(','),
      })
      return await this.#add(flows.map((flow) => this.#read(flow, {}, metadata)))
    })
  }

  /** @param metadata the context in which the flow is added */
  #read(flow: BullFlow, opts: FlowOpts, metadata: string | undefined): TreeJob[] {
    const tree = readTree(`${this}`, flow, opts, this.opts.prefix)
    return tree.map((job) => ({ ...job, opts: withContext(job.opts, metadata) }))
  }

  async #add(trees: readonly (readonly TreeJob[])[]): Promise<JobNode[]> {
    for (const tree of trees) for (const { queue } of tree) this.#store.admit(queue)
    const ready = await Promise.all(
      trees.map((tree) => (tree.length === 1 ? this.#plain(tree[0]!) : this.#flow(tree))),
    )
    const flows: Promise<JobNode>[] = []
    return await Promise.all(
      ready.map((send, i) => {
        if (trees[i]!.length === 1) return send()
        const before = flows.at(-TOGETHER)
        const sent = before === undefined ? send() : before.then(send, send)
        flows.push(sent)
        return sent
      }),
    )
  }

  /** Prepares a job without children. @returns a function that adds the job */
  async #plain(job: TreeJob): Promise<() => Promise<JobNode>> {
    const home = { store: this.#store, queue: job.queue }
    if (job.opts.parent) await readyTree(`${this}`, this.#store, [job])
    else draftedBy(`${this}`, job.queue, job)
    return async () => ({ job: (await BullJob.added(`${this}`, home, [job]))[0]! })
  }

  /** @returns a function that adds the flow */
  async #flow(tree: readonly TreeJob[]): Promise<() => Promise<JobNode>> {
    const { queue, opts } = tree.at(-1)!
    const { jobId } = opts
    const ready = await readyTree(`${this}`, this.#store, tree)
    const { spec, place } = ready
    return async () => {
      const isBelow = isChild(ready)
      if (isBelow) await addChildren(`${this}`, this.#store, [ready])
      if (isBelow || (await startFlow(this.#store.jobs, spec))) {
        const added = this.#added(tree, spec, place)
        for (const { job } of parentsIn(added))
          await this.#store.hint(larkQueue(job.queueName), 'waiting-children', { jobId: job.id })
        return added
      }
      const existing = await this.getFlow({ id: jobId!, queueName: queue })
      if (existing !== undefined) return existing
      throw new JobsError(
        'JOB_NOT_QUEUED',
        `${this}: a flow with the id ${shown(jobId)} was removed from ${queue}`,
        {
          hint: 'Its id is free again when the flow is forgotten, 10 minutes after its end.',
        },
      )
    }
  }

  /** The jobs of a tree that was added, with their ids. */
  #added(tree: readonly TreeJob[], spec: FlowSpec, place: FlowPlace): JobNode {
    const nodes: JobNode[] = []
    for (const [number, { queue, name, data = {}, children }] of tree.entries()) {
      const opts = optionsIn((spec.nodes[number]!.work as Drafted).context)
      const facts = { id: idIn(place, number), name, data, opts, timestamp: Date.now() }
      const job = new BullJob({ store: this.#store, queue }, facts)
      nodes.push(children.length === 0 ? { job } : { job, children: children.map((child) => nodes[child]!) })
    }
    return nodes.at(-1)!
  }

  /** Reads a job with the jobs below it. Undefined if the queue has no such job. */
  async getFlow({
    id,
    queueName,
    prefix,
    depth = 10,
    maxChildren = 20,
  }: NodeOpts): Promise<JobNode | undefined> {
    const queue = readQueue(`${this}: getFlow()`, queueName)
    for (const [name, value] of Object.entries({ depth, maxChildren }))
      if (!Number.isInteger(value) || value < 1)
        throw wrongValue(`${this}: getFlow()`, name, value, 'a whole number from 1')
    if (prefix !== undefined && prefix !== this.opts.prefix)
      throw unsupported(
        `${this}: getFlow()`,
        `the prefix ${shown(prefix)}`,
        'a FlowProducer with this prefix',
        'redis.md',
      )
    this.#store.admit(queue)
    const home = { store: this.#store, queue }
    const node = await FlowNode.find(home, id)
    if (node !== undefined) return await treeOf(node, depth, maxChildren)
    const job = await BullJob.withId(home, id)
    return job && { job }
  }

  /** Resolves when the store is open. */
  async waitUntilReady(): Promise<void> {
    await opened(this.#store.jobs)
  }

  /** Waits until the added flows are in the store. The store is closed with its last user in this process. */
  close(): Promise<void> {
    this.#closing ??= this.#store.leave()
    return this.#closing
  }

  disconnect(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
refuseMethods(FlowProducer.prototype, 'methods of FlowProducer')
refuseProperties(FlowProducer.prototype, 'properties of FlowProducer')

/** The jobs that have children, the root job first. */
function parentsIn(node: JobNode): JobNode[] {
  const { children } = node
  return children === undefined ? [] : [node, ...children.flatMap(parentsIn)]
}

async function treeOf(node: FlowNode, depth: number, most: number): Promise<JobNode | undefined> {
  const job = await BullJob.ofNode(node)
  const { children } = node
  if (job === undefined || children.length === 0 || depth === 1) return job && { job }
  const trees = await Promise.all(told(children, most).map((each) => treeOf(each, depth - 1, most)))
  return { job, children: trees.filter((tree) => tree !== undefined) }
}

/**
 * Returns at most `most` children of each outcome. Failed children with `removeDependencyOnFailure` are left
 * out.
 */
function told(children: readonly FlowNode[], most: number): FlowNode[] {
  const isBad = ({ state }: FlowNode) => state === 'f' || state === 'x'
  const kinds: ((child: FlowNode) => boolean)[] = [
    ({ state }) => state === 'c',
    ({ state }) => state === 'b' || state === 's',
    (child) => isBad(child) && !child.opts.removeDependencyOnFailure,
  ]
  return kinds.flatMap((is) => children.filter(is).slice(0, most))
}
