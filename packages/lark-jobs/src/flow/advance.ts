/**
 * Computes how a flow advances: from its definition, its state and the news about its nodes, it makes the
 * next state and a list of the work to do. `advance` is a pure function, so each rule of flows exists only
 * once, for all stores. `flow-book.ts` calls `advance` and does the work.
 *
 * A step contains only work that can be repeated. First the state is written, and the jobs in the partition
 * of the flow are queued in the same atomic step. Then the work in other partitions is done. If a later check
 * (`checks`) finds that this work was not done, it is repeated.
 */
import { defined } from '@s18i/lark/internal'
import {
  type EndReason,
  type FailureRule,
  type Fill,
  type FlowDefinition,
  type FlowState,
  indexOf,
  MAX_GENERATIONS,
  type NodeDefinition,
  type NodeState,
  nodeOf,
} from '../model/flow.ts'
import type { EndedState } from '../model/record.ts'
import type { Crowd, KeptEnd } from '../store/contract/store.ts'

/**
 * Milliseconds until the first check of how started nodes have ended (`nodes`), and members (`members`). Each
 * check that finds nothing new doubles the time until the next check, unless the check failed.
 */
const FIRST_LOOK = { nodes: 1_000, members: 5_000 }
/** The longest time between two checks, in milliseconds. */
const LAST_LOOK = 300_000
/** Milliseconds after which another worker does the work of a step if the first worker has died. */
const AGAIN = 2_000
/** The maximum number of nodes that one step starts. */
export const MAX_STARTS = 500

/** A flow as it was read from the store. */
export interface FlowView {
  definition: FlowDefinition
  state: FlowState
  crowd: Crowd
  /** Milliseconds since 1970, by the store's clock. */
  at: number
}

/** The next state of a flow, and the work to do after it is written. */
export interface Step {
  state: FlowState
  /** The nodes that start now, by number. */
  starts: number[]
  /** Whether started jobs must be asked to end. */
  asks: boolean
  /** Whether failed members must be started again. */
  retries: boolean
  /** Whether to check what has become of the jobs that the flow waits for. */
  checks: boolean
  /** Whether the parent must be told of the end. */
  tells: boolean
  /** The indices of purged nodes whose ends have arrived. The store must not keep these ends. */
  purges: number[]
  /** Whether the flow must be removed, because it has ended and was kept for long enough. */
  forgets: boolean
  /** The final number of members of the batch. Absent while members may still be added. */
  size?: number
  /**
   * The time at which the flow is due next: milliseconds since 1970. Undefined if the flow is due only when
   * further ends of its jobs arrive.
   */
  next: number | undefined
}

/**
 * How a batch gets its members. Either the dispatcher adds them after the start, and must report again within
 * `fillsFor` milliseconds, or all members are known at the start.
 */
export type FirstMembers = { fillsFor: number } | { size: number; fills: Fill[]; keys: string[] }

/** The first state of a new flow. */
export function begin({ nodes, within }: FlowDefinition, at: number, members?: FirstMembers): FlowState {
  const isFilling = members !== undefined && 'fillsFor' in members
  return {
    phase: isFilling ? 'filling' : 'open',
    at,
    ...(within !== undefined && { deadline: at + within }),
    ...(isFilling && { fillsUntil: at + members.fillsFor, fills: [] }),
    ...(members !== undefined && !isFilling && { fills: members.fills, keys: members.keys, filledAt: at }),
    nodes: nodes
      .map(({ ended }) => (ended === undefined ? 'b' : ended.state === 'completed' ? 'c' : 'f'))
      .join(''),
    pause: FIRST_LOOK.nodes,
    checkAt: at + FIRST_LOOK.nodes,
  }
}

/** The next step of a flow. @param news ends of nodes, in the order of arrival */
export function advance(view: FlowView, news: readonly KeptEnd[]): Step {
  const flow = new Advancing(view)
  flow.hear(news)
  flow.endEarly()
  const starts = flow.move()
  flow.end(starts)
  return flow.step(starts)
}

/** Values by the number of a node. */
type Notes<T> = Record<number, T> | undefined

