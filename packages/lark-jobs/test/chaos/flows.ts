/**
 * Accounts for flows: each that was accepted ends, in the state that the ends of its jobs demand, with the right counts; its
 * callbacks are one job each; each of its jobs gets the results that counted.
 *
 * A failover that loses the last writes may set back a flow, or jobs of it. Such a flow must end too. Where it deviates from
 * what its jobs say, this is counted, and is no finding.
 */
import { type Causes, overlap, type Story } from './causes.ts'
import type { Ask, Evidence, FlowAsk, KeptFlow, NodePlan, Run } from './evidence.ts'
import { isOver } from './ledger.ts'
import type { Finding, Found, Rule } from './rules.ts'

/** Rounding of the clocks of store and worker, in milliseconds. */
const ROUNDING = 5
/**
 * Milliseconds until a batch has ended that nobody fills any more: it is given up after 30 seconds, and then members are
 * waited for that may still be on their way.
 */
export const GIVEN_UP = 75_000
/** Milliseconds in which a dispatcher must not stand still: it says every ten seconds that it fills. */
const SILENT = 15_000

export interface FlowSums {
  asked: Record<'accepted' | 'refused' | 'uncertain' | 'unanswered', number>
  /** `left`: batches that a dead dispatcher has left, and which are not given up yet. */
  kept: Record<'completed' | 'failed' | 'cancelled' | 'left', number>
  /** Accepted flows that a failover has lost. */
  lost: number
  /** Jobs of flows in the store, without callbacks, and callbacks. */
  jobs: number
  callbacks: number
  /** Callbacks that ended more than once, because a failover had lost their end. */
  doubled: number
  /** What a failover has made of flows: these would be findings otherwise. */
  deviations: Finding[]
}

/** The jobs of a flow, as dispatches: they have no answers of their own. */
export function jobsOf({ at, by, plan }: FlowAsk): Ask[] {
  const ask = (n: string, kind: string): Ask => ({ n, at, by, kind, flow: plan.flow })
  return [
    ...(plan.nodes ?? []).flatMap((node) =>
      node.count === undefined ? [ask(node.n, node.kind)] : membersOf(node).map((n) => ask(n, 'member')),
    ),
    ...membersOf(plan).map((n, i) => ask(n, i < plan.bad! ? 'hopeless' : 'member')),
    ...plan.callbacks.map(({ n }) => ask(n, 'callback')),
  ]
}

function membersOf({ stem, count = 0 }: Pick<NodePlan, 'stem' | 'count'>): string[] {
  return Array.from({ length: count }, (_, i) => `${stem}${i}`)
}

/** The batches that were not filled, because their dispatchers died or gave up; and since when. */
export function leftBatches({ flowAsks, lives }: Pick<Evidence, 'flowAsks' | 'lives'>): Map<string, number> {
  const left = new Map<string, number>()
  for (const { plan, by, answer } of flowAsks) {
    if (plan.kind !== 'batch' || answer?.what === 'accepted') continue
    const life = lives.find(({ name }) => name === by)
    left.set(plan.flow, answer?.at ?? life?.to ?? Number.POSITIVE_INFINITY)
  }
  return left
}

/** Whether a flow is such a batch, and has not ended yet. */
export function isLeft({ id, state, reason }: KeptFlow, left: ReadonlyMap<string, number>): boolean {
  return left.has(id) && (state === 'filling' || (state === 'ending' && reason === 'abandoned'))
}

export function judgeFlows(
  evidence: Evidence,
  stories: ReadonlyMap<string, Story>,
  causes: Causes,
  found: Found,
): FlowSums {
  const { flowAsks, keptFlows } = evidence
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
    ...{ lost: 0, jobs: 0, callbacks: 0, doubled: 0, deviations: [] },
  }
  const left = leftBatches(evidence)
  for (const ask of flowAsks) {
    const what = ask.answer?.what ?? 'unanswered'
    if (what !== 'odd') sums.asked[what]++
    const kept = byId.get(ask.plan.flow)
    const judged = new Judged(ask, kept, evidence, stories, causes, found)
    if (kept === undefined) sums.lost += judged.missing() ? 1 : 0
    else if (isOver(kept)) {
      sums.kept[kept.state as 'completed']++
      judged.end()
    } else if (isLeft(kept, left) && evidence.readAt - left.get(kept.id)! < GIVEN_UP) sums.kept.left++
    else found('flow-open', kept.id, `${kept.state}, ${JSON.stringify(kept.counts)}, runs: ${kept.runs}`)
    sums.jobs += judged.jobs
    sums.callbacks += judged.callbacks
    sums.doubled += judged.doubled
    sums.deviations.push(...judged.deviations)
  }
  return sums
}

