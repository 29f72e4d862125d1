/**
 * What is stored of a flow: a chain, a batch or a workflow. Both texts are JSON, and no store reads them. The
 * definition lists the parts of the flow, and changes only when somebody adds to it. The state says how far
 * the flow has come, and only `flow/advance.ts` makes it.
 *
 * A flow has nodes, and a batch has members in addition. A node starts when the nodes that it waits for have
 * ended. Each is a job, or a flow of its own. The callbacks of a flow are nodes too: they start when the
 * others have ended. The members of a batch are jobs that wait for nothing, and there may be a million of
 * them, so the store only counts them.
 *
 * The id of a job in a flow says which flow, and which node or member (`effect.ts`): members are numbered
 * from 0, and nodes from `NODES`. A node that starts again has the number of its next generation, so that it
 * is another job.
 */
import type { EndedState, NewJob } from './record.ts'
import type { Trace } from './trace.ts'

export type FlowKind = 'chain' | 'batch' | 'workflow'

/** The most nodes of a flow, callbacks included. */
export const MAX_NODES = 10_000
/** The most members of a batch. */
export const MAX_MEMBERS = 1_000_000
/** The number of the first node: the numbers below are those of members. */
export const NODES = 90_000_000
/** How often a node may start: each start again is a new generation. */
export const MAX_GENERATIONS = 999
/** The most characters of the id of a flow. */
export const MAX_FLOW_ID = 40
/** The most bytes of a definition. */
export const MAX_DEFINITION = 4_194_304

/** The index of a node in the id of its job. */
export function indexOf(node: number, generation: number): number {
  return NODES + generation * MAX_NODES + node
}

/** The node and the generation that an index means; undefined for the index of a member. */
export function nodeOf(index: number): { node: number; generation: number } | undefined {
  if (index < NODES) return undefined
  return { node: (index - NODES) % MAX_NODES, generation: Math.floor((index - NODES) / MAX_NODES) }
}

/** Where a flow is: its id, and the partition that keeps it. */
export interface FlowPlace {
  flow: string
  home: string
}

/** The node of another flow that this flow is. `index`: with its generation, as in the id of a job. */
export interface FlowParent extends FlowPlace {
  index: number
}

/** The job that started a flow of one job, and awaits its end (`Job.runJob`). */
export interface ParentJob {
  /** Its partition at that time. */
  partition: string
  id: string
}

/** A place in a payload or a result: the names of properties and the indices of lists that lead there. */
export type Path = readonly (string | number)[]

/**
 * A part of the payload of a node that is known when the node starts: it is taken from the result of another
 * node.
 */
export interface Reference {
  /**
   * The place in the payload; empty: the whole payload. If the node is a flow, the place begins with the job
   * whose payload it is: the number of a node of that flow, or `members` and the index of a member.
   */
  at: Path
  /** The node whose result it is. */
  node: number
  /**
   * The place in the result; empty: the whole result. If the result has no such place, the payload does not
   * get it.
   */
  path: Path
}

/**
 * What happens to a node if a node that it waits for has ended without completing: it ends too (default),
 * runs, or fails.
 */
export type IfFailed = 'skip' | 'run' | 'fail'

/** The same for one certain node that it waits for. `now`: it starts at once, and waits for no other node. */
export type FailureRule = IfFailed | 'now'

/**
 * A job that is not queued yet. Group, lock, limiter and partition are decided when the flow is dispatched.
 */
export interface FlowJob {
  partition: string
  job: Omit<NewJob, 'id'>
  /** For a member that somebody has purged: only its key is left, and it ends instead of being queued. */
  purged?: true
}

/** When a callback starts: when its flow has completed, has failed, or has ended in whatever way. */
export type FlowOutcome = 'completed' | 'failed' | 'ended'

export interface NodeDefinition {
  /** A name for people. No two nodes of a flow have the same name. */
  name: string
  /** The nodes that it waits for, by number, all smaller than its own. */
  after: number[]
  /** Default `skip`. */
  ifFailed?: Exclude<IfFailed, 'skip'>
  /** Rules by the number of a node in `after`. For a node without one, `ifFailed` is the rule. */
  rules?: Record<number, FailureRule>
  /** How it had ended before the flow was dispatched. Such a node does not start. */
  ended?: { state: 'completed' | 'failed'; at: number; error?: string; result?: string }
  /**
   * A callback: it starts when the flow has ended in this way. `failed` includes that its deadline has
   * passed.
   */
  on?: FlowOutcome
  /**
   * Somebody has purged it. Only the keys of its jobs are left, and it never starts: it ends with the reason
   * `removed`.
   */
  purged?: true
  refs?: Reference[]
  /** Either a job … */
  job?: FlowJob
  /** … or a flow. `home`: the partition that will keep it. `members`: the jobs of a batch. */
  flow?: { home: string; definition: FlowDefinition; members?: FlowJob[] }
}

