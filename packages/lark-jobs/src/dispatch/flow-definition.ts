/**
 * Makes the definition of a flow (`model/flow.ts`) from its drafts. Each node becomes a job that can be
 * queued without its class, and references say which results are filled in when the node starts.
 */
import { defined } from '@s18i/lark/internal'
import { FlowSize } from '../flow/flow-size.ts'
import { JobsError } from '../model/errors.ts'
import {
  type FlowDefinition,
  type FlowJob,
  type FlowKind,
  type FlowPlace,
  type IfFailed,
  MAX_NODES,
  type NodeDefinition,
} from '../model/flow.ts'
import { newId } from '../model/id.ts'
import { wordsOf } from '../model/open-result.ts'
import { partitionsOf, partitionWith, placeNameOf, queueOf } from '../model/partition.ts'
import type { EndedState } from '../model/record.ts'
import { type Trace, traced } from '../model/trace.ts'
import type { FlowOptions } from '../options/flow.ts'
import { classOf } from '../options/job-class.ts'
import { RETENTION, type Retentions, retentionOf } from '../store/contract/rules/retention.ts'
import { LONGEST } from '../words/duration.ts'
import { type Drafted, draftedJob, type NewJobs } from './new-job.ts'
import { type OpenPayload, openPayload } from './open-payload.ts'

/** How deep flows may be nested. A flow that contains no other flow has depth 1. */
export const MAX_NESTING = 10
/**
 * The queue of a flow without jobs. If this queue is not configured, such a flow is in the first configured
 * queue.
 */
const DEFAULT_QUEUE = 'default'
/**
 * The minimum time for which a flow is kept after its end by default, in milliseconds, so that a process that
 * awaits the flow can read how it ended.
 */
const LEAST_KEPT = 600_000
/**
 * How many members go to one partition before the next partition gets members. The number is large because
 * the flow stores each range of members in one partition.
 */
const TOGETHER = 1_000

/** The content of a flow's draft, without the members of the outermost flow. */
export interface FlowSpec
  extends Pick<FlowOptions, 'name' | 'id' | 'within' | 'unknownAfter' | 'tags' | 'keep' | 'allowFailures'> {
  kind: FlowKind
  /** Identifies the flow in the open results of its nodes. */
  scope: object
  /** The queue that keeps the flow. Default: the queue of its first job. */
  queue?: string
  /** The job that learns how the flow ends (`flow/child.ts`). */
  parentJob?: FlowDefinition['parentJob']
  /** The nodes. Callbacks come last. */
  nodes: NodeSpec[]
  /** The members of a batch in another flow. */
  members?: Drafted[]
}

export interface NodeSpec extends Pick<NodeDefinition, 'name' | 'after' | 'on' | 'rules'> {
  ifFailed?: IfFailed | undefined
  work: Drafted | FlowSpec
}

/** The part of the configuration that determines where jobs go. */
export interface FlowPlacing extends Retentions {
  /** The number of partitions of each configured queue. */
  partitions: ReadonlyMap<string, number>
  /** @throws UNKNOWN_QUEUE, UNKNOWN_LIMITER */
  check(made: NewJobs): void
}

/** The queue of the first job of a flow. @param first the first member of a batch that is not filled yet */
export function queueOfFlow(
  spec: FlowSpec,
  { partitions }: Pick<FlowPlacing, 'partitions'>,
  first?: Drafted,
): string {
  if (spec.queue !== undefined) return spec.queue
  const job = first ?? firstJob(spec)
  if (job !== undefined) return (job.fields.queueName as string | undefined) ?? classOf(job.Class).queueName
  return partitions.has(DEFAULT_QUEUE) ? DEFAULT_QUEUE : [...partitions.keys()][0]!
}

/**
 * The first job of a flow: the job of a node or a member or, if the flow has neither, the job of a callback.
 * Undefined if the flow has no job.
 */
function firstJob({ nodes, members = [] }: FlowSpec): Drafted | undefined {
  const isCallback = nodes[0]?.on !== undefined
  if (isCallback && members.length > 0) return members[0]
  for (const { work } of nodes) {
    const job = isSpec(work) ? firstJob(work) : work
    if (job !== undefined) return job
  }
  return members[0]
}

function isSpec(work: NodeSpec['work']): work is FlowSpec {
  return 'kind' in work
}

/** A draft whose payload is already serialized, with the job that was made of the draft. */
export interface WrittenDraft extends Drafted {
  made: NewJobs
  /** The open results of the payload. */
  refs: OpenPayload['refs']
}

/** @throws the errors of a dispatch */
export function writtenDraft(drafted: Drafted | WrittenDraft): WrittenDraft {
  if ('made' in drafted) return drafted
  const open = openPayload(drafted.payload)
  return { ...drafted, payload: undefined, made: draftedJob(drafted, open), refs: open?.refs ?? [] }
}