type Outcome = 'completed' | 'failed' | 'skipped'

class Judged {
  jobs = 0
  callbacks = 0
  doubled = 0
  readonly deviations: Finding[] = []
  readonly #ask: FlowAsk
  readonly #kept: KeptFlow | undefined
  readonly #evidence: Evidence
  readonly #stories: ReadonlyMap<string, Story>
  readonly #causes: Causes
  readonly #found: Found
  readonly #isRewound: boolean

  constructor(
    ask: FlowAsk,
    kept: KeptFlow | undefined,
    evidence: Evidence,
    stories: ReadonlyMap<string, Story>,
    causes: Causes,
    found: Found,
  ) {
    this.#ask = ask
    this.#kept = kept
    this.#evidence = evidence
    this.#stories = stories
    this.#causes = causes
    this.#found = found
    const records = jobsOf(ask).map(({ n }) => this.#story(n).kept.map(({ finishedAt = 0 }) => finishedAt))
    const last = Math.max(ask.at, kept?.endedAt ?? 0, ...records.map((ends) => Math.max(0, ...ends)))
    this.#isRewound = causes.mayBeRewound(ask.at, last)
  }

  /** The flow is not in the store. @returns whether it was accepted */
  missing(): boolean {
    const { plan, at, answer } = this.#ask
    const runs = jobsOf(this.#ask).flatMap(({ n }) => this.#story(n).runs)
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

  /** The flow has ended. */
  end(): void {
    const { plan, answer } = this.#ask
    if (answer?.what === 'odd') this.#found('odd-error', plan.flow, `${answer.message}`)
    if (answer?.what === 'refused')
      this.#off('refused-but-queued', `${answer.message}; the flow ${this.#kept!.state}`)
    if (plan.kind === 'batch') this.#batch()
    else this.#graph(plan.nodes!)
    this.#calls()
  }

  #graph(nodes: NodePlan[]): void {
    const outcomes = new Map<string, Outcome>()
    for (const node of nodes) {
      const { n, after, ifFailed, got } = node
      const isSkipped = ifFailed !== 'run' && after.some((each) => outcomes.get(each) !== 'completed')
      const own = node.count === undefined ? [n] : membersOf(node)
      this.jobs += own.reduce((sum, each) => sum + this.#story(each).kept.length, 0)
      if (isSkipped) {
        outcomes.set(n, 'skipped')
        for (const each of own) this.#mustNotBe(each, 'flow-wrong-end', 'a node before it did not complete')
        continue
      }
      const isGood = own.map((each) => this.#stateOf(each) === 'completed').every(Boolean)
      outcomes.set(n, isGood ? 'completed' : 'failed')
      for (const each of own) {
        const { runs } = this.#story(each)
        this.#inTurn(each, runs, Math.max(0, ...after.map((before) => this.#endOf(nodes, before))))
        for (const run of runs) this.#handedOn(run, got, outcomes)
      }
    }
    const isHandled = ({ n }: NodePlan) => {
      const later = nodes.filter(({ after }) => after.includes(n))
      return later.length > 0 && later.every(({ ifFailed }) => ifFailed === 'run')
    }
    const isBad = nodes.some((node) => outcomes.get(node.n) === 'failed' && !isHandled(node))
    this.#mustEnd(isBad ? 'failed' : 'completed')
    const of = (what: Outcome) => nodes.filter(({ n }) => outcomes.get(n) === what).length
    const [completed, failed, skipped] = [of('completed'), of('failed'), of('skipped')]
    this.#mustCount({ total: nodes.length, completed, failed, skipped })
  }

  #batch(): void {
    const { plan, answer } = this.#ask
    const { reason, counts, state } = this.#kept!
    const members = membersOf(plan)
    const queued = members.filter((n) => this.#story(n).kept.length > 0)
    const completed = queued.filter((n) => this.#stateOf(n) === 'completed').length
    this.jobs += queued.length
    const isAccepted = answer?.what === 'accepted'
    const isAbandoned = reason === 'abandoned'
    // When too many have failed, no more members are queued.
    const isEarly = isAbandoned || queued.length - completed > plan.allowed!
    const isWhole = isAccepted && !isEarly
    if (isWhole) for (const n of members) this.#stateOf(n)
    // Numbers may have been given to members that were never queued, because their dispatcher died. They count as failed.
    const total = isWhole ? plan.count! : isAccepted ? queued.length : counts.total
    if (counts.total > plan.count! || counts.total < queued.length)
      this.#off('flow-wrong-count', `${counts.total} members, ${queued.length} of ${plan.count} in the store`)
    this.#mustCount({ total, completed, failed: total - completed })
    if (!isAbandoned) this.#mustEnd(total - completed > plan.allowed! ? 'failed' : 'completed')
    else if (state !== 'failed') this.#off('flow-wrong-end', `${state}, and was given up`)
    else if (isAccepted && !this.#wasSilent) this.#off('flow-wrong-end', 'it was given up, and was full')
  }

  /** Whether its dispatcher stood still for so long that the batch may have been given up. */
  get #wasSilent(): boolean {
    const { by, at, answer } = this.#ask
    const time = { from: at, to: answer?.at ?? at }
    return this.#evidence.faults.some(({ hits }) =>
      hits.some((hit) => (hit.by ?? by) === by && hit.to - hit.from > SILENT && overlap(hit, time)),
    )
  }

  #calls(): void {
    const { state, counts, endedAt } = this.#kept!
    for (const { n, on } of this.#ask.plan.callbacks) {
      const { runs, kept } = this.#story(n)
      if (on !== 'ended' && on !== state) {
        this.#mustNotBe(n, 'wrong-callback', `the flow has ${state}`)
        continue
      }
      this.callbacks += kept.length
      if (kept.length === 0) this.#off('no-callback', `${n}; the flow has ${state}`)
      if (this.#causes.mayBeRewound(this.#ask.at, Math.max(0, ...runs.map(({ at }) => at))))
        this.doubled += runs.filter(({ end }) => end?.what === 'ended').length > 1 ? 1 : 0
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
  }

  #handedOn(
    { serial, got = {} }: Run,
    expected: readonly string[],
    outcomes: ReadonlyMap<string, Outcome>,
  ): void {
    for (const n of expected) {
      const result = outcomes.get(n) === 'completed' ? this.#story(n).kept[0]?.result : undefined
      if (got[n] !== result)
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

  #mustEnd(state: KeptFlow['state']): void {
    const { state: own, reason } = this.#kept!
    if (own !== state) this.#off('flow-wrong-end', `${own} (${reason}), and its jobs say ${state}`)
  }

  #mustCount(expected: Partial<KeptFlow['counts']>): void {
    const { counts } = this.#kept!
    const all = { cancelled: 0, skipped: 0, running: 0, blocked: 0, ...expected }
    const wrong = Object.entries(all).filter(([what, count]) => counts[what as 'total'] !== count)
    if (wrong.length > 0)
      this.#off('flow-wrong-count', `${JSON.stringify(counts)}, and its jobs say ${JSON.stringify(expected)}`)
  }

  #mustNotBe(n: string, rule: Rule, why: string): void {
    const { runs, kept } = this.#story(n)
    if (runs.length + kept.length > 0) this.#off(rule, `${n} was queued, and ${why}`)
  }

  /** The state of a job that must be in the store. */
  #stateOf(n: string): string | undefined {
    const record = this.#story(n).kept[0]
    if (record === undefined) this.#off('flow-wrong-end', `${n} is not in the store`)
    return record?.states[0]
  }

  #off(rule: Rule, text: string): void {
    const who = this.#ask.plan.flow
    if (this.#isRewound) this.deviations.push({ rule, who, text })
    else this.#found(rule, who, text)
  }

  #story(n: string): Story {
    return this.#stories.get(n) ?? { n, ask: undefined, runs: [], kept: [] }
  }
}
