/**
 * The stored form of a flow (a chain, a batch or a workflow): its definition and its state. The definition
 * and the state are JSON texts that stores do not read. The definition lists the parts of the flow, and
 * changes only when nodes or members are added to the flow. The state says how far the flow has come, and
 * only `flow/advance.ts` changes the state.
 *
 * A flow has nodes, and a batch also has members. A node is a job or another flow, and starts when the nodes
 * that it waits for have ended. The callbacks of a flow are nodes too: callbacks start when all other nodes
 * have ended. The members of a batch are jobs that wait for no other job. A batch may have a million members,
 * so the store only counts them.
 *
 * The id of a job in a flow contains the flow and the number of the node or member (`effect.ts`). Members are
 * numbered from 0, and nodes from `NODES`. When a node starts again, the number in the id changes with the
 * generation of the node, so that the job has a new id.
 */
import type { EndedState, NewJob } from './record.ts'
import type { Trace } from './trace.ts'

export type FlowKind = 'chain' | 'batch' | 'workflow'

/** The maximum number of nodes in a flow, including callbacks. */
export const MAX_NODES = 10_000
/** The maximum number of members in a batch. */
export const MAX_MEMBERS = 1_000_000
/** The number of the first node. Lower numbers are numbers of members. */
export const NODES = 90_000_000
/** The maximum number of times that a node may start. Each start is a new generation. */
export const MAX_GENERATIONS = 999
/** The maximum length of the id of a flow, in characters. */
export const MAX_FLOW_ID = 40
/** The maximum size of a definition, in bytes. */
export const MAX_DEFINITION = 4_194_304

/** The index of a node and its generation, for the id of the node's job. */
export function indexOf(node: number, generation: number): number {
  return NODES + generation * MAX_NODES + node
}

/** The node and the generation of an index, or undefined if the index belongs to a member. */
export function nodeOf(index: number): { node: number; generation: number } | undefined {
  if (index < NODES) return undefined
  return { node: (index - NODES) % MAX_NODES, generation: Math.floor((index - NODES) / MAX_NODES) }
}

/** The place of a flow: its id, and the partition that keeps it (its home). */
export interface FlowPlace {
  flow: string
  home: string
}

/**
 * The parent of a flow that is a node of another flow. `index`: the node and its generation, as in the id of
 * a job.
 */
export interface FlowParent extends FlowPlace {
  index: number
}

/** The job that called `runJob`. That job awaits the end of a flow that consists of a single job. */
export interface ParentJob {
  /** The partition in which the job was when it started the flow. */
  partition: string
  id: string
}

/**
 * A place in a payload or a result: the names of properties and the indices of lists on the way to that
 * place.
 */
export type Path = readonly (string | number)[]

/** A part of a node's payload that is copied from the result of another node when the node starts. */
export interface Reference {
  /**
   * The place in the payload. An empty path is the whole payload. If the node is a flow, the path begins with
   * the job that has the payload: the number of a node in that flow, or `members` and the index of a member.
   */
  at: Path
  /** The number of the node that has the result. */
  node: number
  /**
   * The place in the result. An empty path is the whole result. If the result has no such place, the payload
   * gets no value at `at`.
   */
  path: Path
}

/**
 * What happens to a waiting node if a node that it waits for ends without completing. `skip` (default): the
 * waiting node ends as skipped. `run`: the waiting node starts anyway. `fail`: the waiting node fails.
 */
export type IfFailed = 'skip' | 'run' | 'fail'

/**
 * What happens if one particular node ends without completing. `now`: the waiting node starts at once, and
 * does not wait for the other nodes.
 */
export type FailureRule = IfFailed | 'now'

/**
 * A job that is not queued yet. The dispatch of the flow decides the group, the lock, the limiter and the
 * partition of the job.
 */
export interface FlowJob {
  partition: string
  job: Omit<NewJob, 'id'>
  /**
   * Present if the member was purged. A purged member has only its key left, and ends instead of being
   * queued.
   */
  purged?: true
}

/** The end of a flow at which a callback starts. `ended`: the flow has ended in any state. */
export type FlowOutcome = 'completed' | 'failed' | 'ended'

export interface NodeDefinition {
  /** A name for people. No two nodes of a flow have the same name. */
  name: string
  /**
   * The numbers of the nodes that this node waits for. All these numbers are smaller than the number of this
   * node.
   */
  after: number[]
  /** The rule for all nodes in `after`. Default `skip`. */
  ifFailed?: Exclude<IfFailed, 'skip'>
  /**
   * Rules for single nodes in `after`, by the number of the node. For all other nodes in `after`, `ifFailed`
   * applies.
   */
  rules?: Record<number, FailureRule>
  /** How the node ended, if it had already ended when the flow was dispatched. Such a node does not start. */
  ended?: { state: 'completed' | 'failed'; at: number; error?: string; result?: string }
  /**
   * Present if the node is a callback: how the flow must end so that the callback starts. `failed` includes a
   * flow whose deadline has passed.
   */
  on?: FlowOutcome
  /**
   * Present if the node was purged. A purged node has only the keys of its jobs left. A purged node never
   * starts, and ends with the reason `removed`.
   */
  purged?: true
  refs?: Reference[]
  /** The job, if the node is a job. A node has either `job` or `flow`. */
  job?: FlowJob
  /**
   * The flow, if the node is a flow. `home`: the partition that will keep that flow. `members`: the jobs of a
   * batch.
   */
  flow?: { home: string; definition: FlowDefinition; members?: FlowJob[] }
}