/** The payload of a draft, as JSON. */
export function textIn({ made }: WrittenDraft): string {
  return made.records[0]!.payload
}

/** Makes the jobs of one flow, and chooses the partition of each. */
export class FlowJobs {
  readonly #placing: FlowPlacing
  readonly #turns = new Map<string, number>()
  /** The partitions of queues. */
  readonly #names = new Map<string, string[]>()
  readonly #trace: Trace | undefined
  #size = new FlowSize()
  /** How many members were made. */
  count = 0

  /** @param trace the trace of the flow's dispatch */
  constructor(placing: FlowPlacing, trace?: Trace) {
    this.#placing = placing
    this.#trace = trace
  }

  /**
   * Makes the definition of a flow.
   *
   * @param home the partition that keeps the flow
   * @param queue the queue of the first job of the flow
   * @throws FLOW_INVALID, FLOW_TOO_LARGE, RESULT_NOT_KNOWN; the errors of a dispatch
   */
  define(spec: FlowSpec, home: string, queue: string): FlowDefinition {
    this.#size = new FlowSize()
    const { definition, outer } = this.#define(spec, home, queue)
    refuseOuter(outer)
    return { ...definition, ...defined({ trace: this.#trace }) }
  }

  /**
   * Makes nodes to add to a flow that was dispatched.
   *
   * @param home the partition that keeps the flow
   * @throws the errors of `define`
   */
  nodes(specs: readonly NodeSpec[], home: string): NodeDefinition[] {
    this.#size = new FlowSize()
    return specs.map((spec) => {
      const { node, outer } = this.#node(spec, {}, home)
      refuseOuter(outer)
      return node
    })
  }

  /** @returns the definition, and the results of outer flows that its nodes use */
  #define(
    spec: FlowSpec,
    home: string,
    queue: string,
  ): { definition: FlowDefinition; outer: OuterReference[] } {
    const { kind, name, tags, within, unknownAfter, parentJob, allowFailures = 0 } = spec
    if (spec.nodes.length > MAX_NODES)
      throw new JobsError(
        'FLOW_TOO_LARGE',
        `${name ?? `A ${kind}`} has ${spec.nodes.length} nodes; the limit is ${MAX_NODES}, callbacks included`,
        { hint: 'Jobs that wait for nothing can be a batch, which may have a million members.' },
      )
    const made = spec.nodes.map((node) => this.#node(node, spec.scope, home))
    const definition = {
      kind,
      ...defined({ name, within, unknownAfter, parentJob, tags: tags && [...tags] }),
      ...(kind === 'batch' && allowFailures !== 'any' && { allowed: allowFailures }),
      keep: this.#keepOf(spec, queue),
      nodes: made.map(({ node }) => node),
    }
    return {
      definition,
      outer: made.flatMap(({ outer }, i) => outer.map((ref) => ({ ...ref, at: [i, ...ref.at] }))),
    }
  }

  /**
   * @param scope the scope of the flow
   * @returns the node, and the results of outer flows that the node uses
   */
  #node(
    { name, on, ifFailed, rules, work, after }: NodeSpec,
    scope: object,
    home: string,
  ): { node: NodeDefinition; outer: OuterReference[] } {
    const written = isSpec(work) ? undefined : writtenDraft(work)
    this.#size.add(name, written && textIn(written), after.length)
    const nested = isSpec(work) ? this.#nested(work) : undefined
    const all = nested?.outer ?? written!.refs.map((ref) => ({ ...ref, user: name }))
    const own = all.filter((ref) => ref.scope === scope)
    const node = {
      name,
      after: [...new Set([...after, ...own.map((ref) => ref.node)])],
      ...(ifFailed !== undefined && ifFailed !== 'skip' && { ifFailed }),
      ...defined({ on, rules }),
      ...(own.length > 0 && { refs: own.map(({ at, node, path }) => ({ at, node, path })) }),
    }
    const outer = all.filter((ref) => ref.scope !== scope)
    if (written === undefined) return { node: { ...node, flow: nested!.flow }, outer }
    const job = withoutId(this.#job(written, (queue) => this.#near(queue, home)))
    return { node: { ...node, job }, outer }
  }

  /**
   * Makes the job of a member of a batch. The id of the job is not the final id of the member yet.
   *
   * @throws the errors of `define`
   */
  member(drafted: Drafted): FlowJob {
    this.count++
    const { partition, job } = this.#job(
      { made: draftedJob(drafted), ...defined({ ownId: drafted.ownId, transaction: drafted.transaction }) },
      (queue) => this.#inTurn(queue, 1 / TOGETHER),
    )
    return { partition, job: traced(job, this.#trace) }
  }

  /** @param place the partition for a job that may go to any partition */
  #job(
    { made, ownId, transaction }: Pick<WrittenDraft, 'made' | 'ownId' | 'transaction'>,
    place: (queue: string) => string,
  ): FlowJob {
    const { name, queue } = made
    const job = made.records[0]!
    if (transaction !== undefined)
      throw new JobsError('FLOW_INVALID', `${name}: a draft in a flow belongs to a transaction`, {
        hint: 'Give the transaction to the flow: flow.dispatch({ tx })',
      })
    if (ownId !== undefined)
      throw new JobsError('FLOW_INVALID', `${name}: a draft in a flow has the id ${ownId.id}`, {
        hint: 'The jobs of a flow get their ids from it: leave out withId(), or give the flow an id.',
      })
    if (job.lock?.replace)
      throw new JobsError(
        'FLOW_INVALID',
        `${name}: unique has replace, debounce or keepLast, and the job is part of a flow`,
        {
          hint: 'A flow waits for each of its jobs, and such a job may never run, because a later one replaces it.',
        },
      )
    this.#placing.check(made)
    const placeName = placeNameOf(job)
    if (placeName === undefined) return { partition: place(queue), job }
    return { partition: partitionWith(placeName, queue, this.#placing.partitions), job }
  }

  #nested(spec: FlowSpec): { flow: NonNullable<NodeDefinition['flow']>; outer: OuterReference[] } {
    const queue = queueOfFlow(spec, this.#placing)
    const home = this.#inTurn(queue)
    const { definition, outer } = this.#define(spec, home, queue)
    const members = spec.members?.map((each, i) => {
      const written = writtenDraft(each)
      const user = classOf(each.Class).name
      this.#size.add(user, textIn(written))
      for (const ref of written.refs) outer.push({ ...ref, at: ['members', i, ...ref.at], user })
      return withoutId(this.#job(written, (queue) => this.#inTurn(queue, 1 / TOGETHER)))
    })
    return { flow: { home, definition, ...defined({ members }) }, outer }
  }

  #keepOf({ keep }: FlowSpec, queue: string): Record<EndedState, number> {
    const retention = retentionOf(this.#placing, queue)
    const of = (state: EndedState) => {
      const { age } = retention[state]
      // A queue without a maximum age keeps a number of jobs. A flow needs an age, so the default age is used
      // here.
      return keep?.[state] ?? Math.max(LEAST_KEPT, age === LONGEST ? RETENTION[state].age : age)
    }
    return { completed: of('completed'), failed: of('failed'), cancelled: of('cancelled') }
  }

  /**
   * The partition for a job that may go to any partition of its queue. It is the partition that keeps the
   * flow, if that partition belongs to this queue: the flow can then record the start of the job and queue
   * the job in one atomic step. Otherwise, the partitions of the queue take turns.
   */
  #near(queue: string, home: string): string {
    return queueOf(home) === queue ? home : this.#inTurn(queue)
  }

  /** @param step how far the turn advances. 1 means that the next call gets the next partition */
  #inTurn(queue: string, step = 1): string {
    const partitions = this.#partitions(queue)
    const turn = this.#turns.get(queue) ?? Math.floor(Math.random() * partitions.length)
    this.#turns.set(queue, turn + step)
    return partitions[Math.floor(turn) % partitions.length]!
  }

  #partitions(queue: string): string[] {
    const known = this.#names.get(queue)
    if (known !== undefined) return known
    const names = partitionsOf(queue, this.#placing.partitions.get(queue) ?? 1)
    this.#names.set(queue, names)
    return names
  }
}

/**
 * A result of an outer flow that a node uses. `at`: the path to the node in its flow (`Reference.at`).
 * `user`: the name of the node.
 */
type OuterReference = OpenPayload['refs'][number] & { user: string }

/** @throws FLOW_INVALID */
function refuseOuter([first]: readonly OuterReference[]): void {
  if (first === undefined) return
  const message = `${first.user} uses the ${wordsOf(first)}, which is a node of another flow`
  throw new JobsError('FLOW_INVALID', message, {
    hint: 'It can use results of its own flow and of those around it. A job that runs can read more: this.flow.',
  })
}

/**
 * Chooses the place of a flow: a partition of the queue of its first job.
 *
 * @param id the id of the flow. Default: a new id
 */
export function flowPlace(
  id: string | undefined,
  queue: string,
  partitions: ReadonlyMap<string, number>,
): FlowPlace {
  const flow = id ?? newId()
  return { flow, home: partitionWith(flow, queue, partitions) }
}

function withoutId({ partition, job }: FlowJob): FlowJob {
  const { id: _, ...others } = job as FlowJob['job'] & { id?: string }
  return { partition, job: others }
}
