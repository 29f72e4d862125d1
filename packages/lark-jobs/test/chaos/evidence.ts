/**
 * Everything that is known after a run. The evidence comes from the journals of the roles, from the store,
 * and from the conductor, which knows the faults. The accountant uses nothing else. All times are in
 * milliseconds, by the clock of the machine.
 */
import { memberOf } from '../../src/model/effect.ts'
import { type FlowOutcome, type NodeState, nodeOf } from '../../src/model/flow.ts'
import type { Counters, State } from '../../src/model/record.ts'
import type { FlowCounts, FlowInfoState } from '../../src/operate/flows/flow-info.ts'

/** One dispatch, as its dispatcher saw it. */
export interface Ask {
  /**
   * The number of the job in its payload. The dispatcher does not know the id of the job before the answer.
   */
  n: string
  at: number
  by: string
  kind: string
  /** The unique key of the job. No other job can have this key until the job has ended. */
  lock?: string
  /**
   * The id of the flow, for a job of a flow. Jobs of flows are not dispatched one by one, so they have no
   * answers.
   */
  flow?: string
  /** The strict group. Each of its jobs begins when the previous one has ended. */
  group?: string
  /**
   * Undefined if the dispatcher died before the answer, or got no answer. `met`: the job was not queued,
   * because the job `other` had its lock. `odd`: an answer that `dispatch` does not promise.
   */
  answer?: {
    at: number
    what: 'accepted' | 'met' | 'refused' | 'uncertain' | 'odd'
    message?: string
    other?: string
  }
}

/** The plan of one job of a flow, or of a batch in a workflow. */
export interface NodePlan extends Partial<MembersPlan> {
  n: string
  kind: string
  /** The numbers of the nodes that this node waits for. */
  after: string[]
  /** The numbers of the nodes whose results this node gets. */
  got: string[]
  ifFailed?: 'run'
}

/**
 * The plan of the members of a batch. The number of a member is the stem and its index. The first `bad`
 * members always fail.
 */
export interface MembersPlan {
  stem: string
  count: number
  bad: number
}

/** The plan of a flow: its nodes, or its members. */
export interface FlowPlan extends Partial<MembersPlan> {
  /** The id of the flow. */
  flow: string
  kind: 'chain' | 'diamond' | 'batch'
  nodes?: NodePlan[]
  /** How many members may fail. */
  allowed?: number
  callbacks: { n: string; on: FlowOutcome }[]
  /** Whether the failing jobs of the flow complete when somebody retries the flow. */
  mends?: boolean
}

/** The dispatch of a flow, as its dispatcher saw it. */
export interface FlowAsk {
  at: number
  by: string
  plan: FlowPlan
  /**
   * The answer, as for a job (`Ask.answer`). The dispatch of a batch that was begun and not filled is
   * `uncertain`.
   */
  answer?: { at: number; what: 'accepted' | 'refused' | 'uncertain' | 'odd'; message?: string }
}

/**
 * A change of a flow after its dispatch, by hand or by one of its jobs. `add` adds the members or the nodes
 * of this plan. The added nodes come `after` the named nodes, or after the last step of a chain.
 */
export interface Touch extends Partial<MembersPlan> {
  flow: string
  at: number
  by: string
  act: 'cancel' | 'retry' | 'add'
  nodes?: NodePlan[]
  /**
   * `nothing`: nothing was changed, for example because the flow had ended. `odd`: an answer that the method
   * does not promise.
   */
  answer?: { at: number; what: 'done' | 'nothing' | 'refused' | 'uncertain' | 'odd'; message?: string }
}

/** A flow in the store at the end of the run. The flow may be a node of another flow. */
export interface KeptFlow {
  id: string
  isNested: boolean
  state: FlowInfoState
  reason?: string
  endedAt?: number
  counts: FlowCounts
  /** The nodes that have started and not ended, including callbacks. */
  runs: string[]
  nodes: KeptNode[]
}

/**
 * A node of a flow in the store. If the node is itself a flow, `n` is the number of this flow in the plan.
 */
export interface KeptNode {
  n: string
  after: string[]
  on?: FlowOutcome
  state: NodeState
  /** How often the node was started again. */
  generation: number
}

/**
 * Returns the number of a job. If the node of the job was started again, the new job has another number:
 * `d0_1-7/top~1`.
 *
 * @param n the number in the job's payload
 */
export function numberOf(n: string, id: string): string {
  const member = memberOf(id)
  const generation = (member && nodeOf(member.index)?.generation) ?? 0
  return again(n, generation)
}

