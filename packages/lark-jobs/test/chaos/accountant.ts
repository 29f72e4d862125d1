/**
 * Makes the account of a run: how every job ended, what each fault cost, and which promises were broken. The
 * account depends only on the evidence, so that tests can change the evidence.
 */
import { type Blame, Causes, type Loss, overlap, type Story } from './causes.ts'
import { judgeGroups, judgePermits } from './claims.ts'
import { type Ask, type Evidence, type Fault, type FlowAsk, firstOf, type KeptFlow } from './evidence.ts'
import { addedJobs, type FlowSums, jobsOf, judgeFlows, mayHaveActed } from './flows.ts'
import {
  type Finding,
  judgeJob,
  judgeLimits,
  judgeLocks,
  judgeRoles,
  judgeSteps,
  judgeUndos,
} from './rules.ts'

/** The cost of all faults with the same name. */
export interface Row {
  fault: string
  times: number
  /** The largest number of unfinished jobs at the beginning of one of these faults. */
  inFlight: number
  /** Dispatches that failed with "certainly not queued" because of the fault. */
  refused: number
  /** Dispatches that the fault left uncertain. */
  uncertain: number
  /**
   * Jobs that were accepted and are not in the store. Lost jobs are allowed if a failover may have set the
   * store back.
   */
  lost: number
  /** How many runs did not count, by the event that happened to their workers. */
  again: Partial<Record<Blame, number>>
  /**
   * The longest time from the end of one of these faults until all processes worked again, in milliseconds.
   */
  recovered?: number
}

export interface Account {
  flows: FlowSums
  /**
   * How many jobs were dispatched, by the answer to their dispatch. Jobs of flows are counted with their
   * flows. `unanswered`: the dispatcher was killed before the answer.
   */
  asked: Record<'accepted' | 'met' | 'refused' | 'uncertain' | 'unanswered', number>
  /** Jobs in the store, by state. `accepted + arrived = completed + failed + left + lost`. */
  kept: Record<'completed' | 'failed' | 'left', number>
  /** How many jobs without a certain answer were queued. */
  arrived: number
  lost: number
  runs: number
  /**
   * How often functions of steps were called, how many of these calls were repeated ones, and how many undos
   * ran.
   */
  steps: { called: number; again: number; undone: number }
  crashes: number
  /** How many handlers were told by their signal that the lease of the job was lost. */
  told: number
  /**
   * For each limited queue: how many jobs may be active at the same time, the highest number of active jobs,
   * and how often this number was read.
   */
  limits: { queue: string; most: number; highest: number; looks: number }[]
  rows: Row[]
  findings: Finding[]
}

/** The name of the row for runs that were lost without a fault. */
const CALM = 'none'

export function account(evidence: Evidence): Account {
  const findings: Finding[] = []
  const found = (rule: Finding['rule'], who: string, text: string) => findings.push({ rule, who, text })
  const causes = new Causes(evidence)
  const byNumber = storiesOf(evidence)
  const stories = [...byNumber.values()]
  // A batch that was given up because its dispatcher died may still be about to end.
  const fails = ({ state }: KeptFlow) => state === 'failed' || state === 'ending'
  const failed = new Set(evidence.keptFlows.filter(fails).map(({ id }) => id))
  const isFailedBatch = ({ plan }: FlowAsk) => plan.kind === 'batch' && failed.has(plan.flow)
  // The flows that ended early: their waiting jobs are cancelled.
  const endedEarly = new Set([
    ...evidence.flowAsks.filter(isFailedBatch).map(({ plan }) => plan.flow),
    ...evidence.touches.filter((each) => each.act !== 'add' && mayHaveActed(each)).map(({ flow }) => flow),
  ])
  const rows = new Map<string, Row>()
  const spans = stories.map((story) => ({
    from: story.ask?.at ?? Number.POSITIVE_INFINITY,
    to: doneAt(story),
  }))
  for (const fault of evidence.faults) addTo(rowOf(rows, fault.name), fault, spans)

  const all: Loss[] = []
  const lost: Story[] = []
  for (const story of stories) {
    const losses = causes.losses(story)
    all.push(...losses)
    judgeJob(story, losses, causes, evidence, endedEarly.has(story.ask?.flow ?? ''), found)
    if (story.ask?.answer?.what === 'accepted' && story.kept.length === 0) lost.push(story)
  }
  judgeLocks(stories, causes, found)
  judgeLimits(evidence, found)
  judgeGroups(stories, causes, found)
  judgePermits(evidence, found)
  judgeRoles(evidence, found)
  judgeSteps(evidence, causes, found)
  judgeUndos(evidence, byNumber, causes, found)
  const flows = judgeFlows(evidence, byNumber, causes, found)

  for (const { cause } of all) {
    if (cause === undefined) continue
    const row = rowOf(rows, cause.fault?.name ?? CALM)
    row.again[cause.what] = (row.again[cause.what] ?? 0) + 1
  }
  const rewinding = evidence.faults.filter(({ hits }) => hits.some(({ what }) => what === 'rewound'))
  for (const { ask } of lost) rowOf(rows, nearest(rewinding, ask!)).lost++
  for (const ask of evidence.asks) {
    const what = ask.answer?.what
    if (what === 'refused' || what === 'uncertain') rowOf(rows, nearest(evidence.faults, ask))[what]++
  }
  return {
    ...sums(stories.filter(({ ask }) => ask?.flow === undefined)),
    flows,
    lost: lost.length,
    told: evidence.runs.filter(({ told }) => told?.code === 'LEASE_LOST').length,
    runs: evidence.runs.length,
    steps: stepsOf(evidence),
    limits: evidence.limits.map(({ queue, most, looks, active }) => ({
      ...{ queue, most, looks },
      highest: Math.max(0, ...active.map(({ count }) => count)),
    })),
    rows: [...rows.values()],
    findings,
  }
}

