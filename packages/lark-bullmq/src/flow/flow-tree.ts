/**
 * Reads the tree of a flow of BullMQ, and makes a workflow of it. Each job becomes a node that starts after
 * the nodes of its children.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '@s18i/lark-jobs'
import { type FlowSpec, isObject, LARGEST, NodeNames, nodeId, ownIdOf, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refusedValue, unsupported, wrongValue } from '../compared/unsupported.ts'
import {
  type AddedJob,
  checkJobOptions,
  type DefaultJobOptions,
  draftedBy,
  type JobsOptions,
  type ParentOptions,
} from '../job/job-options.ts'
import { type Keep, keepOf } from '../job/kept-jobs.ts'
import { larkId } from '../job/own-id.ts'
import { readQueue } from '../queue/queue-name.ts'
import { LEAST_KEPT } from './flow-node.ts'
import { type FailureRule, type FlowPlace, ruleOf } from './flow-rules.ts'

/** A job, and the jobs that it waits for. */
export interface BullFlow {
  name: string
  queueName: string
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  data?: any
  /** The prefix. If the producer has a prefix, this must be the same prefix. */
  prefix?: string
  /**
   * The options of the job, without `deduplication`. Only the root job, which waits for all other jobs, may
   * have a `jobId`.
   */
  opts?: JobsOptions
  children?: BullFlow[]
}

export interface FlowOpts {
  queuesOptions?: FlowQueuesOpts
}

/** The default options of jobs, by queue. */
export type FlowQueuesOpts = Record<string, { defaultJobOptions?: DefaultJobOptions }>

/** A job of a tree that was read. */
export interface TreeJob extends AddedJob {
  queue: string
  /** The numbers of the jobs that this job waits for. */
  children: number[]
  /** The number of the job that waits for this job. */
  parent: number | undefined
}

/** The maximum length of the name of a flow or a node, in characters. */
const MAX_NAME = 100

/**
 * Reads the jobs of a tree. Children come before the job that waits for them, so the root job is the last.
 *
 * @param prefix the prefix of the producer
 * @throws BULLMQ_UNSUPPORTED, JOB_INVALID, FLOW_TOO_LARGE
 */
export function readTree(
  who: string,
  flow: BullFlow,
  { queuesOptions = {} }: FlowOpts,
  prefix: string | undefined,
): TreeJob[] {
  // In this list, each job comes before its children, and the last child comes first. The list is then
  // reversed, so that the children come first, in their own order.
  const found: (AddedJob & { queue: string; parent: number | undefined })[] = []
  const open: [job: BullFlow, parent: number | undefined][] = [[flow, undefined]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [job, parent] = next
    if (found.length === LARGEST.nodes)
      throw new JobsError('FLOW_TOO_LARGE', `${who}: the flow has more than ${LARGEST.nodes} jobs`)
    const { children, ...read } = readJob(who, job, queuesOptions, prefix)
    const at = { isRoot: parent === undefined, hasChildren: children.length > 0 }
    if (!at.isRoot || at.hasChildren) checkInFlow(who, read, at)
    const number = found.push({ ...read, parent }) - 1
    for (const child of children) open.push([child, number])
  }
  const last = found.length - 1
  const all = found.reverse().map(({ parent, ...job }): TreeJob => {
    return { ...job, children: [], parent: parent === undefined ? undefined : last - parent }
  })
  for (const [number, { parent }] of all.entries())
    if (parent !== undefined) all[parent]!.children.push(number)
  return all
}

