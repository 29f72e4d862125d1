/**
 * Turns a flow of BullMQ into a workflow of Lark: the root job, which waits for all other jobs, and all jobs
 * below it. Children that have ended become nodes that have already ended, so that their parents get their
 * results.
 */

import type { EndedState } from '@s18i/lark-jobs'
import {
  flowPlace,
  isQueueName,
  LARGEST,
  NodeNames,
  nodeId,
  type OpenJobs,
  partitionsOf,
  queueOf,
  retentionOf,
  shown,
  textOf,
} from '@s18i/lark-jobs/internal'
import { retention } from '@s18i/lark-jobs/operate'
import {
  type FailureRule,
  type FlowDefinition,
  type FlowPlace,
  flowIdFor,
  type NodeDefinition,
  ruleOf,
} from '../flow/flow-rules.ts'
import type { Keep } from '../job/kept-jobs.ts'
import { bullmqRecord } from '../job/record.ts'
import { keyFor, parsed, REMEMBERED, waitingJob } from './jobs.ts'
import type { LackReason, leftReasons } from './report.ts'
import type { BullmqChild, BullmqEntry, BullmqSource } from './source.ts'

/** The maximum length of the name of a flow or a node, in characters. */
const MAX_NAME = 100
/** How many children are read together. The number is low because the data of each child may have 512 KiB. */
const TOGETHER = 25
/** The maximum number of running jobs of a queue of BullMQ that are read. */
const MAX_ACTIVE = 1_000_000
/** The key of a child if BullMQ has kept only the value that the child returned. */
const REMOVED = 'removed'

/** A job of a flow that Lark runs. */
export interface ReadMember {
  queue: string
  entry: BullmqEntry
  key: string
  lacks: LackReason[]
}

/** `definition` is the workflow. `members` are its jobs that have not ended. The root job comes last. */
export interface ReadFlow {
  place: FlowPlace
  definition: FlowDefinition
  members: ReadMember[]
}

type LeftReason = keyof typeof leftReasons

/** Thrown with the reason why a flow stays in BullMQ. */
class Left extends Error {
  readonly why: LeftReason

  constructor(why: LeftReason) {
    super(why)
    this.why = why
  }
}

/** A node, and the data that its parent needs about this node. */
interface ReadNode {
  number: number
  rule: FailureRule
  isEnded: boolean
}

/** Reads the flows of an import. */
export class FlowReader {
  readonly #source: BullmqSource
  readonly #template: string
  readonly #settings: OpenJobs['settings']
  readonly #queues: ReadonlySet<string>
  /** The ids of the jobs that BullMQ runs, by queue. */
  readonly #active = new Map<string, Promise<ReadonlySet<string>>>()

  /** @param queues the queues that are imported */
  constructor(
    source: BullmqSource,
    template: string,
    settings: OpenJobs['settings'],
    queues: ReadonlySet<string>,
  ) {
    this.#source = source
    this.#template = template
    this.#settings = settings
    this.#queues = queues
  }

