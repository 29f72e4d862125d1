/**
 * Accounts for flows. Each accepted flow must end in the state that follows from the ends of its jobs, with
 * the right counts. Each callback must be one job, and each job must get the results that counted. Added
 * members and nodes must be in the flow. A cancelled flow must have ended as cancelled. If a flow was started
 * again, each part that had not completed, and each callback, must be a new job.
 *
 * A failover that loses the last writes may set a flow or its jobs back to an earlier state. A flow that was
 * set back must end, too. If its state differs from the state that follows from its jobs, the difference
 * counts as a deviation, and not as a finding.
 */
import { type Causes, overlap, type Story } from './causes.ts'
import {
  type Ask,
  again,
  type Evidence,
  type FlowAsk,
  type KeptFlow,
  type KeptNode,
  type MembersPlan,
  type NodePlan,
  type Run,
  type Touch,
} from './evidence.ts'
import { isOver } from './ledger.ts'
import type { Finding, Found, Rule } from './rules.ts'

/** Rounding of the clocks of store and worker, in milliseconds. */
const ROUNDING = 5
/**
 * Milliseconds until a batch has ended whose dispatcher no longer adds members. The batch is given up after
 * 30 seconds. After that, the batch still waits for members that may be on their way to the store.
 */
export const GIVEN_UP = 75_000
/**
 * If the process of a dispatcher is stopped for this many milliseconds, its batch may be given up: the
 * dispatcher must report every ten seconds that it still adds members.
 */
const SILENT = 15_000

export interface FlowSums {
  asked: Record<'accepted' | 'refused' | 'uncertain' | 'unanswered', number>
  /** `left`: batches of dead dispatchers that are not given up yet. */
  kept: Record<'completed' | 'failed' | 'cancelled' | 'left', number>
  /** The changes of flows by hand or by their jobs that took effect. */
  touched: Record<Touch['act'], number>
  /** Accepted flows that a failover has lost. */
  lost: number
  /** How many jobs of flows are in the store, without callbacks, and how many callbacks. */
  jobs: number
  callbacks: number
  /** Callbacks that ended more than once, because a failover had lost their end. */
  doubled: number
  /** The deviations of flows that a failover has set back. Without a failover, they would be findings. */
  deviations: Finding[]
}

/** Returns the jobs of a flow, each in the form of a dispatch without an answer. */
export function jobsOf({ at, by, plan }: FlowAsk): Ask[] {
  const ask = (n: string, kind: string): Ask => ({ n, at, by, kind, flow: plan.flow })
  return [
    ...(plan.nodes ?? []).flatMap((node) =>
      node.count === undefined ? [ask(node.n, node.kind)] : membersOf(node).map((n) => ask(n, 'member')),
    ),
    ...membersOf(plan).map((n, i) =>
      ask(n, i >= plan.bad! ? 'member' : plan.mends === true ? 'mending' : 'hopeless'),
    ),
    ...plan.callbacks.map(({ n }) => ask(n, 'callback')),
  ]
}

/** The jobs that somebody added to a flow. */
export function addedJobs({ flow, at, by, nodes = [], ...members }: Touch): Ask[] {
  return [
    ...nodes.map(({ n, kind }) => ({ n, at, by, kind, flow })),
    ...membersOf(members).map((n) => ({ n, at, by, kind: 'member', flow })),
  ]
}

/**
 * Whether a change of a flow may have taken effect. After an error, only an `add` has certainly not taken
 * effect.
 */
export function mayHaveActed({ act, answer }: Touch): boolean {
  return answer?.what !== 'nothing' && !(act === 'add' && answer?.what === 'refused')
}

function membersOf({ stem, count = 0 }: Partial<MembersPlan>): string[] {
  return Array.from({ length: count }, (_, i) => `${stem}${i}`)
}

/**
 * Returns the batches that were not filled because their dispatchers died or gave up, each with the time
 * since then.
 */
