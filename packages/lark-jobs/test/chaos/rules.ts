/**
 * The rules that must hold after every run. A finding is a broken promise, or evidence that contradicts
 * itself. A fault excuses a finding only if the fault affected this job or its worker at that time.
 */
import { MAX_CRASHES_UNSURE } from '../../src/store/contract/store.ts'
import { byId, type Causes, canUndo, type Loss, type Story } from './causes.ts'
import type { Evidence, StepEvent } from './evidence.ts'

export const rules = {
  lost: 'accepted, in no state at the end, and never run to its end',
  vanished: 'run to its end, and in no state at the end, though everything is kept',
  phantom: 'in the store, and never dispatched',
  'refused-but-queued': 'dispatch said that it was certainly not queued, and it is in the store',
  'queued-twice': 'dispatched once, and in the store under two ids',
  'two-states': 'in more than one state',
  undrained: 'not ended, though the living had time enough',
  'second-run': 'run again, though its worker met nothing that could cost it the lease',
  'late-settle': 'completed by a run whose lease had been given to another',
  'false-crash': 'more crashes counted than workers died or went silent',
  'wrong-end': 'ended otherwise than its handler did',
  'not-told': 'the lease was lost, and the handler that ran on was not told',
  'not-alive': 'a worker or dispatcher did nothing more, after all was well again',
  exited: 'a process ended by itself',
  stuck: 'a process did not end when it was asked to',
  hung: 'a dispatch was never answered, though its process lived',
  'second-of-kind': 'unique, and queued while another had its lock',
  'left-behind': 'unique, and not queued, though the job that was in its way had no lock any more',
  'over-limit': 'more jobs of a queue active than its limit, by the count of the store',
  'out-of-turn': 'of a strict group, and begun before the one before it had ended',
  'over-permits': 'more jobs running than their limiter gives out permits',
  'flow-lost': 'a flow was accepted or begun, and is not in the store',
  'flow-open': 'a flow has not ended, though all of its jobs have',
  'flow-wrong-end': 'a flow, or a job of it, ended otherwise than the ends of its jobs demand',
  'flow-wrong-count': 'a flow has counted other ends than its jobs had',
  'flow-wrong-nodes':
    'a flow has other nodes than it was given, or they wait for others, or start again by themselves',
  'not-added': 'something was added to a flow, and is not in it',
  'flow-too-early': 'a job of a flow, or a callback, began before what it waits for had ended',
  'no-callback': 'a callback of an ended flow was not queued',
  'wrong-callback':
    'a callback was queued for an end that its flow did not have, or read other things of it than its end',
  'wrong-result': 'a job of a flow got a result that is not that of the run that counted',
  'step-again': 'a step was called by a run that began after its result was kept',
  'not-undone': 'a job has failed or was cancelled, and a step of it that can be undone was not',
  'undone-early': 'a step was undone before a later one, or in a job that completed',
  'undone-late': 'a step was undone after its job had ended',
  'undone-again': 'a step was undone by a run that began after its undo was recorded',
  'signal-lost': 'a signal was kept, and its job went on without it',
  'odd-error': 'a dispatch ended in a way that it does not promise',
} as const

export type Rule = keyof typeof rules

export interface Finding {
  rule: Rule
  /** The number of the job, or the name of the role. */
  who: string
  text: string
}

export type Found = (rule: Rule, who: string, text: string) => void

/** How many milliseconds an answer may be on its way, or a due check may be late. */
const SLACK = 1_000