export interface FlowDefinition {
  kind: FlowKind
  name?: string
  tags?: string[]
  /** For a batch: how many members may fail. Absent: any number. */
  allowed?: number
  /** Milliseconds after its dispatch in which it must end. */
  within?: number
  /** Milliseconds for which its jobs wait for a living worker that knows their key. Default: a day. */
  unknownAfter?: number
  /** Milliseconds for which the flow is kept after its end, by the state in which it ended. */
  keep: Record<EndedState, number>
  parent?: FlowParent
  parentJob?: ParentJob
  /** The trace of its dispatch. Its jobs get it when they start. */
  trace?: Trace
  /** Callbacks may be anywhere among them. */
  nodes: NodeDefinition[]
}

/**
 * Why a node or a flow ended without completing: the reasons of jobs, and
 *
 *   skipped   a node that it waits for has ended without completing
 *   rejected  the job was not queued: a lock was taken, or its queue was full
 *   lost      the store has lost it, or no living worker has known its key for too long
 *   deadline  the flow has not ended in time
 *   abandoned the process that filled the batch has died
 */
export type EndReason = string

/**
 * The state of a node.
 *
 *   b  blocked: it has not started
 *   s  started
 *   c  completed
 *   f  failed
 *   x  cancelled
 *   -  a callback that does not start
 */
export type NodeState = 'b' | 's' | 'c' | 'f' | 'x' | '-'

/** A run of members: those from this index on are in this partition. */
export type Fill = [from: number, partition: string]

export interface FlowState {
  /**
   *   filling  its dispatcher adds members
   *   open     nodes and members run
   *   ended    it has ended, and `end` says how. Its callbacks may still run
   */
  phase: 'filling' | 'open' | 'ended'
  /** When it was dispatched, by the store's clock. */
  at: number
  /** Identifies the dispatch that started it. */
  by?: string
  /** The time by which it must have ended. */
  deadline?: number | undefined
  /** The time by which the dispatcher must report again that it is still filling. */
  fillsUntil?: number | undefined
  /** For a batch: its fills, in ascending order. */
  fills?: Fill[]
  /** The number of the lot that the dispatcher reserved last, and its first member. */
  lot?: [number: number, first: number] | undefined
  /** The keys of members, if there are not too many. */
  keys?: string[] | undefined
  /** When members were last added. A member that the store does not know may still be on its way. */
  filledAt?: number | undefined
  /** One letter for each node. */
  nodes: string
  /** The generation of each node that was started again. */
  generations?: Record<number, number>
  /** When each started node started. */
  since?: Record<number, number>
  /** Why nodes ended without completing. */
  reasons?: Record<number, EndReason>
  /** For each node that ended because of another node: which one. */
  causes?: Record<number, number>
  /** The ids of nodes that are flows and were started. */
  flows?: Record<number, string>
  /**
   * Callbacks that are flows, as they were started before the flow was started again: the node, and the id.
   */
  former?: [node: number, id: string][]
  ending?: FlowEnding | undefined
  /** Failed members are being started again: all up to this index are done. */
  retriesAfter?: number | undefined
  end?: FlowEnd | undefined
  /** The parent has been told of the end. */
  isTold?: boolean | undefined
  /** Milliseconds between the last two looks at the fates of the jobs that it waits for. */
  pause: number
  /** When it looks again. */
  checkAt: number
  /** How many members had ended at the last look. */
  seen?: number | undefined
  /** Since when no living worker has known a key of its jobs, as far as somebody has looked. */
  unknown?: Record<string, number> | undefined
}

/** The flow ends early: nothing starts any more, and running jobs are asked to end. */
export interface FlowEnding {
  state: 'failed' | 'cancelled'
  reason: EndReason
  /** For people. */
  because?: string
  /** All members up to this index have been asked to end; absent: none. */
  askedUpTo?: number
  /** All members have been asked to end. */
  isAsked?: boolean
}

export interface FlowEnd {
  state: EndedState
  at: number
  reason?: EndReason
  because?: string
  /** The node that failed first, by number. */
  node?: number
}
