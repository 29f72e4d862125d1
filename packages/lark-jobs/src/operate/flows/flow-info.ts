/** Flows in the form in which `operate()` returns them. */
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
 *   filling   the dispatch of the batch is still adding members
 *   open      the nodes and members run, or wait for each other
 *   ending    the flow was cancelled, its deadline has passed, or too many members have failed: no more jobs
 *             start, and the `signal` of running jobs is aborted
 *   completed, failed, cancelled    the flow has ended. Its callbacks may still run
 */
export const flowStates = ['filling', 'open', 'ending', 'completed', 'failed', 'cancelled'] as const
export type FlowInfoState = (typeof flowStates)[number]

/** The number of nodes and members, grouped by their states. Callbacks are not counted. */
export interface FlowCounts {
  /** The number of all nodes and members. While a batch is filling: the number of members so far. */
  total: number
  completed: number
  failed: number
  /** The number of cancelled members and nodes, except the nodes counted by `skipped`. */
  cancelled: number
  /** The number of nodes that never started, because another node ended without completing. */
  skipped: number
  /**
   * The number of nodes that have started and members that have not ended: their jobs wait in their queues or
   * run.
   */
  running: number
  /** The number of nodes that have not started. */
  blocked: number
}

/** A flow. Times are milliseconds since 1970, by the clock of the store. */
export interface FlowInfo extends FlowRef {
  kind: FlowKind
  name?: string
  tags?: string[]
  /** The queue that keeps the flow. */
  queue: string
  state: FlowInfoState
  /** When the flow was dispatched. */
  at: number
  endedAt?: number
  /** The time by which the flow must have ended. */
  deadline?: number
  /**
   * The number of milliseconds within which the flow must end, counted from its dispatch or its last retry.
   */
  within?: number
  /** Why the flow ended without completing, or why the flow is ending. */
  reason?: string
  /** The reason in words, if a person has given one. */
  because?: string
  /** The name of the node that failed first. */
  failedNode?: string
  /** For a batch: how many members may fail. Absent if any number may fail. */
  allowed?: number
  /** The flow of which this flow is a node. */
  parent?: FlowRef
  /** The job that started this flow with `Job.runJob` and awaits the flow's only job. */
  parentJob?: { id: string; queue: string }
  counts: FlowCounts
  /** The names of the first 20 nodes that have started and not ended. Callbacks are included. */
  runs: string[]
  /** The nodes of the flow, including callbacks, if the call requested them. */
  nodes?: FlowNodeInfo[]
  /** For a batch: the first members that did not complete, if the call requested these members. */
  failures?: FlowFailure[]
}

/** The maximum number of names in `runs`. */
const MOST_RUNS = 20

/** All stored parts of a flow that are needed to describe it. */
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