/** @param mayBeCancelled whether the flow of the job has ended early */
export function judgeJob(
  story: Story,
  losses: Loss[],
  causes: Causes,
  { leaseMs, durability }: Pick<Evidence, 'leaseMs' | 'durability'>,
  mayBeCancelled: boolean,
  found: Found,
): void {
  const { n, ask, runs, kept } = story
  if (ask === undefined) return void found('phantom', n, `id ${kept.map(({ id }) => id)}`)
  // If a failover has lost the record that the outer flow started an inner flow, the inner flow is started
  // again with another id.
  const mayBeTwice = ask.flow !== undefined && causes.mayBeRewound(ask.at, endOf(story))
  if (kept.length > 1 && !mayBeTwice) found('queued-twice', n, `ids ${kept.map(({ id }) => id).join(', ')}`)
  if (ask.answer?.what === 'odd') found('odd-error', n, `${ask.answer.message}`)
  // The old primary may have queued the job, and a worker ran it. When the dispatcher sends the dispatch to
  // the new primary again, another job with the same unique key is already there.
  const { answer } = ask
  const mayHaveRun = answer?.what === 'met' && kept.length === 0 && causes.mayBeRewound(ask.at, answer.at)
  const isRefused = answer?.what === 'refused' || answer?.what === 'met'
  if (isRefused && !mayHaveRun && kept.length + runs.length > 0) {
    const text = `${answer.message ?? answer.what}; it was ${runs.length > 0 ? 'run' : 'kept'}`
    found('refused-but-queued', n, text)
  }
  const isSafe = durability === 'replicated' && ask.answer?.what === 'accepted'
  const excuse = isSafe ? undefined : causes
  if (kept.length === 0) judgeMissing(story, excuse, found)
  else
    for (const [id, runsOfId] of byId(runs))
      if (kept.every((record) => record.id !== id)) judgeMissing({ ...story, runs: runsOfId }, excuse, found)
  for (const { run, next, cause } of losses) {
    if (cause !== undefined) continue
    const end = run.end === undefined ? 'has no end' : `${run.end.what} at ${run.end.at}`
    found('second-run', n, `${run.serial} from ${run.at} ${end}, ${next.serial} from ${next.at}`)
  }
  for (const loss of losses) judgeTold(loss, leaseMs, found)
  for (const record of kept) {
    if (record.states.length > 1) found('two-states', n, `${record.id}: ${record.states.join(', ')}`)
    judgeEnd(story, record, mayBeCancelled, found)
    judgeSettle(story, record, causes, found)
    const possible = record.crashes === 0 ? 0 : causes.possibleCrashes(story)
    if (record.crashes > possible)
      found('false-crash', n, `${record.id} has ${record.crashes} crashes; faults account for ${possible}`)
  }
}

/** @param causes the faults that may excuse the loss */
function judgeMissing({ n, ask, runs }: Story, causes: Causes | undefined, found: Found): void {
  const ended = runs.find(({ end }) => end?.what === 'ended')
  const answer = ask!.answer
  const acceptedAt = answer?.what === 'accepted' ? answer.at : undefined
  if (ended === undefined && acceptedAt === undefined) return
  const last = Math.max(acceptedAt ?? 0, ...runs.map(({ at, end }) => end?.at ?? at))
  if (causes?.mayBeRewound(ask!.at, last)) return
  if (ended === undefined) found('lost', n, `accepted at ${acceptedAt}, ${runs.length} runs`)
  else found('vanished', n, `${ended.serial} ended at ${ended.end!.at}`)
}

function judgeEnd(
  { n, ask, runs }: Story,
  record: Story['kept'][number],
  mayBeCancelled: boolean,
  found: Found,
): void {
  const { id, states, failures, crashes, errors } = record
  const failed = runs.filter(({ end }) => end?.what === 'failed').length
  const hasEnded = runs.some(({ end }) => end?.what === 'ended')
  if (failures > failed) found('wrong-end', n, `${id}: ${failures} failures counted, ${failed} runs failed`)
  for (const state of states) {
    if (state === 'completed') {
      if (!hasEnded) found('wrong-end', n, `${id} is completed, and no run of it came to its end`)
    } else if (state === 'failed') {
      const byCrashes = errors.at(-1) === 'WORKER_DIED' && crashes >= MAX_CRASHES_UNSURE
      if (!byCrashes && !['hopeless', 'mending', 'saga'].includes(ask!.kind))
        found('wrong-end', n, `${id}: a ${ask!.kind} job failed (${errors.join(', ')}), ${crashes} crashes`)
    } else if (state === 'cancelled') {
      if (!mayBeCancelled) found('wrong-end', n, `${id} is cancelled, and nobody asked for it`)
    } else found('undrained', n, `${id} is ${state}`)
  }
}

function judgeSettle({ n, runs }: Story, record: Story['kept'][number], causes: Causes, found: Found): void {
  const { id, result, finishedAt = Number.POSITIVE_INFINITY } = record
  const accepted = runs.find(({ serial }) => serial === result)
  if (accepted === undefined) return
  for (const later of runs) {
    if (later.id !== id || later.at <= accepted.at || causes.isLateStart(later)) continue
    if (causes.mayBeRewound(accepted.at, Math.max(later.at, finishedAt))) continue
    found('late-settle', n, `${id} was completed by ${result}, and ${later.serial} began after that`)
  }
}

