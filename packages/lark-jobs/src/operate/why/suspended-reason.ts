/** Says what a suspended job waits for: a time, signals, or the ends of its child jobs. */
import { childId } from '../../flow/child.ts'
import type { FlowPlace } from '../../model/flow.ts'
import { isForEver } from '../../model/journal.ts'
import { isEndedState, type JobRecord } from '../../model/record.ts'
import type { Remedy } from '../../model/remedy.ts'
import { answerWords } from '../../step/approval.ts'
import type { SeenStep } from '../../step/look.ts'
import { isOwnSignal } from '../../step/signal.ts'
import { getFollowed } from '../../store/contract/moved.ts'
import { isChildSignal } from '../../store/contract/rules/signal-room.ts'
import type { Stand, Store } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { lowerFirst } from '../../words/lower-first.ts'
import { lastSteps, noteOf } from '../look/job-steps.ts'
import type { Reason } from './reason.ts'

/** The maximum number of child jobs that are named. */
const MOST_CHILDREN = 5

export interface SuspendedFacts {
  open: { store: Store }
  stand: Stand
  /**
   * Finds out why another job does not run. Absent if this job itself is only looked at to explain another
   * job.
   */
  reasonOf?: (job: JobRecord) => Promise<Reason | undefined>
}

/**
 * The reason for a suspended job. The reason names the step at which the job waits, if that step is among the
 * last entries of the journal.
 */
export async function suspendedReason(
  facts: SuspendedFacts,
  signals: readonly string[],
  dueAt: number,
): Promise<Reason> {
  const { store } = facts.open
  const { job, at } = facts.stand
  const { id, partition } = job
  const open = (await lastSteps(store, partition, id)).filter(
    ({ state }) => state === 'waiting' || state === 'retrying',
  )
  const left = Math.max(0, dueAt - at)
  const until = isForEver(left) ? {} : { until: dueAt }
  if (open.some(({ child }) => child !== undefined)) return awaits(facts, open, signals)
  if (signals.length > 0) {
    const called =
      signals.length === 1
        ? signalWords(signals[0]!)
        : `one of the signals ${listed(signals.map(answerWords))}`
    // The signal that answers an approval is left out, because people can send this signal only with a token,
    // and not with a command.
    const sent = signals.find((name) => !isOwnSignal(name))
    const [wait, ...others] = open
    const isNamed = wait !== undefined && others.length === 0 && wait.key !== signals.join(' or ')
    const named = isNamed ? ` (${wait.name})` : ''
    const most = isForEver(left) ? '' : `, for at most ${readable(left)}`
    const text = `It is suspended: it waits for ${called}${named}${most}`
    const remedy: Remedy =
      sent === undefined ? { do: 'see-job', job: id } : { do: 'send-signal', job: id, signal: sent }
    return { kind: 'suspended', text, ...until, remedy }
  }
  const ends = ({ until = Number.POSITIVE_INFINITY }: SeenStep) => until
  const [next] = open.sort((one, other) => ends(one) - ends(other))
  const what =
    next?.state === 'retrying'
      ? `step ${next.name} failed, and is tried again`
      : `it sleeps${next === undefined ? '' : ` (${next.name})`}, and goes on`
  const remedy = { do: 'see-job', job: id } as const
  return { kind: 'suspended', text: `It is suspended: ${what} in ${readable(left)}`, ...until, remedy }
}

/** The reason for a job that waits for the ends of other jobs, and possibly also for signals. */
async function awaits(
  facts: SuspendedFacts,
  open: readonly SeenStep[],
  signals: readonly string[],
): Promise<Reason> {
  const { job, at } = facts.stand
  const children = open.flatMap(({ name, child }) => (child === undefined ? [] : { name, ...child }))
  const jobs = children.slice(0, MOST_CHILDREN).map(childId)
  const words = await Promise.all(children.slice(0, MOST_CHILDREN).map((child) => childWords(facts, child)))
  const sent = signals.filter((name) => !isChildSignal(name)).map(signalWords)
  const others = children.length - MOST_CHILDREN
  const more = others > 0 ? [others === 1 ? 'another' : `${others} others`] : []
  const parts = [...words, ...more, ...sent]
  const named = [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' or ')
  const until = Math.min(...open.flatMap((step) => step.until ?? []))
  const most = Number.isFinite(until) ? `, for at most ${readable(Math.max(0, until - at))}` : ''
  return {
    kind: 'suspended',
    text: `It is suspended: it waits for the end of ${named}${most}`,
    jobs,
    ...(Number.isFinite(until) && { until }),
    // The remedy shows why the other job does not end, because this job waits for the same cause.
    remedy: { do: 'see-why', job: jobs[0] ?? job.id },
  }
}

function signalWords(name: string): string {
  return isOwnSignal(name) ? answerWords(name) : `the signal ${name}`
}

/**
 * Describes a child job: `report (job 7, delayed: it is retried in 5 min: run 1 failed (Error: no paper))`.
 */
async function childWords(
  { open: { store }, reasonOf }: SuspendedFacts,
  child: FlowPlace & { name: string },
): Promise<string> {
  const id = childId(child)
  const job = await getFollowed(store, child.home, id, true)
  if (job === undefined) return `${child.name} (job ${id})`
  const why = isEndedState(job.state) ? undefined : await reasonOf?.(job)
  const note = noteOf(job)
  const more = why === undefined ? note && `, ${note}` : `: ${lowerFirst(why.text)}`
  return `${child.name} (job ${id}, ${job.state}${more ?? ''})`
}
