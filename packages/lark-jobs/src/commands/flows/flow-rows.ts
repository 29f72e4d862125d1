/**
 * The nodes of a flow as rows of a table: a tree of marks and names, and for each node its state, its job,
 * and the nodes that it waits for.
 */
import { visible } from '@s18i/lark/internal'
import type { FlowInfo, FlowNodeInfo, JobDetail, Operate } from '../../operate.ts'
import { listed } from '../../words/listed.ts'
import { ago, timeSince } from '../words/instant.ts'
import { delayWords } from '../words/job-words.ts'
import { treeOf } from './flow-tree.ts'
import { MOST_NAMES, progressWords, waitWords } from './flow-words.ts'

type Paint = (style: 'red' | 'green' | 'blue' | 'dim', text: string) => string
export type NodeRow = [name: string, state: string, id: string, remark: string]

/**
 * The approximate maximum number of rows. If a flow has more nodes, failed and running nodes are preferred.
 */
const MOST_ROWS = 200
/** The maximum number of started nodes whose jobs are read. */
const MOST_JOBS = 20
/** The maximum number of characters of an error that are shown. */
const MOST_ERROR = 200

export class FlowRows {
  readonly rows: NodeRow[] = []
  /** How many nodes are left out. */
  left = 0
  #jobs = 0
  readonly #operating: Operate
  readonly #paint: Paint

  constructor(operating: Operate, paint: Paint) {
    this.#operating = operating
    this.#paint = paint
  }

  /** Adds the nodes of a flow, and of the flows inside it. @param indent the text before each line */
  async add({ nodes = [] }: FlowInfo, indent = ''): Promise<void> {
    const room = Math.max(0, MOST_ROWS - this.rows.length)
    const shown = nodes.length <= room ? nodes : lookedFor(nodes, room)
    this.left += nodes.length - shown.length
    const isWhole = shown === nodes
    const steps = shown.filter(({ on }) => on === undefined)
    const numbers = new Map(steps.map(({ name }, i) => [name, i]))
    const afters = steps.map(({ after }) => (isWhole ? after.map((name) => numbers.get(name)!) : []))
    const lines = isWhole ? treeOf(afters) : steps.map((_, node) => ({ node, head: '', rest: '', joins: [] }))
    for (const { node, head, rest, joins } of lines)
      await this.#one(
        steps[node]!,
        indent + head,
        indent + rest,
        joins.map((each) => steps[each]!.name),
      )
    for (const node of shown) if (node.on !== undefined) await this.#one(node, indent, indent, [])
  }

  async #one(node: FlowNodeInfo, head: string, rest: string, joins: string[]): Promise<void> {
    const flow = node.flow && (await this.#operating.flows.get(node.flow))
    const job = await this.#jobOf(node)
    const name = `${head}${this.#mark(node)} ${visible(node.name)}`
    this.rows.push([
      name,
      stateWords(node, flow, job),
      node.flow?.id ?? node.jobId ?? '',
      remark(node, flow, job, joins),
    ])
    if (flow !== undefined) await this.add(flow, `${rest}   `)
  }

  /** The job of a node that has started. */
  async #jobOf({ state, jobId, queue }: FlowNodeInfo): Promise<JobDetail | undefined> {
    if (state !== 'started' || jobId === undefined || ++this.#jobs > MOST_JOBS) return undefined
    return this.#operating.find(jobId, { queue })
  }

  #mark({ state }: FlowNodeInfo): string {
    if (state === 'completed') return this.#paint('green', '✓')
    if (state === 'failed') return this.#paint('red', '✗')
    if (state === 'started') return this.#paint('blue', '●')
    return this.#paint('dim', state === 'blocked' ? '○' : '–')
  }
}

/**
 * Chooses at most `count` nodes, and returns them in their original order. Failed nodes are chosen first,
 * then running, cancelled, waiting and other nodes.
 */
function lookedFor(nodes: readonly FlowNodeInfo[], count: number): FlowNodeInfo[] {
  const ranks: Partial<Record<FlowNodeInfo['state'], number>> = {
    failed: 0,
    started: 1,
    cancelled: 2,
    blocked: 3,
  }
  const chosen = nodes
    .map((node, at) => ({ node, at, rank: node.on === undefined ? (ranks[node.state] ?? 4) : 0 }))
    .sort((one, other) => one.rank - other.rank || one.at - other.at)
    .slice(0, count)
  return chosen.sort((one, other) => one.at - other.at).map(({ node }) => node)
}

function stateWords(node: FlowNodeInfo, flow: FlowInfo | undefined, job: JobDetail | undefined): string {
  const { state, endedAt, retries } = node
  const again = retries === undefined ? '' : `, retry ${retries}`
  if (state !== 'started') return `${state}${endedAt === undefined ? '' : ` ${ago(endedAt)}`}${again}`
  if (flow !== undefined) return `${progressWords(flow.counts)}${again}`
  if (job?.state === 'delayed') return `${delayWords(job)}${again}`
  const isRunning = job?.state === 'active'
  const from = (isRunning ? job.claimedAt : node.since) ?? Date.now()
  const what = isRunning ? 'runs' : job?.state === 'waiting' ? 'queued' : 'started'
  return `${what} for ${timeSince(from)}${again}`
}

function remark(
  node: FlowNodeInfo,
  flow: FlowInfo | undefined,
  job: JobDetail | undefined,
  joins: readonly string[],
): string {
  const { state, waitsFor, cause, reason, error, on, kind, queue, ifFailed } = node
  const remarks = [
    kind !== undefined && flow === undefined && kind,
    flow !== undefined && state === 'started' && waitWords(flow),
    on !== undefined && (state === 'blocked' || state === 'not needed') && `when the flow has ${on}`,
    waitsFor.length > 0 && `waits for ${listed(waitsFor, MOST_NAMES)}`,
    waitsFor.length === 0 && joins.length > 0 && `after ${listed(joins, MOST_NAMES)}`,
    state === 'blocked' &&
      ifFailed !== 'skip' &&
      (ifFailed === 'run' ? 'runs in any case' : 'fails with them'),
    state === 'started' && flow === undefined && `queue ${queue}`,
    job?.because !== undefined && `put back: ${job.because}`,
    cause !== undefined && `because of ${cause}`,
    cause === undefined && error === undefined && reason !== undefined && reason !== 'failed' && reason,
    error !== undefined && (error.length > MOST_ERROR ? `${error.slice(0, MOST_ERROR)}…` : error),
  ]
  return visible(remarks.filter(Boolean).join('; '))
}