/** The stories of all jobs, by the numbers of the jobs. */
function storiesOf({ asks, flowAsks, touches, runs, kept }: Evidence): Map<string, Story> {
  const stories = new Map<string, Story>()
  const of = (n: string) => {
    let story = stories.get(n)
    if (story === undefined) {
      story = { n, ask: undefined, runs: [], kept: [] }
      stories.set(n, story)
    }
    return story
  }
  for (const ask of asks) of(ask.n).ask = ask
  for (const ask of [...flowAsks.flatMap(jobsOf), ...touches.flatMap(addedJobs)]) of(ask.n).ask = ask
  for (const run of runs) of(run.n).runs.push(run)
  for (const record of kept) of(record.n).kept.push(record)
  const startedAgain = new Set(touches.filter(({ act }) => act === 'retry').map(({ flow }) => flow))
  for (const story of stories.values()) {
    const first = stories.get(firstOf(story.n))?.ask
    story.ask ??= first && { ...first, n: story.n }
    if (startedAgain.has(story.ask?.flow ?? '')) story.isStartedAgain = true
    story.runs.sort((one, other) => one.at - other.at)
  }
  return stories
}

function stepsOf({ steppings }: Evidence): Account['steps'] {
  const events = steppings.flatMap(({ n, events }) => events.map((event) => ({ n, ...event })))
  const calls = events.filter(({ what }) => what === 'begun').map(({ n, step }) => `${n} ${step}`)
  const undone = events.filter(({ what }) => what === 'undone').length
  return { called: calls.length, again: calls.length - new Set(calls).size, undone }
}

function rowOf(rows: Map<string, Row>, fault: string): Row {
  let row = rows.get(fault)
  if (row === undefined) {
    row = { fault, times: 0, inFlight: 0, refused: 0, uncertain: 0, lost: 0, again: {} }
    rows.set(fault, row)
  }
  return row
}

/** @param spans for each job, the time from its dispatch to its end */
function addTo(row: Row, { from, recovered }: Fault, spans: { from: number; to: number }[]): void {
  row.times++
  row.inFlight = Math.max(row.inFlight, spans.filter((span) => span.from <= from && span.to > from).length)
  if (recovered !== undefined) row.recovered = Math.max(row.recovered ?? 0, recovered)
}

/** The time at which the job ended; 0 if it was never in the store. */
function doneAt({ runs, kept }: Story): number {
  const ends = kept.map(({ finishedAt }) => finishedAt ?? Number.POSITIVE_INFINITY)
  return Math.max(0, ...(ends.length > 0 ? ends : runs.map(({ end }) => end?.at ?? 0)))
}

/** Returns the fault that affected a dispatch: the last fault that began before the answer. */
function nearest(faults: Fault[], { at, answer }: Ask): string {
  const time = { from: at, to: answer?.at ?? at }
  const met = faults.filter((fault) => overlap(fault, time))
  return (met.at(-1) ?? faults.findLast(({ from }) => from <= time.to))?.name ?? CALM
}

function sums(stories: Story[]): Pick<Account, 'asked' | 'kept' | 'arrived' | 'crashes'> {
  const asked = { accepted: 0, met: 0, refused: 0, uncertain: 0, unanswered: 0 }
  const kept = { completed: 0, failed: 0, left: 0 }
  let arrived = 0
  let crashes = 0
  for (const { ask, kept: records } of stories) {
    const what = ask?.answer?.what ?? 'unanswered'
    if (ask !== undefined && what !== 'odd') asked[what]++
    if (ask !== undefined && what !== 'accepted') arrived += records.length
    for (const { states, crashes: counted } of records) {
      crashes += counted
      kept[states[0] === 'completed' || states[0] === 'failed' ? states[0] : 'left']++
    }
  }
  return { asked, kept, arrived, crashes }
}