function readJob(
  who: string,
  job: BullFlow,
  queues: NonNullable<FlowOpts['queuesOptions']>,
  prefix: string | undefined,
): AddedJob & { queue: string; children: BullFlow[] } {
  if (!isObject(job)) throw wrongValue(who, 'a job', job, 'an object with name and queueName')
  const { name, data, children = [] } = job
  const queue = readQueue(who, job.queueName)
  const what = `${who}: the job ${shown(name)}`
  if (job.prefix !== undefined && job.prefix !== prefix)
    throw unsupported(
      what,
      `the prefix ${shown(job.prefix)} of one job`,
      'all jobs of a flow are in one store',
      'redis.md',
    )
  if (!Array.isArray(children)) throw wrongValue(what, 'children', children, 'a list of jobs')
  const ofQueue = checkOptions(`${who}: queuesOptions of ${queue}`, 'options of Queue', queues[queue])
  const defaults = checkJobOptions(`${who}: defaultJobOptions of ${queue}`, ofQueue.defaultJobOptions)
  const opts = { ...defaults, ...checkJobOptions(what, job.opts) }
  return { name, data, opts, queue, children }
}

function checkInFlow(
  who: string,
  { name, opts }: AddedJob,
  { isRoot, hasChildren }: { isRoot: boolean; hasChildren: boolean },
): void {
  const what = `${who}: the job ${shown(name)}`
  if (opts.deduplication !== undefined && hasChildren)
    throw refusedValue(
      what,
      'deduplication',
      opts.deduplication.id,
      'Deduplication options cannot be used on flow nodes with children',
    )
  if (opts.deduplication !== undefined)
    throw unsupported(
      what,
      'deduplication of a child in a flow',
      'a jobId of the root job, which waits for all others',
      'bullmq-flows.md',
    )
  if (opts.jobId !== undefined && isRoot) ownIdOf({ id: larkId(opts.jobId), options: {} }, what)
  else if (opts.jobId !== undefined)
    throw unsupported(
      what,
      'the option jobId of a child',
      'Lark gives ids to children. Only the root job, which waits for all others, may have a jobId',
      'bullmq-flows.md',
    )
}

/** Makes the workflow of a tree. @param prefix the prefix of the application's keys */
export function workflowOf(
  who: string,
  tree: readonly TreeJob[],
  place: FlowPlace,
  prefix: string,
): FlowSpec {
  const names = new NodeNames()
  const root = tree.at(-1)!
  const nodes = tree.map((job): FlowSpec['nodes'][number] => {
    const { parent } = job
    const opts =
      parent === undefined ? job.opts : { ...job.opts, parent: parentOf(tree, parent, place, prefix) }
    // The flow gives the job its id, so the id of the draft is left out.
    const { ownId: _, ...work } = draftedBy(`${who}: the job ${shown(job.name)}`, job.queue, { ...job, opts })
    return { name: names.of(shortened(job.name)), after: job.children, work, ...rulesOf(tree, job) }
  })
  const keep = keptFor(keepOf(root.opts))
  return {
    ...{ kind: 'workflow', name: shortened(root.name), id: place.flow, queue: root.queue, scope: {}, nodes },
    ...defined({ keep }),
  } as FlowSpec
}

function rulesOf(tree: readonly TreeJob[], { children }: TreeJob): Pick<FlowSpec['nodes'][number], 'rules'> {
  const rules = children.flatMap((child): [number, FailureRule][] => {
    const rule = ruleOf(tree[child]!.opts)
    return rule === 'skip' ? [] : [[child, rule]]
  })
  return rules.length === 0 ? {} : { rules: Object.fromEntries(rules) }
}

function parentOf(tree: readonly TreeJob[], parent: number, place: FlowPlace, prefix: string): ParentOptions {
  const { queue, opts } = tree[parent]!
  return { id: opts.jobId ?? idIn(place, parent), queue: `${prefix}:${queue}` }
}

/** The id in Lark of a job of a flow. */
export function idIn(place: FlowPlace, number: number): string {
  return nodeId(place, number)
}

function keptFor(keep: Keep | undefined): FlowSpec['keep'] {
  const { completed, failed } = keep ?? {}
  if (completed === undefined && failed === undefined) return undefined
  const of = (age: number | undefined) => (age === undefined ? undefined : Math.max(LEAST_KEPT, age))
  return { completed: of(completed), failed: of(failed), cancelled: of(failed) } as FlowSpec['keep']
}

function shortened(name: string): string {
  return name.slice(0, MAX_NAME)
}
