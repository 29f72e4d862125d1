/**
 * Finds what stands still or fails in a store. Each queue has at most one incident, with the time at which it
 * began, its cause, what changed before, and the first thing to do. The status alone says whether a queue has
 * an incident. More calls are made only for the queues that have one.
 */
import { defined } from '@s18i/lark/internal'
import type { WorkerRecord } from '../../model/record.ts'
import type { Remedy } from '../../model/remedy.ts'
import type { OptionsOf } from '../../options/schema.ts'
import { HOUR, MINUTE } from '../../store/contract/store.ts'
import { failingWords } from '../../words/failing-words.ts'
import type { DoctorFinding } from '../findings/finding-codes.ts'
import type { OpenFlows } from '../flows/flow-info.ts'
import { checkFilter, conditions, type Flags, queueName } from '../look/filter.ts'
import { type UnheardWorkers, unheardWorkers } from '../look/silent-workers.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import type { EndedWithin } from '../measures/history.ts'
import { runTimes } from '../measures/run-times.ts'
import type { QueueStatus, QueueStatuses } from '../measures/status.ts'
import { whyNext } from '../why/next-job.ts'
import type { ReasonKind } from '../why/reason.ts'
import { beganIn, historyOf, lastRunEnded, reaches, unitSince } from './began.ts'
import { mostFailures } from './first-failure.ts'
import { type Incident, type IncidentKind, incidentKinds, type QueueIncident } from './incident.ts'

/** Milliseconds for which jobs must wait before a queue counts as standing still, as in the dashboard. */
const STILL = 10_000
/**
 * The causes of incidents are looked for in at most this many queues. For further queues, only the kind of
 * the incident is known.
 */
const MOST = 10
/**
 * A queue counts as `retrying` if at least this share of its runs fails, and at least this number of runs.
 */
const SHARE = 0.5
const LEAST = 10
/** A minute counts as bad if at least this share of the jobs that end in it fails. */
const MANY = 0.1
/**
 * A release counts as a change before an incident if workers began to run it at most this many milliseconds
 * before.
 */
const BEFORE = HOUR

/** Reasons that do not go away by themselves. A person must do something. */
const lasting: ReasonKind[] = ['no-worker', 'unknown-key', 'unreadable']

const incidentConditions = conditions({
  /**
   * Only the incident of this queue, always with its causes. Default: the incidents of all queues, and those
   * of the store itself.
   */
  queue: queueName,
})

export interface IncidentFilter extends OptionsOf<typeof incidentConditions.entries> {}

/** @throws FILTER_INVALID */
export function checkIncidents(filter: unknown, flags?: Flags): void {
  checkFilter('operate().incidents()', filter, incidentConditions, { flags })
}

/**
 * @param status the status of all queues, or of one
 * @param alarms the findings of the store itself, its schedules, its limiters and its outbox
 */
export async function incidentsOf(
  open: OpenFlows,
  status: QueueStatuses,
  alarms: readonly DoctorFinding[],
): Promise<Incident[]> {
  const found = alarms.map(({ level, ...finding }): Incident => {
    return { kind: 'finding', level: level === 'error' ? 'error' : 'warning', ...finding }
  })
  const sick = status.queues
    .flatMap((queue) => {
      const kind = kindOf(queue)
      return kind === undefined ? [] : [{ kind, queue }]
    })
    .sort((one, other) => rank(one.kind) - rank(other.kind) || waiting(other) - waiting(one))
  if (sick.length === 0) return found.sort(byLevel)
  const queues = { store: open.store, queues: open.settings.partitions }
  const [now, unheard] = await Promise.all([open.store.now(), unheardWorkers(queues)])
  const looking = { open, queues, workers: status.workers, unheard, now }
  const all: Incident[] = []
  for (const [i, { kind, queue }] of sick.entries())
    all.push(i < MOST ? await looked(looking, kind, queue) : plain(kind, queue))
  return [...found, ...all].sort(byLevel)
}

function byLevel(one: Incident, other: Incident): number {
  return one.level.localeCompare(other.level)
}

function rank(kind: IncidentKind): number {
  return incidentKinds.indexOf(kind)
}

function waiting({ queue }: { queue: QueueStatus }): number {
  return queue.counts.waiting
}

