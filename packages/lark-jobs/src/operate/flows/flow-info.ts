/**
 * Flows as people see them.
 */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../../config/config.ts'
import type { KeptFlow } from '../../flow/flow-records.ts'
import type { FlowKind, FlowState } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import type { Store } from '../../store/contract/store.ts'
import type { FlowFailure, FlowNodeInfo, FlowRef } from './flow-parts.ts'

/** An open store, with its configuration. */
export interface OpenFlows {
  store: Store
  settings: Settings
}

export const flowKinds = ['chain', 'batch', 'workflow'] as const satisfies readonly FlowKind[]

/**
 *   filling   a batch: whoever dispatched it adds members
 *   open      its nodes and members run, or wait for each other
 *   ending    somebody has cancelled it, its deadline has passed, or too many members have failed: nothing
 *             starts any more, and running jobs are asked to end
 *   completed, failed, cancelled    it has ended. Its callbacks may still run
 */
export const flowStates = ['filling', 'open', 'ending', 'completed', 'failed', 'cancelled'] as const
export type FlowInfoState = (typeof flowStates)[number]

/** How many nodes and members there are, by what became of them. Callbacks do not count. */
export interface FlowCounts {
  /** While a batch is filling: as many as there are so far. */
  total: number
  completed: number
  failed: number
  /**
   * Members that were cancelled, and nodes that were cancelled for another reason than the end of another
   * node.
   */
  cancelled: number
  /** Nodes that never started, because another node has ended without completing. */
  skipped: number
  /** Nodes that have started, and members that have not ended: their jobs wait in their queues, or run. */
  running: number
  /** Nodes that have not started. */
  blocked: number
}

/** A flow. Times are milliseconds since 1970, by the clock of the store. */
export interface FlowInfo extends FlowRef {
  kind: FlowKind
  name?: string
  tags?: string[]
  /** The queue of its home. */
  queue: string
  state: FlowInfoState
  /** When it was dispatched. */
  at: number
  endedAt?: number
  /** The time at which it must have ended. */
  deadline?: number
  /** Milliseconds in which it must end, counted from its dispatch or its last retry. */
  within?: number
  /** Why it ended without completing, or why it is ending. */
  reason?: string
  /** The reason in words, if somebody gave one. */
  because?: string
  /** The name of the node that failed first. */
  failedNode?: string
  /** For a batch: how many members may fail. Absent: any number. */
  allowed?: number
  /** The flow of which this one is a node. */
  parent?: FlowRef
  /** The job that started it and awaits its only job (`Job.runJob`). */
  parentJob?: { id: string; queue: string }
  counts: FlowCounts
  /** The names of the nodes that have started and not ended, callbacks included: the first 20. */
  runs: string[]
  /** Its nodes, including callbacks, if they were asked for. */
  nodes?: FlowNodeInfo[]
  /** For a batch, if they were asked for: the first members that did not complete. */
  failures?: FlowFailure[]
}

/** The most names of running nodes. */
const MOST_RUNS = 20

/** Everything that is kept of a flow, except news. */
export type FlowContents = Pick<KeptFlow, 'home' | 'id' | 'definition' | 'state' | 'crowd'>

export function infoOf({ id, home, definition, state, crowd }: FlowContents): FlowInfo {
  const { kind, name, tags, allowed, parent, parentJob, nodes, within } = definition
  const { at, deadline, end, ending } = state
  const { reason, because } = end ?? ending ?? {}
  return {
    ...{ id, home, kind },
    ...defined({ name, tags }),
    queue: queueOf(home),
    state: stateOf(state),
    at,
    ...defined({ endedAt: end?.at, deadline, within, reason, because }),
    ...defined({ failedNode: end?.node === undefined ? undefined : nodes[end.node]?.name, allowed }),
    ...(parent !== undefined && { parent: { id: parent.flow, home: parent.home } }),
    ...(parentJob && { parentJob: { id: parentJob.id, queue: queueOf(parentJob.partition) } }),
    counts: countsOf({ definition, state, crowd }),
    runs: nodes
      .filter((_, i) => state.nodes[i] === 's')
      .slice(0, MOST_RUNS)
      .map((each) => each.name),
  }
}

function stateOf({ phase, end, ending }: FlowState): FlowInfoState {
  if (phase === 'ended') return end!.state
  return ending === undefined ? phase : 'ending'
}

const counters = { b: 'blocked', s: 'running', c: 'completed', f: 'failed', x: 'cancelled' } as const

function countsOf({
  definition,
  state,
  crowd,
}: Pick<FlowContents, 'definition' | 'state' | 'crowd'>): FlowCounts {
  const members = crowd.size ?? crowd.reserved
  const { completed, cancelled = 0 } = crowd
  const running = Math.max(0, members - completed - crowd.failed)
  const failed = crowd.failed - cancelled
  const counts = { total: members, completed, failed, cancelled, skipped: 0, running, blocked: 0 }
  for (const [node, { on }] of definition.nodes.entries()) {
    if (on !== undefined) continue
    const letter = state.nodes[node] as keyof typeof counters
    const isSkipped = letter === 'x' && state.reasons?.[node] === 'skipped'
    counts[isSkipped ? 'skipped' : counters[letter]]++
    counts.total++
  }
  return counts
}