export function leftBatches({ flowAsks, lives }: Pick<Evidence, 'flowAsks' | 'lives'>): Map<string, number> {
  const left = new Map<string, number>()
  for (const { plan, by, answer } of flowAsks) {
    if (plan.kind !== 'batch' || answer?.what === 'accepted') continue
    const life = lives.find(({ name }) => name === by)
    left.set(plan.flow, answer?.at ?? life?.to ?? Number.POSITIVE_INFINITY)
  }
  return left
}

/** Whether a flow is a batch of a dead dispatcher that has not ended yet. */
export function isLeft({ id, state, reason }: KeptFlow, left: ReadonlyMap<string, number>): boolean {
  const isEnding = state === 'ending' && (reason === 'abandoned' || reason === 'user')
  return left.has(id) && (state === 'filling' || isEnding)
}

export function judgeFlows(
  evidence: Evidence,
  stories: ReadonlyMap<string, Story>,
  causes: Causes,
  found: Found,
): FlowSums {
  const { flowAsks, touches, keptFlows } = evidence
  const byId = new Map<string, KeptFlow>()
  const asked = new Set(flowAsks.map(({ plan }) => plan.flow))
  for (const flow of keptFlows) {
    if (flow.isNested) {
      if (!isOver(flow)) found('flow-open', flow.id, `a flow in a flow is ${flow.state}`)
    } else if (!asked.has(flow.id)) found('phantom', flow.id, 'a flow')
    else byId.set(flow.id, flow)
  }
  const sums: FlowSums = {
    asked: { accepted: 0, refused: 0, uncertain: 0, unanswered: 0 },
    kept: { completed: 0, failed: 0, cancelled: 0, left: 0 },
    touched: { cancel: 0, retry: 0, add: 0 },
    ...{ lost: 0, jobs: 0, callbacks: 0, doubled: 0, deviations: [] },
  }
  const left = leftBatches(evidence)
  // While a part of the store is away, a batch with members in this part cannot be given up.
  const hits = evidence.faults.flatMap(({ hits }) => hits)
  const reached = Math.max(0, ...hits.flatMap(({ what, to }) => (what === 'outage' ? to : [])))
  const touchesOf = byFlow(touches)
  for (const { act, answer } of touches) if (answer?.what === 'done') sums.touched[act]++
  for (const ask of flowAsks) {
    const what = ask.answer?.what ?? 'unanswered'
    if (what !== 'odd') sums.asked[what]++
    const kept = byId.get(ask.plan.flow)
    const touched = touchesOf.get(ask.plan.flow) ?? []
    const judged = new Judged(ask, kept, touched, evidence, stories, causes, found)
    if (kept === undefined) sums.lost += judged.missing() ? 1 : 0
    else if (isOver(kept)) {
      sums.kept[kept.state as 'completed']++
      judged.end()
    } else if (isLeft(kept, left) && evidence.readAt - Math.max(left.get(kept.id)!, reached) < GIVEN_UP)
      sums.kept.left++
    else found('flow-open', kept.id, `${kept.state}, ${JSON.stringify(kept.counts)}, runs: ${kept.runs}`)
    sums.jobs += judged.jobs
    sums.callbacks += judged.callbacks
    sums.doubled += judged.doubled
    sums.deviations.push(...judged.deviations)
  }
  return sums
}

function byFlow(touches: readonly Touch[]): Map<string, Touch[]> {
  const all = new Map<string, Touch[]>()
  for (const touch of touches) all.set(touch.flow, [...(all.get(touch.flow) ?? []), touch])
  return all
}

type Outcome = 'completed' | 'failed' | 'cancelled' | 'skipped'

class Judged {
  jobs = 0
  callbacks = 0
  doubled = 0
  readonly deviations: Finding[] = []
  readonly #ask: FlowAsk
  readonly #kept: KeptFlow | undefined
  readonly #nodes: ReadonlyMap<string, KeptNode>
  /** The additions to the flow that may have taken effect. */
  readonly #adds: readonly Touch[]
  readonly #cancels: readonly Touch[]
  readonly #retries: readonly Touch[]
  /** The additions that certainly did not take effect. */
  readonly #refused: readonly Touch[]
  readonly #evidence: Evidence
  readonly #stories: ReadonlyMap<string, Story>
  readonly #causes: Causes
  readonly #found: Found
  readonly #isRewound: boolean