/**
 * A worker renews its leases after each third of a lease, and finds out at the next renewal that it has lost
 * a lease.
 */
function judgeTold({ run, next, cause }: Loss, leaseMs: number, found: Found): void {
  const heeds = run.kind === 'heedful' || run.kind === 'deaf'
  if (!heeds || run.end === undefined || cause === undefined || cause.what === 'killed') return
  if (run.told?.code === 'LEASE_LOST') return
  const reachable = Math.max(next.at, cause.hit.to) + leaseMs / 2 + SLACK
  if (run.end.at > reachable)
    found('not-told', run.n, `${run.serial} went on ${Math.round(run.end.at - reachable)} ms too long`)
}

/** The largest rounding error between the times of store and dispatcher, in milliseconds. */
const ROUNDING = 5

/**
 * Only one unfinished job may have a unique key at a time, and a job that has ended must not cause the
 * rejection of other jobs.
 */
export function judgeLocks(stories: readonly Story[], causes: Causes, found: Found): void {
  const owners = new Map(stories.flatMap((story) => story.kept.map(({ id }) => [id, story])))
  const unique = stories.filter(({ ask, kept }) => ask?.lock !== undefined && kept.length > 0)
  for (const one of unique)
    for (const other of unique) if (one.ask!.lock === other.ask!.lock) judgePair(one, other, causes, found)
  for (const { n, ask } of stories) {
    if (ask?.answer?.what !== 'met') continue
    const { at, other } = ask.answer
    const holder = owners.get(other!)
    const ended = holder === undefined ? 0 : endOf(holder)
    if (ended + ROUNDING >= ask.at || causes.mayBeRewound(holder?.ask?.at ?? 0, at)) continue
    const what = holder === undefined ? 'is not in the store' : `had ended at ${ended}`
    found('left-behind', n, `asked at ${ask.at}, it met ${other}, which ${what}`)
  }
}

/**
 * Reports two jobs with the same unique key if the second job was certainly queued after the first job and
 * before its end.
 */
function judgePair(first: Story, second: Story, causes: Causes, found: Found): void {
  const [from, to] = [queuedBy(first), queuedBy(second)]
  const { at } = second.ask!
  if (first === second || at < from || to === Number.POSITIVE_INFINITY) return
  const ended = endOf(first)
  if (to + ROUNDING >= ended || causes.mayBeRewound(first.ask!.at, ended)) return
  found('second-of-kind', second.n, `queued between ${at} and ${to}, and ${first.n} ended at ${ended}`)
}

/**
 * Returns the latest time at which the job may have been queued. A job without a certain answer may have
 * arrived at any time until it ran, because a command may still be in the network after the client has given
 * up.
 */
function queuedBy({ ask, runs }: Story): number {
  const { at, what } = ask?.answer ?? {}
  if (at !== undefined && what === 'accepted') return at
  return runs[0]?.at ?? Number.POSITIVE_INFINITY
}

function endOf({ kept }: Story): number {
  return Math.max(...kept.map(({ finishedAt }) => finishedAt ?? Number.POSITIVE_INFINITY))
}

/**
 * A recorded step must not be called again, and an accepted signal must reach its job, unless a failover lost
 * the step or the signal.
 */
export function judgeSteps({ steppings, runs }: Evidence, causes: Causes, found: Found): void {
  const runOf = new Map(runs.map((run) => [run.serial, run]))
  for (const { n, events, keptAt, missedAt } of steppings) {
    for (const { what, step, serial, at } of events) {
      if (what !== 'begun') continue
      const run = runOf.get(serial)
      const isMine = (each: StepEvent) => each.step === step && runOf.get(each.serial)?.id === run?.id
      const mine = events.filter((each) => isMine(each) && each.at <= at)
      const undone = Math.max(0, ...mine.filter((each) => each.what === 'undone').map((each) => each.at))
      const before = mine.find((each) => each.what === 'known' && each.at > undone)
      if (before === undefined || run!.at <= before.at) continue
      if (causes.mayBeRewound(before.at, at)) continue
      found(
        'step-again',
        n,
        `${step}: known to ${before.serial} at ${before.at}, called by ${serial} at ${at}`,
      )
    }
    if (keptAt === undefined || missedAt === undefined || keptAt + SLACK > missedAt) continue
    if (!causes.mayBeRewound(keptAt, missedAt))
      found('signal-lost', n, `kept at ${keptAt}, missed at ${missedAt}`)
  }
}