  /**
   * @param root the root job, which waits for all other jobs of the flow
   * @param now milliseconds since 1970, by the clock of BullMQ's server
   * @returns the flow, or the reason why it stays in BullMQ
   * @throws an error that says what is wrong with the flow
   */
  async read(queue: string, root: BullmqEntry, now: number): Promise<ReadFlow | LeftReason> {
    const place = flowPlace(flowIdFor(root.id), queue, this.#settings.partitions)
    const flow = new FlowInReading(place, this.#settings, this.#template, now)
    try {
      await this.#read(flow, { queue, id: root.id }, root, true)
    } catch (error) {
      if (error instanceof Left) return error.why
      throw error
    }
    return flow.finished(root)
  }

  /** Reads a job and all jobs below it, the children first. */
  async #read(
    flow: FlowInReading,
    { queue, id }: BullmqChild,
    entry: BullmqEntry,
    isRoot = false,
  ): Promise<ReadNode> {
    flow.meet({ queue, id })
    if (!this.#queues.has(queue)) throw new Left('flow-elsewhere')
    if ((await this.#activeIn(queue)).has(id)) throw new Left('flow-active')
    // The child has failed, or it completed just now and its parent has not been told yet.
    if (entry.finishedOn !== undefined) throw new Left('flow-failed')
    const room = LARGEST.nodes - flow.size
    const children = entry.hasChildren
      ? await this.#source.children(queue, id, room, LARGEST.definition)
      : { left: [], completed: [], ignored: [], failed: 0 }
    if (children.failed > 0) throw new Left('flow-failed')
    for (const { value } of children.completed) flow.grow(value.length)
    for (const { reason } of children.ignored) flow.grow(Math.min(reason.length, LARGEST.error))
    const nodes: ReadNode[] = []
    for (const [child, found] of await this.#entries(flow, children.completed)) {
      const result = JSON.stringify(parsed(child.value, `result of the job ${shown(child.id)}`))
      nodes.push(flow.ended(child, found, { state: 'completed', at: flow.now, result }))
    }
    for (const [child, found] of await this.#entries(flow, children.ignored))
      nodes.push(
        flow.ended(child, found, {
          state: 'failed',
          at: flow.now,
          error: child.reason.slice(0, LARGEST.error),
        }),
      )
    for (const [child, found] of await this.#entries(flow, children.left))
      nodes.push(await this.#read(flow, child, found))
    try {
      return flow.waiting(queue, entry, nodes)
    } catch (error) {
      throw isRoot ? error : new Error(`the job ${shown(id)} of its flow: ${textOf(error)}`)
    }
  }

  async #entries<C extends BullmqChild>(
    flow: FlowInReading,
    children: readonly C[],
  ): Promise<[C, BullmqEntry][]> {
    const found: [C, BullmqEntry][] = []
    for (let i = 0; i < children.length; i += TOGETHER) {
      const some = children.slice(i, i + TOGETHER)
      const entries = await Promise.all(some.map(({ queue, id }) => this.#source.entry(queue, id)))
      found.push(...some.map((child, n): [C, BullmqEntry] => [child, entries[n]!]))
      flow.grow(entries.reduce((sum, { bytes }) => sum + bytes, 0))
    }
    return found
  }

  #activeIn(queue: string): Promise<ReadonlySet<string>> {
    const known = this.#active.get(queue)
    if (known !== undefined) return known
    const found = this.#source.ids(queue, 'active', MAX_ACTIVE).then((ids) => new Set(ids))
    this.#active.set(queue, found)
    return found
  }
}

/** A flow while its jobs are read. */
class FlowInReading {
  /** Milliseconds since 1970, by the clock of BullMQ's server. */
  readonly now: number
  readonly #place: FlowPlace
  readonly #settings: OpenJobs['settings']
  readonly #template: string
  readonly #names = new NodeNames()
  readonly #nodes: NodeDefinition[] = []
  readonly #members: ReadMember[] = []
  readonly #seen = new Set<string>()
  #keep: Keep | undefined
  #bytes = 0

  constructor(place: FlowPlace, settings: OpenJobs['settings'], template: string, now: number) {
    this.#place = place
    this.#settings = settings
    this.#template = template
    this.now = now
  }

  get size(): number {
    return this.#nodes.length
  }

  /** @throws Error if the data and the results of the jobs have more bytes than a flow may have */
  grow(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes > LARGEST.definition)
      throw new Error(`the data and results of its flow have more than ${LARGEST.definition} bytes`)
  }

  /**
   * Adds a child that has ended. BullMQ may have kept nothing of the child except the value that it returned.
   */
  ended(
    { queue, id }: BullmqChild,
    entry: BullmqEntry,
    ended: NonNullable<NodeDefinition['ended']>,
  ): ReadNode {
    if (!isQueueName(queue)) throw new Error(`it waits for a job of the queue ${shown(queue)}`)
    this.meet({ queue, id })
    const key = entry.isGone ? REMOVED : keyFor(this.#template, entry.name, queue)
    const opts = entry.isGone ? { ignoreDependencyOnFailure: true } : bullmqRecord(jsonIn(entry.opts), 0).opts
    const context = { bullmq: opts }
    const job = { key, payload: payloadIn(entry.data), options: isShort(context) ? { context } : {} }
    const rule = ruleOf(opts)
    return {
      number: this.#add({ after: [], ended, job: { partition: queue, job } }, key),
      rule: rule === 'now' ? 'now' : 'run',
      isEnded: true,
    }
  }

  /** Adds a job that waits. Its children must have been added before. */
  waiting(queue: string, entry: BullmqEntry, children: readonly ReadNode[]): ReadNode {
    const read = waitingJob(entry, queue, this.#template, this.now)
    const { id: _, ownId, keep, ...job } = read.job
    // The delay of a job that waits for children begins when all its children have ended.
    const isBlocked =
      children.some(({ isEnded }) => !isEnded) &&
      !children.some((each) => each.isEnded && each.rule === 'now')
    const delay = isBlocked && entry.dueAt === undefined ? Number(read.opts.delay) || 0 : (job.delay ?? 0)
    const rules = children.flatMap(({ number, rule }): [number, FailureRule][] =>
      rule === 'skip' ? [] : [[number, rule]],
    )
    this.#keep = keep
    const number = this.#add(
      {
        after: children.map((child) => child.number),
        job: {
          partition: this.#partitionOf(queue),
          job: { ...job, ...(delay > 0 && { delay: Math.min(LARGEST.time, delay) }) },
        },
        ...(rules.length > 0 && { rules: Object.fromEntries(rules) }),
      },
      job.key,
    )
    const lacks = [...read.lacks]
    this.#members.push({ queue, entry, key: job.key, lacks })
    const parent = { id: this.#idOf(number), queue: `${this.#settings.prefix}:${queue}` }
    for (const child of children) this.#say(child.number, { parent })
    return { number, rule: ruleOf(read.opts), isEnded: false }
  }

  /** @param root the root job, which was added last */
  finished(root: BullmqEntry): ReadFlow {
    const last = this.size - 1
    const parent = { id: root.id, queue: `${this.#settings.prefix}:${queueOf(this.#place.home)}` }
    for (const child of this.#nodes[last]!.after) this.#say(child, { parent })
    this.#say(last, { jobId: root.id, parent: undefined })
    const ofQueue = retentionOf(this.#settings, this.#place.home)
    const kept = (state: EndedState) => {
      const { age } = ofQueue[state]
      return Math.max(REMEMBERED, this.#keep?.[state] ?? (age === LARGEST.time ? retention[state].age : age))
    }
    const name = this.#nodes[last]!.job!.job.key.slice(0, MAX_NAME)
    const keep = { completed: kept('completed'), failed: kept('failed'), cancelled: kept('cancelled') }
    const definition: FlowDefinition = { kind: 'workflow', name, keep, nodes: this.#nodes }
    return { place: this.#place, definition, members: this.#members }
  }

  #add(node: Omit<NodeDefinition, 'name'>, key: string): number {
    if (this.size === LARGEST.nodes) throw new Error(`its flow has more than ${LARGEST.nodes} jobs`)
    return this.#nodes.push({ name: this.#names.of(key.slice(0, MAX_NAME)), ...node }) - 1
  }

  /** @throws Error for a job that was already added, because trees of BullMQ have no cycles */
  meet({ queue, id }: BullmqChild): void {
    const key = `${queue}:${id}`
    if (this.#seen.has(key)) throw new Error(`the job ${shown(id)} is in its flow twice`)
    this.#seen.add(key)
  }

  /** Jobs in the queue of the flow are in the partition of the flow, as with a `FlowProducer`. */
  #partitionOf(queue: string): string {
    const { home } = this.#place
    if (queueOf(home) === queue) return home
    const names = partitionsOf(queue, this.#settings.partitions.get(queue) ?? 1)
    return names[this.size % names.length]!
  }

  #idOf(number: number): string {
    return nodeId(this.#place, number)
  }

  /** Adds fields to the options that a processor reads. */
  #say(number: number, more: object): void {
    const { job } = this.#nodes[number]!.job!
    const { bullmq = {}, ...others } = job.options?.context ?? {}
    const context = { ...others, bullmq: { ...(bullmq as object), ...more } }
    // Options that are too long are left out. The report already names their job.
    if (isShort(context)) job.options = { ...job.options, context: JSON.parse(JSON.stringify(context)) }
  }
}

function isShort(context: object): boolean {
  return Buffer.byteLength(JSON.stringify(context)) <= LARGEST.context
}

/** Reads the JSON of a job that has ended. A text that is not JSON is left out. */
function jsonIn(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}')
  } catch {
    return {}
  }
}

function payloadIn(data: string | undefined): string {
  return data === undefined || jsonIn(data) === undefined ? '' : JSON.stringify(jsonIn(data))
}
