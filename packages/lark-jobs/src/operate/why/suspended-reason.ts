/**
 * Why a suspended job waits: for a time, for signals, or for the ends of jobs that it has begun.
 */
import { childId } from '../../flow/child.ts'
import { isForEver } from '../../model/journal.ts'
import type { Remedy } from '../../model/remedy.ts'
import type { SeenStep } from '../../step/look.ts'
import { isChildSignal } from '../../store/contract/rules/signal-room.ts'
import type { Stand, Store } from '../../store/contract/store.ts'
import { readable } from '../../words/duration.ts'
import { listed } from '../../words/listed.ts'
import { childStates, childWords, lastSteps } from '../look/job-steps.ts'
import type { Reason } from './reason.ts'

/** The most jobs that are named for which a job waits. */
const MOST_CHILDREN = 5

interface SuspendedFacts {
  open: { store: Store }
  stand: Stand
}

/** What a suspended job waits for: its step, as far as the last entries of its journal say it. */
export async function suspendedReason(
  { open: { store }, stand: { job, at } }: SuspendedFacts,
  signals: readonly string[],
  dueAt: number,
): Promise<Reason> {
  const { id, partition } = job
  const open = (await lastSteps(store, partition, id)).filter(
    ({ state }) => state === 'waiting' || state === 'retrying',
  )
  const left = Math.max(0, dueAt - at)
  const until = isForEver(left) ? {} : { until: dueAt }
  if (open.some(({ child }) => child !== undefined)) return awaits(store, id, open, signals, at)
  if (signals.length > 0) {
    const called = signals.length === 1 ? `the signal ${signals[0]}` : `one of the signals ${listed(signals)}`
    // People cannot send the answer to an approval: whoever has its token does.
    const sent = signals.find((name) => !name.startsWith('$'))
    const [wait, ...others] = open
    const isNamed = wait !== undefined && others.length === 0 && wait.name !== signals.join(' or ')
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

/** What a job waits for that waits for the ends of others, and perhaps for signals too. */
async function awaits(
  store: Store,
  id: string,
  open: readonly SeenStep[],
  signals: readonly string[],
  at: number,
): Promise<Reason> {
  const states = await childStates(store, open)
  const jobs = open.flatMap(({ child }) => (child === undefined ? [] : childId(child)))
  const words = open.flatMap(({ name, child }) => {
    if (child === undefined) return []
    const its = childId(child)
    const state = states.get(its)
    return `${name} (job ${its}${state === undefined ? '' : `, ${childWords(state)}`})`
  })
  const sent = signals.filter((name) => !isChildSignal(name)).map((name) => `the signal ${name}`)
  const others = words.length - MOST_CHILDREN
  const more = others > 0 ? [others === 1 ? 'another' : `${others} others`] : []
  const parts = [...words.slice(0, MOST_CHILDREN), ...more, ...sent]
  const named = [parts.slice(0, -1).join(', '), parts.at(-1)].filter(Boolean).join(' or ')
  const until = Math.min(...open.flatMap((step) => step.until ?? []))
  const most = Number.isFinite(until) ? `, for at most ${readable(Math.max(0, until - at))}` : ''
  return {
    kind: 'suspended',
    text: `It is suspended: it waits for the end of ${named}${most}`,
    jobs: jobs.slice(0, MOST_CHILDREN),
    ...(Number.isFinite(until) && { until }),
    // What holds that one up holds this one up.
    remedy: { do: 'see-why', job: jobs[0] ?? id },
  }
}