/** The number of a job of a later generation. */
export function again(n: string, generation: number): string {
  return generation === 0 ? n : `${n}~${generation}`
}

/** The number of the first generation. */
export function firstOf(n: string): string {
  return n.replace(/~\d+$/, '')
}

/** One run of a handler, as its worker saw it. */
export interface Run {
  n: string
  /** The id of the job. A failover can lose the start of an inner flow, which then starts with other ids. */
  id: string
  serial: string
  at: number
  by: string
  kind: string
  /** `parted`: the run ended because the job slept or waited for a signal, and another run went on. */
  end?: { at: number; what: 'ended' | 'failed' | 'parted' }
  /** The results of other jobs of the flow that the run got, by the numbers of these jobs. */
  got?: Record<string, unknown>
  /** The state and the counts of the flow, as its callback has read them. */
  read?: Pick<KeptFlow, 'state' | 'counts'>
  /** When the signal of the run was aborted, and the code of the reason. */
  told?: { at: number; code: string | undefined }
}

/**
 * An event of a step in a run. `begun`: the function of the step was called. `known`: the run knew that the
 * step was recorded. `undo begun`: the undo of the step was called. `undone`: the undo succeeded.
 */
export interface StepEvent {
  what: 'begun' | 'known' | 'undo begun' | 'undone'
  step: string
  serial: string
  at: number
}

/** The steps of a job, and its signal. */
export interface Stepping {
  n: string
  /** The events. The events of one run are in the order of their times. */
  events: StepEvent[]
  /** When the store answered that it keeps the signal. */
  keptAt?: number
  /** When the job went on without the signal. */
  missedAt?: number
}

/** One process of a role. */
export interface Life {
  name: string
  from: number
  /** Undefined if the process lived until the end of the run. */
  to?: number
  /** `stuck`: the process did not end although it was asked to end. */
  end?: 'killed' | 'stopped' | 'stuck' | 'by itself'
  /** The output of a process that ended by itself. */
  words?: string
}

/** A job in the store at the end of the run: all records with one id. */
export interface Kept extends Counters {
  id: string
  n: string
  /** The states of the records. More than one state is a broken promise. */
  states: State[]
  finishedAt?: number
  /** The serial number of the run whose end was accepted; undefined if the job has not completed. */
  result?: string
  /** The codes of its errors. The last one is the reason of its failure. */
  errors: (string | undefined)[]
}

/**
 * The effect of a fault.
 *
 *   killed the role was killed; `to` is the same as `from`
 *   held the role was stopped, or was cut off from the store
 *   outage no role could reach the store
 *   rewound the store may have lost changes that it had accepted in this time
 */
export interface Hit {
  what: 'killed' | 'held' | 'outage' | 'rewound'
  /** The affected role; undefined: all roles. */
  by?: string
  from: number
  to: number
}

export interface Fault {
  name: string
  from: number
  to: number
  hits: Hit[]
  /**
   * Milliseconds from the end of the fault until every worker and dispatcher had done something new;
   * undefined: never.
   */
  recovered?: number
}

/** A queue with a limit of active jobs, and how many active jobs the store counted. */
export interface LimitedQueue {
  queue: string
  most: number
  /** How often the number of active jobs was read. */
  looks: number
  /** The number of active jobs, with an entry for each change of this number. */
  active: { at: number; count: number }[]
}

/**
 * The durability that a dispatch waits for. With `replicated`, a replica has the job before the answer, so
 * that a failover cannot lose the job.
 */
export type Durability = 'normal' | 'strict' | 'replicated'

export interface Evidence {
  /** Milliseconds. */
  leaseMs: number
  durability: Durability
  asks: Ask[]
  flowAsks: FlowAsk[]
  touches: Touch[]
  runs: Run[]
  steppings: Stepping[]
  lives: Life[]
  kept: Kept[]
  keptFlows: KeptFlow[]
  /** When the store was read. */
  readAt: number
  faults: Fault[]
  limits: LimitedQueue[]
  /** How many jobs of one kind may run at the same time. */
  limiter: { kind: string; most: number }
  /** Times in which the event loop of a worker stood still, for any reason. */
  standstills: Hit[]
  /**
   * The roles that did not work again in time, each with the fault before that, and with the missing sign of
   * life.
   */
  dead: { by: string; fault: string; why?: string }[]
}