/** Reads from the status of a queue which kind of incident the queue has. Undefined if the queue has none. */
export function kindOf(queue: QueueStatus): IncidentKind | undefined {
  const { counts, damaged, stranded, paused, oldest = 0, pace, workers, lastMinute, lastFiveMinutes } = queue
  if (damaged.length > 0) return 'damaged'
  const waits = counts.waiting > 0 && oldest > STILL
  if (paused) return waits ? 'paused' : undefined
  const ended = lastMinute.completed + lastMinute.failed + lastMinute.retried
  if (stranded !== undefined && oldest > STILL) return 'stranded'
  if (waits && (workers === 0 || pace === 'still' || (counts.active === 0 && ended === 0))) return 'still'
  if (pace === 'late') return 'late'
  const { completed, failed, retried } = lastFiveMinutes
  if (failed > 0 && failingWords(lastFiveMinutes, queue.lastHour).howMany !== 'few') return 'failing'
  const bad = failed + retried
  return bad >= LEAST && bad >= (completed + bad) * SHARE ? 'retrying' : undefined
}

/** An incident with only the data that the status contains. */
function plain(kind: IncidentKind, status: QueueStatus): QueueIncident {
  const { queue, counts, lastFiveMinutes, lastHour, workers, target, oldest } = status
  const { completed, failed, retried } = lastFiveMinutes
  const isMost = failingWords(lastFiveMinutes, lastHour).howMany === 'most'
  const isError =
    ['damaged', 'stranded', 'late'].includes(kind) ||
    (kind === 'still' && workers === 0) ||
    (kind === 'failing' && isMost)
  const level = isError ? 'error' : 'warning'
  const of = completed + failed + retried
  const base = { kind, level, queue } as const
  if (kind === 'failing') return { ...base, jobs: failed, of, action: { do: 'see-failures', queue } }
  if (kind === 'retrying')
    return { ...base, jobs: failed + retried, of, action: { do: 'see-retrying', queue } }
  const action: Remedy =
    kind === 'damaged'
      ? { do: 'see-doctor' }
      : kind === 'paused'
        ? { do: 'resume', queue }
        : { do: 'see-queue', queue }
  const jobs = kind === 'stranded' ? (status.stranded?.count ?? 0) : counts.waiting
  return { ...base, jobs, action, ...(kind === 'late' && defined({ target, oldest })) }
}

interface Looking {
  open: OpenFlows
  queues: OpenQueues
  workers: readonly WorkerRecord[]
  unheard: UnheardWorkers
  now: number
}

async function looked(looking: Looking, kind: IncidentKind, queue: QueueStatus): Promise<QueueIncident> {
  const incident = plain(kind, queue)
  if (kind === 'damaged') return incident
  const fails = kind === 'failing' || kind === 'retrying'
  const found = fails
    ? await failingIncident(looking, incident, queue)
    : await waitingIncident(looking, incident, queue)
  const since = found.since
  if (since === undefined || kind === 'paused') return found
  const release = await releaseBefore(looking, queue.queue, since)
  const died = fails ? undefined : diedSince(looking, queue.queue, since)
  return { ...found, ...defined({ release, died }) }
}

/** For an incident whose jobs wait: adds the reason why the jobs wait, and since when they wait. */
async function waitingIncident(
  looking: Looking,
  incident: QueueIncident,
  queue: QueueStatus,
): Promise<QueueIncident> {
  const { open, workers, unheard, now } = looking
  const { kind, level } = incident
  const next = kind === 'paused' ? undefined : await whyNext(open, queue)
  const because = next?.reasons.find(({ kind }) => kind !== 'next' && kind !== 'behind')
  const blocking = [...workers, ...unheard.silent].find(
    ({ queues, blocks }) => blocks !== undefined && queues.includes(queue.queue),
  )
  const blocks = blocking?.blocks
  const isLasting = because !== undefined && lasting.includes(because.kind)
  return {
    ...incident,
    level: kind === 'still' && isLasting ? 'error' : level,
    ...defined({ since: await waitingSince(looking, kind, queue), because }),
    ...(kind !== 'paused' &&
      blocks !== undefined && {
        blocked: { worker: blocking!.id, by: blocks.by, since: Math.min(blocks.since, now) },
      }),
    ...(kind === 'paused' && { pause: pauseOf(queue) }),
    action: actionOf(incident, because?.kind, because?.remedy, blocking?.id),
  }
}

function pauseOf({ pausedBy, pausedAt, pausedBecause, pausedUntil }: QueueStatus) {
  return defined({ by: pausedBy, at: pausedAt, because: pausedBecause, until: pausedUntil })
}