  constructor(
    ask: FlowAsk,
    kept: KeptFlow | undefined,
    touches: readonly Touch[],
    evidence: Evidence,
    stories: ReadonlyMap<string, Story>,
    causes: Causes,
    found: Found,
  ) {
    const of = (what: Touch['act']) => touches.filter((each) => each.act === what && mayHaveActed(each))
    this.#ask = ask
    this.#kept = kept
    this.#nodes = new Map(kept?.nodes.map((node) => [node.n, node]))
    this.#adds = of('add')
    this.#cancels = of('cancel')
    this.#retries = of('retry')
    this.#refused = touches.filter((each) => each.act === 'add' && !mayHaveActed(each))
    this.#evidence = evidence
    this.#stories = stories
    this.#causes = causes
    this.#found = found
    const records = this.#all.map(({ n }) => this.#story(n).kept.map(({ finishedAt = 0 }) => finishedAt))
    const last = Math.max(ask.at, kept?.endedAt ?? 0, ...records.map((ends) => Math.max(0, ...ends)))
    this.#isRewound = causes.mayBeRewound(ask.at, last)
  }

  /** Checks a flow that is not in the store. @returns whether the flow was accepted */
  missing(): boolean {
    const { plan, at, answer } = this.#ask
    const runs = this.#all.flatMap(({ n }) => this.#story(n).runs)
    const isAccepted = answer?.what === 'accepted'
    if (!isAccepted && runs.length === 0) return false
    const last = Math.max(answer?.at ?? at, ...runs.map((run) => run.end?.at ?? run.at))
    const isSafe = this.#evidence.durability === 'replicated' && isAccepted
    if (isSafe || !this.#causes.mayBeRewound(at, last))
      this.#found(
        'flow-lost',
        plan.flow,
        `${answer?.what ?? 'unanswered'} at ${answer?.at}, ${runs.length} runs`,
      )
    return isAccepted
  }