export interface FlowDefinition {
  kind: FlowKind
  name?: string
  tags?: string[]
  /** How many members of a batch may fail. Absent if any number may fail. */
  allowed?: number
  /** The number of milliseconds after the dispatch within which the flow must end. */
  within?: number
  /**
   * How long the jobs of the flow wait for a living worker that knows their key, in milliseconds. Default: a
   * day.
   */
  unknownAfter?: number
  /** Milliseconds for which the flow is kept after its end, by the state in which it ended. */
  keep: Record<EndedState, number>
  parent?: FlowParent
  parentJob?: ParentJob
  /** The trace of the flow's dispatch. The jobs of the flow get this trace when they start. */
  trace?: Trace
  /** The nodes. Callbacks may be anywhere in the list. */
  nodes: NodeDefinition[]
}

/**
 * Why a node or a flow ended without completing: one of the reasons of jobs (`CancelReason`), or
 *
 *   skipped   the node waited for another node, which ended without completing
 *   rejected  the job was not queued: a lock was taken, or its queue was full
 *   lost      the store has lost the job, or no living worker has known its key for too long
 *   deadline  the flow did not end before its deadline
 *   abandoned the process that filled the batch has died
 */
export type EndReason = string

/**
 * The state of a node.
 *
 *   b  blocked: the node has not started
 *   s  started
 *   c  completed
 *   f  failed
 *   x  cancelled
 *   -  a callback that does not start
 */
export type NodeState = 'b' | 's' | 'c' | 'f' | 'x' | '-'

/** A range of members: the members from the index `from` on are in the partition `partition`. */
export type Fill = [from: number, partition: string]

export interface FlowState {
  /**
   *   filling  the dispatcher of the flow is still adding members
   *   open     the nodes and members of the flow run or wait
   *   ended    the flow has ended, and `end` says how. The callbacks of the flow may still run
   */
  phase: 'filling' | 'open' | 'ended'
  /** The time at which the flow was dispatched, by the store's clock. */
  at: number
  /** Identifies the dispatch that started the flow. */
  by?: string
  /** The time by which the flow must have ended. */
  deadline?: number | undefined
  /** The time by which the dispatcher must report again that it is still filling. */
  fillsUntil?: number | undefined
  /** The partitions of the members of a batch, in ascending order of the members. */
  fills?: Fill[]
  /** The number of the lot that the dispatcher reserved last, and its first member. */
  lot?: [number: number, first: number] | undefined
  /** The keys of the members, if there are not too many different keys. */
  keys?: string[] | undefined
  /**
   * The time at which members were last added. For some time after that, members that the store does not know
   * yet may still arrive.
   */
  filledAt?: number | undefined
  /** The states of the nodes: one letter for each node. */
  nodes: string
  /** The generation of each node that was started again. */
  generations?: Record<number, number>
  /** For each started node, the time at which it started. */
  since?: Record<number, number>
  /** The reason of each node that ended without completing. */
  reasons?: Record<number, EndReason>
  /** For each node that ended because of another node, the number of that other node. */
  causes?: Record<number, number>
  /** The id of the flow of each started node that is a flow. */
  flows?: Record<number, string>
  /**
   * The callbacks that are flows and had started before this flow was started again. Each entry has the
   * number of the node and the id of the callback's flow.
   */
  former?: [node: number, id: string][]
  ending?: FlowEnding | undefined
  /** Present while failed members are being started again: the members up to this index have been started. */
  retriesAfter?: number | undefined
  end?: FlowEnd | undefined
  /** Whether the parent has been told that the flow has ended. */
  isTold?: boolean | undefined
  /** The pause between the last two checks of the jobs that the flow waits for, in milliseconds. */
  pause: number
  /** The time at which the jobs that the flow waits for are checked again. */
  checkAt: number
  /** How many members had ended at the last check. */
  seen?: number | undefined
  /**
   * The keys of the flow's jobs that no living worker knows, each with the time of the first check that found
   * no such worker.
   */
  unknown?: Record<string, number> | undefined
}

/** The early end of a flow: no more jobs start, and running jobs are asked to stop. */
export interface FlowEnding {
  state: 'failed' | 'cancelled'
  reason: EndReason
  /** The reason in words, for people. */
  because?: string
  /** The members up to this index have been asked to stop. Absent if no member has been asked. */
  askedUpTo?: number
  /** Whether all members have been asked to stop. */
  isAsked?: boolean
}

export interface FlowEnd {
  state: EndedState
  at: number
  reason?: EndReason
  because?: string
  /** The number of the node that failed first. */
  node?: number
}