/**
 * The first thing to do. If all slots are in use and jobs end, more workers help. If no job ends, a person
 * must look at the jobs that run.
 */
function actionOf(
  { kind, queue, action }: QueueIncident,
  because: ReasonKind | undefined,
  remedy: Remedy | undefined,
  blocked: string | undefined,
): Remedy {
  if (kind === 'paused') return action
  if (blocked !== undefined) return { do: 'restart-worker', worker: blocked }
  if (because === 'busy-workers')
    return kind === 'late' ? { do: 'start-worker', queue } : { do: 'see-active', queue }
  return remedy ?? action
}

async function waitingSince(
  { open, queues, now }: Looking,
  kind: IncidentKind,
  queue: QueueStatus,
): Promise<number | undefined> {
  const { oldest = 0, target, stranded, pausedAt } = queue
  if (kind === 'stranded') return stranded?.since
  if (kind === 'paused' && pausedAt !== undefined) return pausedAt
  const due = now - oldest
  if (kind === 'late' && target !== undefined) {
    const kept = (unit: 'minutes' | 'hours' | 'days') => ({
      ...reaches[unit],
      steps: async () => (await runTimes(queues, { queue: queue.queue, unit })).steps,
    })
    const units = [kept('minutes'), kept('hours'), kept('days')]
    const began = await beganIn(units, now, ({ wait: { p95 } }) => (p95 === undefined ? p95 : p95 > target))
    return Math.min(began ?? Number.POSITIVE_INFINITY, due + target)
  }
  const ended = await lastRunEnded(open, queue, await historyOf(open.store, queue))
  return Math.max(due, ended ?? 0)
}

/** For an incident whose jobs fail: adds since when the jobs fail, and the most frequent kind of failure. */
async function failingIncident(
  { open, now }: Looking,
  incident: QueueIncident,
  queue: QueueStatus,
): Promise<QueueIncident> {
  const isFailing = incident.kind === 'failing'
  const history = await historyOf(open.store, queue)
  const isBad = ({ completed, failed, retried }: EndedWithin) => {
    const bad = isFailing ? failed : failed + retried
    const all = isFailing ? completed + failed : completed + bad
    return all === 0 ? undefined : bad >= all * (isFailing ? MANY : SHARE)
  }
  const kept = (unit: 'minutes' | 'hours' | 'days') => ({ ...reaches[unit], steps: () => history[unit] })
  const began = await beganIn([kept('minutes'), kept('hours'), kept('days')], now, isBad)
  const from = began ?? now - 5 * MINUTE
  const most = await mostFailures(open.store, queue, isFailing ? 'failed' : 'delayed', from)
  return { ...incident, since: most?.first ?? from, ...defined({ failure: most?.failure }) }
}

/** The last release that workers began to run before an incident, or within its first minutes. */
async function releaseBefore(
  { queues, workers, now }: Looking,
  queue: string,
  since: number,
): Promise<QueueIncident['release']> {
  const from = since - BEFORE
  // A history does not list a release that began within its first step, so several histories are asked.
  const units = [...new Set([unitSince(since, now), unitSince(from, now)])]
  const kept = await Promise.all(units.map((unit) => runTimes(queues, { unit })))
  // A history knows only the end of the minute or hour in which a release was first seen. The workers of the
  // release know when they started.
  const began = (name: string, at: number) =>
    Math.min(at, ...workers.flatMap((each) => (each.release === name ? each.startedAt : [])))
  const changes = kept
    .flatMap(({ releases }) => releases)
    .map(({ name, at }) => ({ name, at: began(name, at) }))
    .filter(({ at }) => at >= from && at <= since + MINUTE)
  const serving = new Set(
    workers.flatMap(({ release, queues }) =>
      queues.includes(queue) && release !== undefined ? release : [],
    ),
  )
  const own = changes.filter(({ name }) => serving.has(name))
  return (own.length > 0 ? own : changes).sort((one, other) => other.at - one.at)[0]
}

/** The workers of a queue that have died since a minute before an incident. */
function diedSince(
  { unheard: { lost } }: Looking,
  queue: string,
  since: number,
): QueueIncident['died'] | undefined {
  const dead = lost.filter(({ queues, endedAt }) => queues.includes(queue) && endedAt > since - MINUTE)
  const [last] = dead
  if (last === undefined) return undefined
  return {
    count: dead.length,
    worker: last.id,
    host: last.host,
    at: last.seenAt === undefined ? last.endedAt : Math.min(last.seenAt, last.endedAt),
  }
}