  /** Checks a flow that has ended. */
  end(): void {
    const { plan, answer } = this.#ask
    if (answer?.what === 'odd') this.#found('odd-error', plan.flow, `${answer.message}`)
    if (answer?.what === 'refused')
      this.#off('refused-but-queued', `${answer.message}; the flow ${this.#kept!.state}`)
    for (const touch of this.#refused)
      for (const { n } of addedJobs(touch))
        if (this.#nodes.has(n) || this.#isThere(n))
          this.#off('refused-but-queued', `${n} was not added: ${touch.answer?.message}`)
    for (const { n, generation } of this.#nodes.values())
      if (generation > this.#retries.length)
        this.#off(
          'flow-wrong-nodes',
          `${n} was started ${generation} times again, of ${this.#retries.length}`,
        )
    if (plan.kind === 'batch') this.#batch()
    else this.#graph([...plan.nodes!, ...this.#addedNodes(plan.nodes!)])
    this.#calls()
  }

  /** The nodes that were added, in the order in which the flow has them. */
  #addedNodes(given: readonly NodePlan[]): NodePlan[] {
    const own = this.#kept!.nodes.filter(({ on }) => on === undefined)
    const plans = new Map(this.#adds.flatMap(({ nodes = [] }) => nodes.map((node) => [node.n, node])))
    const added: NodePlan[] = []
    for (const [i, { n, after }] of own.entries()) {
      const plan = given[i] ?? plans.get(n)
      const isStep = given[i] === undefined && this.#ask.plan.kind === 'chain'
      const expected = isStep ? [own[i - 1]!.n] : plan?.after
      if (plan?.n !== n || `${expected}` !== `${after}`)
        this.#off('flow-wrong-nodes', `${n} after ${after}; it should be ${plan?.n} after ${expected}`)
      else if (given[i] === undefined) added.push({ ...plan, after })
      plans.delete(n)
    }
    if (own.length < given.length) this.#off('flow-wrong-nodes', `${own.length} nodes, of ${given.length}`)
    for (const { nodes = [], answer } of this.#adds) {
      const isPart = nodes.some(({ n }) => !plans.has(n))
      for (const { n } of nodes)
        if (plans.has(n) && (isPart || answer?.what === 'done')) this.#off('not-added', n)
    }
    return added
  }

  #graph(nodes: NodePlan[]): void {
    const outcomes = new Map<string, Outcome>()
    for (const node of nodes) {
      const { n, after, ifFailed, got } = node
      const isSkipped = ifFailed !== 'run' && after.some((each) => outcomes.get(each) !== 'completed')
      const own = node.count === undefined ? [n] : membersOf(node)
      this.jobs += own.reduce((sum, each) => sum + this.#records(each).length, 0)
      if (isSkipped) {
        outcomes.set(n, 'skipped')
        for (const each of own) this.#mustNotBe(each, 'flow-wrong-end', 'a node before it did not complete')
        continue
      }
      const states = own.map((each) => this.#stateOf(each))
      // A batch in a cancelled flow is cancelled, too, although its members may have completed.
      const isCutShort =
        node.count !== undefined && this.#cancels.length > 0 && this.#nodes.get(n)?.state === 'x'
      const isGood = !isCutShort && states.every((state) => state === 'completed')
      const isCancelled = node.count === undefined && states[0] !== 'failed'
      outcomes.set(n, isGood ? 'completed' : isCancelled ? 'cancelled' : 'failed')
      // A node that runs although a node before it failed may have run before that node was started again.
      const mayBeEarly = ifFailed === 'run' && this.#retries.length > 0
      for (const each of own) {
        const runs = this.#generations(each).flatMap((story) => story.runs)
        if (!mayBeEarly) this.#inTurn(each, runs, Math.max(0, ...after.map((one) => this.#endOf(nodes, one))))
        for (const run of runs) this.#handedOn(run, got, outcomes, mayBeEarly)
      }
    }
    const isHandled = ({ n }: NodePlan) => {
      const later = nodes.filter(({ after }) => after.includes(n))
      return later.length > 0 && later.every(({ ifFailed }) => ifFailed === 'run')
    }
    const isBad = nodes.some((node) => {
      const outcome = outcomes.get(node.n)
      return (outcome === 'failed' || outcome === 'cancelled') && !isHandled(node)
    })
    this.#mustEnd(isBad ? 'failed' : 'completed')
    const of = (what: Outcome) => nodes.filter(({ n }) => outcomes.get(n) === what).length
    const [completed, failed, cancelled, skipped] = [
      of('completed'),
      of('failed'),
      of('cancelled'),
      of('skipped'),
    ]
    // A node that was cancelled before it began has no job, so its state shows nothing.
    if (this.#cancels.length > 0)
      this.#mustCount({ total: nodes.length, completed }, ['failed', 'cancelled', 'skipped'])
    else this.#mustCount({ total: nodes.length, completed, failed, cancelled, skipped })
  }

  #batch(): void {
    const { plan, answer } = this.#ask
    const { reason, counts, state } = this.#kept!
    const given = membersOf(plan)
    const sure = this.#adds.filter((each) => each.answer?.what === 'done').flatMap(membersOf)
    const all = [...given, ...this.#adds.flatMap(membersOf)]
    const queued = all.filter((n) => this.#isThere(n))
    const completed = queued.filter((n) => this.#stateOf(n) === 'completed').length
    this.jobs += queued.length
    const isAccepted = answer?.what === 'accepted'
    const isAbandoned = reason === 'abandoned'
    // If too many members have failed, or the batch was cancelled, no more members are queued.
    const isTouched = this.#cancels.length + this.#retries.length > 0
    const isEarly = isAbandoned || isTouched || queued.length - completed > plan.allowed!
    const isWhole = isAccepted && !isEarly
    if (isWhole) for (const n of given) this.#stateOf(n)
    if (!isEarly) for (const n of sure) if (!this.#isThere(n)) this.#off('not-added', n)
    // Indices may have been reserved for members that were never queued, because the process that added them
    // died. Members without a queued job count as cancelled.
    const least = isWhole ? given.length + sure.length : queued.length
    const isKnown = isAccepted && !isAbandoned && all.length === given.length + sure.length
    // The answer with the indices of the first members may be lost, and the batch may be cancelled before the
    // dispatcher asks for the indices again.
    const isFirst = this.#cancels.some(({ at }) => isAccepted && at < answer.at)
    const most = isWhole || !isKnown || isFirst ? all.length : queued.length
    if (counts.total > most || counts.total < least)
      this.#off(
        'flow-wrong-count',
        `${counts.total} members, ${queued.length} in the store, of ${given.length} and ${all.length - given.length}`,
      )
    const failed = counts.total - completed - counts.cancelled
    this.#mustCount({ total: counts.total, completed, failed }, ['cancelled'])
    // Members that were never queued count as failed, too. The other members were cancelled because the batch
    // failed.
    const bad = counts.total - queued.length + queued.filter((n) => this.#stateOf(n) === 'failed').length
    if (state === 'failed' && !isAbandoned && !isTouched && bad <= plan.allowed!)
      this.#off('flow-wrong-end', `failed, and ${bad} of its members did, of ${plan.allowed} that may`)
    if (!isAbandoned) this.#mustEnd(counts.total - completed > plan.allowed! ? 'failed' : 'completed')
    else if (state !== 'failed') this.#off('flow-wrong-end', `${state}, and was given up`)
    else if (isAccepted && !this.#wasSilent) this.#off('flow-wrong-end', 'it was given up, and was full')
  }

  /** Whether the dispatcher stood still for so long that the batch may have been given up. */
  get #wasSilent(): boolean {
    const { by, at, answer } = this.#ask
    const time = { from: at, to: answer?.at ?? at }
    return this.#evidence.faults.some(({ hits }) =>
      hits.some((hit) => (hit.by ?? by) === by && hit.to - hit.from > SILENT && overlap(hit, time)),
    )
  }

  /**
   * Checks the callbacks. A callback must be one job for each end of its flow. A flow that was started again
   * ends again.
   */
  #calls(): void {
    const { state, counts, endedAt } = this.#kept!
    let others = 0
    let ends = 0
    for (const { n, on } of this.#ask.plan.callbacks) {
      const node = this.#nodes.get(n)
      const isCalled = on === 'ended' || on === state
      const stories = this.#generations(n)
      const queued = stories.filter(({ kept }) => kept.length > 0).length
      const isStarted = node !== undefined && /[scfx]/.test(node.state)
      const starts = (node?.generation ?? 0) + (isStarted ? 1 : 0)
      if (on === 'ended') ends = starts
      else others += starts
      this.callbacks += queued
      if (queued < starts || (isCalled && !isStarted))
        this.#off('no-callback', `${n}: ${queued} of ${starts}; the flow has ${state}`)
      const most = isCalled ? 1 + this.#retries.length : this.#retries.length
      if (queued > starts || starts > most || (isStarted && !isCalled))
        this.#off('wrong-callback', `${n}: ${queued} of ${starts}; the flow has ${state}`)
      const { runs } = this.#story(n)
      if (this.#causes.mayBeRewound(this.#ask.at, Math.max(0, ...runs.map(({ at }) => at))))
        this.doubled += runs.filter(({ end }) => end?.what === 'ended').length > 1 ? 1 : 0
      if (!isStarted) continue
      this.#inTurn(n, runs, endedAt!)
      for (const { read, serial } of runs) {
        if (read === undefined) continue
        if (read.state !== state || JSON.stringify(read.counts) !== JSON.stringify(counts))
          this.#off(
            'wrong-callback',
            `${serial} read ${JSON.stringify(read)}; the flow has ${state} ${JSON.stringify(counts)}`,
          )
      }
    }
    // A cancelled flow runs no other callback.
    if (others > ends || (others < ends && this.#cancels.length === 0))
      this.#off('wrong-callback', `it has ended ${ends} times, and ${others} callbacks say how`)
  }

  #handedOn(
    { serial, got = {} }: Run,
    expected: readonly string[],
    outcomes: ReadonlyMap<string, Outcome>,
    mayLack: boolean,
  ): void {
    for (const n of expected) {
      const result = outcomes.get(n) === 'completed' ? this.#story(n).kept[0]?.result : undefined
      if (got[n] !== result && !(mayLack && got[n] === undefined))
        this.#off('wrong-result', `${serial} got ${got[n]} of ${n}, which counted as ${result}`)
    }
  }

  #inTurn(n: string, runs: readonly Run[], after: number): void {
    const first = runs[0]
    if (first !== undefined && first.at + ROUNDING < after)
      this.#off('flow-too-early', `${n} began at ${first.at}, and what it waits for ended at ${after}`)
  }

  #endOf(nodes: readonly NodePlan[], n: string): number {
    const node = nodes.find((each) => each.n === n)!
    const own = node.count === undefined ? [n] : membersOf(node)
    return Math.max(
      0,
      ...own.flatMap((each) => this.#story(each).kept.map(({ finishedAt = 0 }) => finishedAt)),
    )
  }

  /** @param state the state that follows from the jobs */
  #mustEnd(state: KeptFlow['state']): void {
    const { state: own, reason } = this.#kept!
    const isRight = own === 'cancelled' ? this.#cancels.length > 0 : own === state && !this.#isSurelyCancelled
    if (isRight) return
    const touched = `${this.#cancels.length} times cancelled, ${this.#retries.length} times started again`
    this.#off('flow-wrong-end', `${own} (${reason}), and its jobs say ${state}; ${touched}`)
  }

  /** Whether the flow was cancelled, and was not started again after that. */
  get #isSurelyCancelled(): boolean {
    return this.#cancels.some(
      ({ at, answer }) =>
        answer?.what === 'done' &&
        this.#retries.every((retry) => (retry.answer?.at ?? Number.POSITIVE_INFINITY) < at),
    )
  }

  /** @param but the counts that may have any value */
  #mustCount(expected: Partial<KeptFlow['counts']>, but: readonly string[] = []): void {
    const { counts } = this.#kept!
    const all = { cancelled: 0, skipped: 0, running: 0, blocked: 0, ...expected }
    const wrong = Object.entries(all).filter(
      ([what, count]) => !but.includes(what) && counts[what as 'total'] !== count,
    )
    if (wrong.length > 0)
      this.#off('flow-wrong-count', `${JSON.stringify(counts)}, and its jobs say ${JSON.stringify(expected)}`)
  }

  #mustNotBe(n: string, rule: Rule, why: string): void {
    if (this.#generations(n).some(({ runs, kept }) => runs.length + kept.length > 0))
      this.#off(rule, `${n} was queued, and ${why}`)
  }

  /**
   * Returns the state of a job. The job must be in the store, unless the flow was cancelled before the job
   * began.
   */
  #stateOf(n: string): string | undefined {
    const record = this.#story(n).kept[0]
    if (record === undefined && this.#cancels.length === 0)
      this.#off('flow-wrong-end', `${n} is not in the store`)
    return record?.states[0]
  }

  #isThere(n: string): boolean {
    return this.#story(n).kept.length > 0
  }

  #off(rule: Rule, text: string): void {
    const who = this.#ask.plan.flow
    if (this.#isRewound) this.deviations.push({ rule, who, text })
    else this.#found(rule, who, text)
  }

  /** All jobs that the flow may have. */
  get #all(): Ask[] {
    return [...jobsOf(this.#ask), ...this.#adds.flatMap(addedJobs)]
  }

  #records(n: string): Story['kept'] {
    return this.#generations(n).flatMap(({ kept }) => kept)
  }

  /** Returns the job of a node, and the jobs of this node before it was started again. */
  #generations(n: string): Story[] {
    const { generation = 0 } = this.#nodes.get(n) ?? {}
    return Array.from({ length: generation + 1 }, (_, i) => this.#named(again(n, i)))
  }

  /** Returns the present job of a node or of a member. */
  #story(n: string): Story {
    return this.#named(again(n, this.#nodes.get(n)?.generation ?? 0))
  }

  #named(n: string): Story {
    return this.#stories.get(n) ?? { n, ask: undefined, runs: [], kept: [] }
  }
}