/** A line of a journal. */
export interface Line {
  at: number
  by: string
  what: string
  n?: string
  ns?: string[]
  serial?: string
  kind?: string
  lock?: string
  group?: string
  other?: string
  code?: string
  message?: string
  from?: number
  got?: Record<string, unknown>
  id?: string
  flow?: string
  plan?: FlowPlan
  /** The name of a change of a flow (`Touch`), and the jobs that the change adds. */
  touch?: string
  act?: Touch['act']
  nodes?: NodePlan[]
  stem?: string
  count?: number
  state?: FlowInfoState
  counts?: FlowCounts
  step?: string
}

/**
 * Reads dispatches, runs and standstills from the lines of all journals. Lines of different roles may come in
 * any order.
 */
export class Reading {
  readonly asks = new Map<string, Ask>()
  readonly flowAsks = new Map<string, FlowAsk>()
  readonly touches = new Map<string, Touch>()
  readonly runs = new Map<string, Run>()
  readonly steppings = new Map<string, Stepping>()
  readonly standstills: Hit[] = []
  /** For each role: when it last showed that it works. */
  readonly lastSign = new Map<string, number>()

  take(line: Line): void {
    const { at, by, what, n = '', serial = '', kind = '', lock, group } = line
    const run = this.runs.get(serial)
    switch (what) {
      case 'asked':
        for (const each of line.ns!)
          this.asks.set(each, {
            ...{ n: each, at, by, kind },
            ...(lock !== undefined && { lock }),
            ...(group !== undefined && { group }),
          })
        break
      case 'accepted':
      case 'met':
      case 'refused':
      case 'uncertain':
      case 'odd':
        this.#answer(line, what)
        break
      case 'started':
        this.runs.set(serial, {
          ...{ n: numberOf(n, line.id!), id: line.id!, serial, at, by, kind },
          ...(line.got !== undefined && { got: line.got }),
        })
        break
      case 'read':
        if (run !== undefined) run.read = { state: line.state!, counts: line.counts! }
        break
      case 'flow asked':
        this.flowAsks.set(line.plan!.flow, { at, by, plan: line.plan! })
        break
      case 'flow accepted':
      case 'flow refused':
      case 'flow uncertain':
      case 'flow odd':
        this.flowAsks.get(line.flow!)!.answer = {
          at,
          what: what.slice('flow '.length) as NonNullable<FlowAsk['answer']>['what'],
          ...(line.message !== undefined && { message: line.message }),
        }
        break
      case 'touched': {
        const { flow, act, nodes, stem, count } = line
        this.touches.set(line.touch!, {
          ...{ flow: flow!, at, by, act: act! },
          ...(nodes !== undefined && { nodes }),
          ...(stem !== undefined && count !== undefined && { stem, count, bad: 0 }),
        })
        break
      }
      case 'touch done':
      case 'touch nothing':
      case 'touch refused':
      case 'touch uncertain':
      case 'touch odd':
        this.touches.get(line.touch!)!.answer = {
          at,
          what: what.slice('touch '.length) as NonNullable<Touch['answer']>['what'],
          ...(line.message !== undefined && { message: line.message }),
        }
        break
      case 'ended':
      case 'failed':
      case 'parted':
        if (run !== undefined) run.end = { at, what }
        break
      case 'step begun':
      case 'step known':
      case 'undo begun':
      case 'undone':
        this.#stepping(run?.n ?? n).events.push({
          what: what.replace('step ', '') as StepEvent['what'],
          ...{ step: line.step!, serial, at },
        })
        break
      case 'signal kept':
        this.#stepping(n).keptAt = at
        break
      case 'signal missed':
        this.#stepping(n).missedAt ??= at
        break
      case 'signal taken':
        break
      case 'told':
        if (run !== undefined) run.told = { at, code: line.code }
        break
      case 'stood':
        this.standstills.push({ what: 'held', by, from: line.from!, to: at })
        break
      case 'ready':
      case 'stopped':
        break
      default:
        throw new Error(`a journal has a line that nobody writes: ${what}`)
    }
    // Only an accepted dispatch shows that a dispatcher works.
    if (what === 'accepted' || what === 'ready') this.lastSign.set(by, at)
  }

  #stepping(n: string): Stepping {
    let stepping = this.steppings.get(n)
    if (stepping === undefined) {
      stepping = { n, events: [] }
      this.steppings.set(n, stepping)
    }
    return stepping
  }

  #answer({ at, ns = [], message, other }: Line, what: NonNullable<Ask['answer']>['what']): void {
    for (const n of ns) {
      const ask = this.asks.get(n)
      if (ask !== undefined)
        ask.answer = {
          at,
          what,
          ...(message !== undefined && { message }),
          ...(other !== undefined && { other }),
        }
    }
  }
}
