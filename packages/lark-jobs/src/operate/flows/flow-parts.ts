/**
 * The nodes of a flow in the form in which `operate()` returns them, and the members of a batch that did not
 * complete.
 */
import { defined } from '@s18i/lark/internal'
import { jobIndex } from '../../flow/advance.ts'
import { FlowRecords, type KeptFlow, type NodeEnd } from '../../flow/flow-records.ts'
import { memberId } from '../../model/effect.ts'
import type { FlowKind, FlowOutcome, IfFailed } from '../../model/flow.ts'
import { queueOf } from '../../model/partition.ts'
import { whyDropped } from '../../model/payload.ts'
import type { EndedState } from '../../model/record.ts'
import { type KeptEnd, MAX_ITEMS, type Store } from '../../store/contract/store.ts'
import { shownJson } from '../look/stored-jobs.ts'

/** Names a flow: its id, and the partition that keeps it. */
export interface FlowRef {
  id: string
  home: string
}

/**
 *   blocked      the node has not started: it waits for other nodes or, if it is a callback, for the end of
 *                the flow
 *   started      the job of the node is queued or running; or the node is a flow that has not ended
 *   completed, failed, cancelled    the node has ended
 *   skipped      the node never starts, because a node that it waits for ended without completing
 *   not needed   the callback never starts, because the flow ended in another way
 */
export type FlowNodeState =
  | 'blocked'
  | 'started'
  | 'completed'
  | 'failed'
  | 'cancelled'
  | 'skipped'
  | 'not needed'

/** A node of a flow. It refers to other nodes by their names. Times are milliseconds since 1970. */
export interface FlowNodeInfo {
  name: string
  state: FlowNodeState
  /** The key of the node's job class. Absent for a node that is a flow. */
  key?: string
  /** The queue of the node's job. For a node that is a flow: the queue that keeps that flow. */
  queue: string
  /** The id of the node's job, if the job has been queued. */
  jobId?: string
  /** The kind of flow, if the node is a flow. */
  kind?: FlowKind
  /** The flow that the node stands for, if the node is a flow and has started. */
  flow?: FlowRef
  /** The names of the nodes after which this node starts. */
  after: string[]
  /** The names of the nodes in `after` that have not ended. */
  waitsFor: string[]
  /** When the node started. */
  since?: number
  endedAt?: number
  /** Why the node ended without completing. */
  reason?: string
  /** The node that caused the end of this node. */
  cause?: string
  /** The message of the last error. */
  error?: string
  /** The result of the node. */
  result?: unknown
  /** What happens to the node if a node in `after` does not complete. */
  ifFailed: IfFailed
  /** For a callback: the way in which the flow must end for the callback to start. */
  on?: FlowOutcome
  /** How often the node was started again. */
  retries?: number
}

/** A member of a batch that did not complete. */
export interface FlowFailure {
  /** The index of the member, from 0. */
  member: number
  jobId: string
  /**
   * The state of the member. This field and the following fields are known only for the first 1,000 members
   * that did not complete.
   */
  state?: EndedState
  reason?: string
  error?: string
  endedAt?: number
}

const letters = {
  b: 'blocked',
  s: 'started',
  c: 'completed',
  f: 'failed',
  x: 'cancelled',
  '-': 'not needed',
} as const

export async function nodesOf(store: Store, found: KeptFlow): Promise<FlowNodeInfo[]> {
  const { definition, state } = found
  const ended = definition.nodes.flatMap((_, node) => ('cfx'.includes(state.nodes[node]!) ? [node] : []))
  const ends = new Map((await new FlowRecords(store).ends(found, ended)).map((end) => [end.node, end]))
  return definition.nodes.map((_, node) => nodeOf(found, node, ends.get(node)))
}

function nodeOf(found: KeptFlow, node: number, end: NodeEnd | undefined): FlowNodeInfo {
  const { id, home, definition, state } = found
  const { name, job, flow, after, ifFailed = 'skip', on, ended } = definition.nodes[node]!
  const letter = state.nodes[node] as keyof typeof letters
  const reason = state.reasons?.[node]
  const cause = state.causes?.[node]
  const nested = state.flows?.[node]
  const nameOf = (each: number) => definition.nodes[each]!.name
  // A node has no job in the store if its job was rejected, or if the node had already ended when the flow
  // was dispatched.
  const isQueued = letter === 's' || (end !== undefined && end.reason !== 'rejected' && ended === undefined)
  const waits = letter === 'b' ? after.filter((each) => 'bs'.includes(state.nodes[each]!)) : []
  return {
    name,
    state: letter === 'x' && reason === 'skipped' ? 'skipped' : letters[letter],
    ...defined({ key: job?.job.key, kind: flow?.definition.kind }),
    queue: queueOf(job?.partition ?? flow!.home),
    ...(job !== undefined &&
      isQueued && { jobId: memberId({ flow: id, home, index: jobIndex(state, node) }) }),
    ...(nested !== undefined && { flow: { id: nested, home: flow!.home } }),
    after: after.map(nameOf),
    waitsFor: waits.map(nameOf),
    ...defined({ since: state.since?.[node], endedAt: end?.at, reason }),
    ...defined({ cause: cause === undefined ? undefined : nameOf(cause), error: end?.error }),
    ...resultOf(end),
    ifFailed,
    ...defined({ on, retries: state.generations?.[node] }),
  }
}

function resultOf({ result }: Pick<KeptEnd, 'result'> = {}): { result?: unknown } {
  return result === undefined || whyDropped(result) !== undefined ? {} : { result: shownJson(result) }
}

/** The members that did not complete, sorted by index. @param most the maximum number of members */
export async function failuresOf(
  { flows }: Store,
  { id, home }: Pick<KeptFlow, 'id' | 'home'>,
  most: number,
): Promise<FlowFailure[]> {
  const failures: FlowFailure[] = []
  while (failures.length < most) {
    const count = Math.min(MAX_ITEMS, most - failures.length)
    const members = await flows.failed(home, id, failures.at(-1)?.member ?? -1, count)
    const ends = new Map<number, KeptEnd>()
    for (let left = members; left.length > 0; ) {
      const some = await flows.ends(home, id, left)
      for (const end of some) ends.set(end.index, end)
      left = some.length === 0 ? [] : left.slice(left.indexOf(some.at(-1)!.index) + 1)
    }
    for (const member of members) {
      const { state, reason, error, at } = ends.get(member) ?? {}
      const jobId = memberId({ flow: id, home, index: member })
      failures.push({ member, jobId, ...defined({ state, reason, error, endedAt: at }) })
    }
    if (members.length < count) break
  }
  return failures
}
