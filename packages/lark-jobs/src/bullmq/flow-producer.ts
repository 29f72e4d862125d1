/**
 * The `FlowProducer` of BullMQ: a tree of jobs becomes a workflow of Lark.
 */
import { dispatchFlow } from '../api/flow-draft.ts'
import { flowPlace } from '../dispatch/flow-definition.ts'
import type { Drafted } from '../dispatch/new-job.ts'
import { newId } from '../model/id.ts'
import { open } from '../operate/operations.ts'
import { ownIdOf } from '../options/own-id.ts'
import { addJobs } from './added-jobs.ts'
import { BullJob } from './bull-job.ts'
import { BullEmitter } from './emitter.ts'
import { FlowNode, flowIdFor } from './flow-node.ts'
import { type FlowJob, type FlowOpts, idIn, readTree, type TreeJob, workflowOf } from './flow-tree.ts'
import { optionsIn } from './job-options.ts'
import { readQueue } from './queue.ts'
import { type PlaceOptions, SharedStore } from './shared-store.ts'
import { checkOptions, refuseMethods, unsupported, wrongValue } from './unsupported.ts'

export interface FlowProducerOptions extends PlaceOptions {}

/** The events of a flow producer: there are none, because its calls reject. */
export interface FlowProducerListener {
  error: (error: Error) => void
}

/** A job with its children. */
export interface JobNode {
  job: BullJob
  children?: JobNode[]
}

/** Which job, and how much of what is below it. */
export interface NodeOpts {
  id: string
  queueName: string
  /** That of the producer, if there is one. */
  prefix?: string
  /** How many levels, that of the job included. Default 10. */
  depth?: number
  /** How many children of each job, by what became of them. Default 20. */
  maxChildren?: number
}

/**
 * Adds jobs that wait for others: each job starts when its children have completed, and can read what they returned.
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
    this.#store = SharedStore.of(`${this}`, this.opts)
  }

  /**
   * Adds a flow, in one atomic step.
   *
   * @returns the job that waits for all others, with its children. If its queue has a flow with its `jobId` already, that one
   * @throws BULLMQ_UNSUPPORTED, JOB_INVALID, FLOW_TOO_LARGE, before anything is sent; the errors of a dispatch
   */
  async add(flow: FlowJob, opts: FlowOpts = {}): Promise<JobNode> {
    return await this.#add(readTree(`${this}`, flow, opts, this.opts.prefix))
  }

  /** Adds several flows, each in one atomic step. All are checked before the first is sent. */
  async addBulk(flows: readonly FlowJob[]): Promise<JobNode[]> {
    const trees = flows.map((flow) => readTree(`${this}`, flow, {}, this.opts.prefix))
    return await Promise.all(trees.map((tree) => this.#add(tree)))
  }

  async #add(tree: readonly TreeJob[]): Promise<JobNode> {
    for (const { queue } of tree) this.#store.admit(queue)
    const root = tree.at(-1)!
    const home = { store: this.#store, queue: root.queue }
    if (tree.length === 1) return { job: (await addJobs(`${this}`, home, [root]))[0]! }
    const { jobs } = this.#store
    const { partitions, prefix } = await this.#store.settings()
    const { jobId } = root.opts
    if (jobId !== undefined) ownIdOf({ id: jobId, options: {} }, root.name)
    const place = flowPlace(jobId === undefined ? newId() : flowIdFor(jobId), root.queue, partitions)
    const spec = workflowOf(`${this}`, tree, place, prefix)
    const { isNew } = await jobs[dispatchFlow](spec)
    const existing = isNew ? undefined : await this.getFlow({ id: jobId!, queueName: root.queue })
    if (existing !== undefined) return existing
    const nodeOf = (number: number): JobNode => {
      const { queue, name, data = {}, children } = tree[number]!
      const opts = optionsIn((spec.nodes[number]!.work as Drafted).context)
      const facts = { id: idIn(place, number), name, data, opts, timestamp: Date.now() }
      const job = new BullJob({ store: this.#store, queue }, facts)
      return children.length === 0 ? { job } : { job, children: children.map(nodeOf) }
    }
    return nodeOf(tree.length - 1)
  }

  /** A job with what is below it; undefined if the queue has no such job. */
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
        `the prefix '${prefix}'`,
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
    await this.#store.jobs[open]()
  }

  /** Waits until what was added is in the store, and closes the store if nobody else uses it. */
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

async function treeOf(node: FlowNode, depth: number, most: number): Promise<JobNode> {
  const job = await BullJob.ofNode(node)
  const { children } = node
  if (children.length === 0 || depth === 1) return { job }
  return {
    job,
    children: await Promise.all(shown(children, most).map((each) => treeOf(each, depth - 1, most))),
  }
}

/** Children by what became of them, so many of each; without those that have failed and that their parent forgets. */
function shown(children: readonly FlowNode[], most: number): FlowNode[] {
  const isBad = ({ state }: FlowNode) => state === 'f' || state === 'x'
  const kinds: ((child: FlowNode) => boolean)[] = [
    ({ state }) => state === 'c',
    ({ state }) => state === 'b' || state === 's',
    (child) => isBad(child) && !child.opts.removeDependencyOnFailure,
  ]
  return kinds.flatMap((is) => children.filter(is).slice(0, most))
}