/**
 * The steps of a job with undos. If the job does not complete, its steps are undone before it ends, the last
 * step first. An undo is certainly recorded when the next undo begins. Before that, an undo may be called
 * again, because its run may be lost. If the job has a newer run, the older run has lost its lease, and its
 * further actions do not count.
 */
export function judgeUndos(
  { steppings }: Evidence,
  stories: ReadonlyMap<string, Story>,
  causes: Causes,
  found: Found,
): void {
  for (const { n, events } of steppings) {
    const story = stories.get(n)
    const [record, other] = story?.kept ?? []
    if (record === undefined || other !== undefined || !story!.runs.some(({ kind }) => canUndo(kind)))
      continue
    const { states, finishedAt = Number.POSITIVE_INFINITY } = record
    const off = (rule: Rule, { serial, step, at }: StepEvent, why: string) => {
      if (!causes.mayBeRewound(story!.ask?.at ?? 0, Math.max(at, finishedAt)))
        found(rule, n, `${step}, by ${serial} at ${at}: ${why}`)
    }
    const runOf = (serial: string) => story!.runs.find((run) => run.serial === serial)
    const isNewest = ({ serial, at }: StepEvent) =>
      story!.runs.findLast((run) => run.id === record.id && run.at <= at)?.serial === serial
    const ordered = events
      .filter(isNewest)
      .sort((one, another) => one.at - another.at || runOf(one.serial)!.at - runOf(another.serial)!.at)
    /** The steps to undo, in the order in which they began. */
    const owed = new Map<string, StepEvent>()
    /** The undone steps, each with the time since which its undo is certainly recorded. */
    const recorded = new Map<string, number>()
    for (const event of ordered) {
      const { what, step, serial, at } = event
      if (what === 'begun') {
        owed.set(step, owed.get(step) ?? event)
        recorded.delete(step)
      } else if (what === 'undo begun') {
        for (const [each, since] of recorded) if (each !== step) recorded.set(each, Math.min(since, at))
        const since = recorded.get(step)
        if (since !== undefined && runOf(serial)!.at > since)
          off('undone-again', event, `recorded at ${since}`)
        const last = [...owed.keys()].at(-1)
        if (owed.has(step) && last !== step) off('undone-early', event, `before ${last}`)
      } else if (what === 'undone') {
        owed.delete(step)
        recorded.set(step, Number.POSITIVE_INFINITY)
        if (at > finishedAt + ROUNDING) off('undone-late', event, `the job had ended at ${finishedAt}`)
      }
    }
    // If somebody retries a cancelled job, the job runs its steps again.
    const left = ordered.filter(({ what, step }) => what === 'undone' && recorded.has(step))
    if (states[0] === 'completed') for (const event of left) off('undone-early', event, 'the job completed')
    if (states[0] === 'failed' || states[0] === 'cancelled')
      for (const event of owed.values()) off('not-undone', event, `the job has ${states[0]}`)
  }
}

export function judgeLimits({ limits }: Evidence, found: Found): void {
  for (const { queue, most, active } of limits)
    for (const { at, count } of active)
      if (count > most) found('over-limit', queue, `${count} active at ${at}, and its limit is ${most}`)
}

export function judgeRoles({ dead, lives, asks, flowAsks, touches }: Evidence, found: Found): void {
  for (const { by, fault, why = '' } of dead) found('not-alive', by, `after ${fault}: ${why}`)
  for (const { name, end, words = '' } of lives) {
    if (end === 'by itself') found('exited', name, words)
    if (end === 'stuck') found('stuck', name, 'was killed then')
  }
  const killed = new Set(lives.filter(({ end }) => end === 'killed').map(({ name }) => name))
  for (const { n, at, by, answer } of asks)
    if (answer === undefined && !killed.has(by)) found('hung', n, `asked at ${at} by ${by}`)
  for (const { plan, at, by, answer } of flowAsks)
    if (answer === undefined && !killed.has(by)) found('hung', plan.flow, `asked at ${at} by ${by}`)
  for (const { flow, act, at, by, answer } of touches) {
    if (answer === undefined && !killed.has(by)) found('hung', flow, `${act} at ${at} by ${by}`)
    if (answer?.what === 'odd') found('odd-error', flow, `${act} at ${at} by ${by}: ${answer.message}`)
  }
}