/** A flow during one step. */
class Advancing {
  readonly #definition: FlowDefinition
  readonly #crowd: Crowd
  readonly #at: number
  readonly #state: FlowState
  readonly #nodes: NodeState[]
  readonly #purges: number[] = []
  #hasNews = false
  #size: number | undefined

  constructor({ definition, state, crowd, at }: FlowView) {
    this.#definition = definition
    this.#crowd = crowd
    this.#at = at
    this.#state = copyOf(state)
    this.#nodes = [...state.nodes] as NodeState[]
  }

  /** Notes how nodes have ended. */
  hear(news: readonly KeptEnd[]): void {
    for (const { index, state, reason } of news) {
      const { node, generation } = nodeOf(index) ?? { node: -1, generation: -1 }
      const before = this.#nodes[node]
      if (this.#definition.nodes[node]?.purged) this.#purges.push(index)
      if (before === undefined || generation !== this.#generation(node)) continue
      // If the partition of the flow has lost its last writes, the end of a node may arrive although the flow
      // has not recorded the start of this node.
      const hasEnded = before === 'c' || before === 'f' || before === 'x'
      if (before === '-' || (hasEnded && (before === 'c' || state !== 'completed'))) continue
      this.#hasNews = true
      this.#finish(node, state, reason)
      // The end of a callback does not change how the flow has ended.
      if (hasEnded && this.#definition.nodes[node]!.on === undefined) this.#mend(node)
    }
  }

  /** Ends the flow early: its deadline has passed, too many members failed, or its dispatcher died. */
  endEarly(): void {
    const state = this.#state
    const { allowed } = this.#definition
    if (state.phase === 'filling' && state.fillsUntil! <= this.#at) {
      state.phase = 'open'
      state.fillsUntil = undefined
      // Members with reserved indices may still be on their way.
      state.filledAt = this.#at
      this.#size = this.#crowd.reserved
      // An earlier cancel is not overwritten.
      state.ending ??= {
        state: 'failed',
        reason: 'abandoned',
        because: 'the process that filled it has died',
      }
    }
    if (this.#isMended) reopen(state, this.#definition, this.#nodes, this.#at)
    if (state.ending !== undefined || state.phase === 'ended') return
    if (state.deadline !== undefined && state.deadline <= this.#at)
      state.ending = { state: 'failed', reason: 'deadline' }
    else if (allowed !== undefined && state.retriesAfter === undefined && this.#crowd.failed > allowed)
      state.ending = { state: 'failed', reason: 'failed' }
  }

  /** Starts or ends the nodes that no longer have to wait. @returns the nodes that start */
  move(): number[] {
    const { phase, ending } = this.#state
    const starts: number[] = []
    if (phase !== 'open') return starts
    const { nodes } = this.#definition
    for (const [node, definition] of nodes.entries()) {
      const { after, on, purged } = definition
      if (this.#nodes[node] !== 'b' || (on !== undefined && !purged)) continue
      const ruleOf = (each: number) => (this.#isBad(each) ? failureRule(definition, each) : undefined)
      const cause = after.find((each) => ruleOf(each) === 'skip' || ruleOf(each) === 'fail')
      if (on !== undefined) this.#finish(node, 'cancelled', 'removed')
      else if (ending !== undefined) this.#finish(node, 'cancelled', ending.reason)
      else if (cause !== undefined) {
        const state = ruleOf(cause) === 'fail' ? 'failed' : 'cancelled'
        this.#finish(node, state, 'skipped', this.#causeOf(cause))
      } else if (purged) {
        // The own rule of a node decides how the node ends after a purged node.
        const waits = after.some((each) => nodes[each]!.purged && !this.#isOver(each))
        if (!waits) this.#finish(node, 'cancelled', 'removed')
      } else if (starts.length === MAX_STARTS) continue
      else if (after.every((each) => this.#isOver(each)) || after.some((each) => ruleOf(each) === 'now'))
        starts.push(node)
    }
    for (const node of starts) this.#start(node)
    return starts
  }

  /** Ends the flow if nothing is left to wait for, and starts its callbacks. */
  end(starts: number[]): void {
    const state = this.#state
    if (state.phase !== 'open' || !this.#isDone) return
    const end = this.#outcome()
    state.phase = 'ended'
    state.end = { ...end, at: this.#at }
    state.ending = undefined
    for (const [node, { on }] of this.#definition.nodes.entries()) {
      if (on === undefined || this.#nodes[node] !== 'b') continue
      if (on !== 'ended' && on !== end.state) this.#nodes[node] = '-'
      else {
        this.#start(node)
        starts.push(node)
      }
    }
  }

  step(starts: number[]): Step {
    const state = this.#state
    const definition = this.#definition
    const isEnded = state.phase === 'ended'
    const awaits = this.#nodes.includes('s') || (state.phase === 'open' && !this.#isCrowdDone)
    const ended = this.#crowd.completed + this.#crowd.failed
    if (this.#hasNews || starts.length > 0) this.#lookIn(FIRST_LOOK.nodes)
    let checks = false
    if (awaits && state.checkAt <= this.#at) {
      // Members are only counted, so the flow compares the number of ended members with the number at the
      // last check.
      const isQuiet = state.seen === undefined || state.seen === ended
      state.seen = ended
      checks = isQuiet && state.phase !== 'filling'
      this.#lookIn(checks ? Math.min(2 * state.pause, LAST_LOOK) : FIRST_LOOK.members)
    }
    const isAwaited = definition.parent !== undefined || definition.parentJob !== undefined
    const tells = isEnded && isAwaited && state.isTold !== true
    const asks = !isEnded && state.ending !== undefined && state.ending.isAsked !== true
    const retries = state.phase === 'open' && state.retriesAfter !== undefined
    const isOver = isEnded && !tells && !awaits
    const keptUntil = isOver ? state.end!.at + definition.keep[state.end!.state] : undefined
    const forgets = keptUntil !== undefined && keptUntil <= this.#at
    // If this step starts as many nodes as it may, the other nodes start in the next step.
    const isMore = this.#size !== undefined || (state.phase === 'open' && starts.length >= MAX_STARTS)
    const dues = [
      asks || retries || tells || forgets || checks ? this.#at + AGAIN : undefined,
      isMore ? this.#at : undefined,
      awaits ? state.checkAt : undefined,
      state.phase === 'filling' ? state.fillsUntil : undefined,
      state.phase === 'open' && state.ending === undefined ? state.deadline : undefined,
      forgets ? undefined : keptUntil,
    ].filter((due) => due !== undefined)
    state.nodes = this.#nodes.join('')
    return {
      state,
      starts,
      ...{ asks, retries, checks, tells, forgets, purges: this.#purges },
      ...defined({ size: this.#size }),
      next: dues.length > 0 ? Math.min(...dues) : undefined,
    }
  }

  #lookIn(pause: number): void {
    this.#state.pause = pause
    this.#state.checkAt = this.#at + pause
  }

  #generation(node: number): number {
    return this.#state.generations?.[node] ?? 0
  }

  #start(node: number): void {
    this.#nodes[node] = 's'
    this.#note('since', node, this.#at)
  }

  #finish(node: number, state: EndedState, reason?: EndReason, cause?: number): void {
    this.#nodes[node] = state === 'completed' ? 'c' : state === 'failed' ? 'f' : 'x'
    this.#note('since', node, undefined)
    this.#note('reasons', node, reason)
    this.#note('causes', node, cause)
  }

  /** If nodes were skipped because of a node that has completed now, these nodes wait again. */
  #mend(node: number): void {
    const state = this.#state
    const skipped = Object.entries(state.causes ?? {}).filter(([, cause]) => cause === node)
    for (const [other] of skipped) this.#blockAgain(Number(other))
    const outcome = this.#outcome()
    // Without this condition, a flow that ends in the same way as before would start its callbacks again.
    if (skipped.length > 0 || outcome.state === 'completed')
      reopen(state, this.#definition, this.#nodes, this.#at)
    else if (state.end?.node === node) {
      const { node: _, ...end } = state.end
      state.end = { ...end, ...defined({ node: outcome.node }) }
    }
  }

  #blockAgain(node: number): void {
    this.#nodes[node] = 'b'
    this.#note('reasons', node, undefined)
    this.#note('causes', node, undefined)
  }

  #note<T>(name: 'since' | 'reasons' | 'causes', node: number, value: T | undefined): void {
    const state = this.#state as unknown as Record<string, Notes<T>>
    const notes = state[name] ?? {}
    if (value === undefined) delete notes[node]
    else notes[node] = value
    state[name] = Object.keys(notes).length > 0 ? notes : undefined
  }

  #isOver(node: number): boolean {
    const state = this.#nodes[node]
    return state === 'c' || state === 'f' || state === 'x'
  }

  #isBad(node: number): boolean {
    return this.#nodes[node] === 'f' || this.#nodes[node] === 'x'
  }

  #causeOf(node: number): number {
    return this.#state.causes?.[node] ?? node
  }

  get #isCrowdDone(): boolean {
    const { kind } = this.#definition
    const { size, completed, failed } = this.#crowd
    return kind !== 'batch' || (size !== undefined && completed + failed >= size)
  }

  /** Whether a flow that failed because of its members has few enough failed members to complete. */
  get #isMended(): boolean {
    const { end } = this.#state
    const { allowed } = this.#definition
    const isCrowds = end?.reason === 'failed' && end.node === undefined
    return isCrowds && allowed !== undefined && this.#crowd.failed <= allowed && this.#isCrowdDone
  }

  get #isDone(): boolean {
    if (this.#state.retriesAfter !== undefined || !this.#isCrowdDone) return false
    return this.#definition.nodes.every(({ on }, node) => on !== undefined || this.#isOver(node))
  }

  #outcome(): { state: EndedState; reason?: EndReason; because?: string; node?: number } {
    const { ending } = this.#state
    const { nodes, allowed } = this.#definition
    const isHandled = handledBy(nodes)
    const bad = nodes.findIndex(
      ({ on }, node) =>
        on === undefined && this.#isBad(node) && !isHandled[node] && this.#state.causes?.[node] === undefined,
    )
    const node = bad < 0 ? {} : { node: bad }
    if (ending !== undefined) {
      const { state, reason, because } = ending
      return { state, reason, ...defined({ because }), ...node }
    }
    // A node with the rule `fail` counts as failed if an earlier node ended without completing, no matter how
    // the earlier node ended.
    const failing = nodes.findIndex((_, each) => this.#nodes[each] === 'f' && !isHandled[each])
    if (bad < 0 && failing < 0)
      return allowed !== undefined && this.#crowd.failed > allowed
        ? { state: 'failed', reason: 'failed' }
        : { state: 'completed' }
    const reason = this.#state.reasons?.[bad < 0 ? failing : bad]
    const first = bad < 0 ? failing : bad
    const isCancelled = this.#nodes[first] === 'x' && reason === 'user' && failing < 0
    return { state: isCancelled ? 'cancelled' : 'failed', ...defined({ reason }), node: first }
  }
}

/** For each node, whether other nodes wait for this node, and all of them run even if this node fails. */
function handledBy(nodes: readonly NodeDefinition[]): boolean[] {
  const handled: (boolean | undefined)[] = nodes.map(() => undefined)
  for (const node of nodes)
    for (const each of node.after) {
      const rule = failureRule(node, each)
      handled[each] = (handled[each] ?? true) && (rule === 'run' || rule === 'now')
    }
  return handled.map((each) => each === true)
}

/** The rule for a node if a certain node that it waits for has ended without completing. */
export function failureRule({ ifFailed, rules }: NodeDefinition, each: number): FailureRule {
  return rules?.[each] ?? ifFailed ?? 'skip'
}

/** Opens an ended flow again. Its nodes go on, and its callbacks will start again. */
export function reopen(state: FlowState, of: FlowDefinition, letters: NodeState[], at: number): void {
  if (state.phase !== 'ended') return
  const { nodes, within } = of
  state.phase = 'open'
  state.end = undefined
  state.isTold = undefined
  if (within !== undefined) state.deadline = at + within
  for (const [node, { on }] of nodes.entries()) {
    if (on === undefined) continue
    if (letters[node] !== '-' && letters[node] !== 'b') nextGeneration(state, node)
    letters[node] = 'b'
    for (const notes of [state.since, state.reasons]) delete notes?.[node]
    // A callback that is a flow starts again as a whole, including its completed nodes. So it gets a new id.
    const flow = state.flows?.[node]
    if (flow === undefined) continue
    state.former = [...(state.former ?? []), [node, flow]]
    delete state.flows![node]
  }
}

function nextGeneration(state: FlowState, node: number): void {
  const generation = (state.generations?.[node] ?? 0) + 1
  state.generations = { ...state.generations, [node]: Math.min(generation, MAX_GENERATIONS) }
}

/** Whether the flow's own deadline ends or has ended it, and not the deadline of a flow inside it. */
export function isLate({ state: { end, ending, deadline }, at }: Pick<FlowView, 'state' | 'at'>): boolean {
  const isOver = deadline !== undefined && (end?.at ?? at) >= deadline
  return isOver && (end ?? ending)?.reason === 'deadline'
}

/** Which parts of a flow can start again. Default: all parts that failed. */
export interface Startable {
  /** Whether some of the failed members can start again. */
  members: boolean
  /** The nodes that are flows without any part that can start again. */
  spent: ReadonlySet<number>
}

/**
 * Restarts all parts of a flow that did not complete: nodes that failed or were cancelled, nodes that were
 * skipped because of such a node, and members that failed. This function returns the new state of the flow.
 * Results are kept. Undefined if the flow has completed, or if no part can start again.
 *
 * @param within milliseconds from now within which the flow must end. Default: for an ended flow, the time
 *   from its definition
 */
export function startAgain(
  { definition, state: before, crowd, at }: FlowView,
  { members = crowd.failed > 0, spent }: Partial<Startable> = {},
  within?: number,
): FlowState | undefined {
  const state = copyOf(before)
  const letters = [...state.nodes] as NodeState[]
  // While members are being started again, another call starts nothing.
  const isOfMembers = members && state.phase !== 'filling' && state.retriesAfter === undefined
  let isAny = definition.kind === 'batch' && isOfMembers
  const isGone = (node: number) => definition.nodes[node]!.purged === true || spent?.has(node) === true
  let isAnyGone = false
  if (isAny) state.retriesAfter = -1
  for (const [node, { on }] of definition.nodes.entries()) {
    if (on !== undefined || (letters[node] !== 'f' && letters[node] !== 'x')) continue
    if (isGone(node) || isGone(state.causes?.[node] ?? node)) {
      isAnyGone = true
      continue
    }
    isAny = true
    // Only a node that has started has a job, and so needs a new generation.
    if (state.causes?.[node] === undefined) nextGeneration(state, node)
    letters[node] = 'b'
    for (const notes of [state.reasons, state.causes]) delete notes?.[node]
  }
  // All parts may have completed although the flow was cancelled or missed its deadline. In that case the
  // flow only ends again.
  if (!isAny && (isAnyGone || crowd.failed > 0 || (state.end?.state ?? 'completed') === 'completed'))
    return undefined
  reopen(state, definition, letters, at)
  if (within !== undefined) state.deadline = at + within
  state.ending = undefined
  state.nodes = letters.join('')
  return state
}

/** Whether a flow was cancelled or has failed, and waits for jobs that are still running. */
export function isEnding({ state: { phase, ending } }: Pick<FlowView, 'state'>): boolean {
  return phase !== 'ended' && ending !== undefined
}

/** Returns the state of a flow after a cancel. Undefined if the flow has ended, or is already ending. */
export function endNow({ state }: FlowView, reason: EndReason, because?: string): FlowState | undefined {
  if (state.phase === 'ended' || isEnding({ state })) return undefined
  const ending = { state: 'cancelled' as const, reason, ...defined({ because }) }
  return { ...state, ending }
}

/**
 * Makes a copy of a state. The copy may be changed. (With 50 started nodes, this takes 0.3 µs, and
 * `structuredClone` 20 µs. Node 20, 2026-11-26.)
 */
export function copyOf(state: FlowState): FlowState {
  const { generations, since, reasons, causes, flows } = state
  return {
    ...state,
    ...(generations !== undefined && { generations: { ...generations } }),
    ...(since !== undefined && { since: { ...since } }),
    ...(reasons !== undefined && { reasons: { ...reasons } }),
    ...(causes !== undefined && { causes: { ...causes } }),
    ...(flows !== undefined && { flows: { ...flows } }),
  }
}

/** The number of the job of a node that has started. */
export function jobIndex({ generations }: Pick<FlowState, 'generations'>, node: number): number {
  return indexOf(node, generations?.[node] ?? 0)
}
