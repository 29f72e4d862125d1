/**
 * All that a viewer can see and do: the one table of the server. What is not in it cannot be done, and each entry says who
 * may. An action that looks is a GET of `api/NAME`, one that changes something a POST.
 */
import type {
  AuditOptions,
  CancelFilter,
  FailureFilter,
  FlowFilter,
  FlowNamed,
  ListFilter,
  PauseOptions,
  PauseTarget,
  PendingFilter,
  RemoveFilter,
  RetryFilter,
  RunFilter,
  ScheduleFilter,
  WorkerFilter,
} from '@s18i/lark-jobs/operate'
import { scheduleWords } from '@s18i/lark-jobs/operate'
import { type Act, change, countOf, look, refused, textOf } from './act.ts'
import { allowed, type ChosenJobs, chosen } from './chosen.ts'
import { type DispatchInput, dispatchJob } from './dispatch-job.ts'
import { cancelJobs, editJob, purgeJobs, removeJobs, retryJobs, runJobsNow } from './job-changes.ts'
import { type Range, ranges } from './past.ts'
import { type PatchInput, patchAndRetry } from './patched-retry.ts'
import { pauseQueue, pauseSchedule, resumeQueue, resumeSchedule } from './pauses.ts'
import { shownEntry, shownJob, shownValue } from './shown-value.ts'
import type { GoesOn, Meanwhile } from './underway.ts'
import { orderWorkers, restartWorkers } from './worker-orders.ts'

/** The most rows of a page. */
const MOST_ROWS = 200
/** The most failed members of a batch that are shown. */
const MOST_FAILURES = 200

interface Paged {
  cursor?: string
  limit?: number
}

interface Named {
  id: string
  queue?: string
}

interface PastInput {
  range: Range
  /** Default: all queues together. */
  queue?: string
}

/** @throws INPUT_INVALID */
function pastOf(input: PastInput): [range: Range, queue: string | undefined] {
  const { range, queue } = input
  if (!Object.hasOwn(ranges, range)) throw refused('range', range, Object.keys(ranges).join(', '))
  return [range, queue === undefined ? undefined : textOf(input, 'queue')]
}

const page = (input: Paged) => ({
  limit: countOf(input, 'limit', MOST_ROWS),
  ...(input.cursor !== undefined && { cursor: textOf(input, 'cursor') }),
})

/** The queue of something with an id, if it was given. */
const within = (input: Named) => (input.queue === undefined ? {} : { queue: textOf(input, 'queue') })

/** Makes a change that may take longer than one answer. */
const long = <T>({ underway, viewer }: Act, act: (meanwhile: Meanwhile) => Promise<T>) =>
  underway.run(viewer.user, act)

/** When a schedule ticks, as a sentence. */
const wordsOf = ({ when, timezone }: { when: string; timezone?: string }) => scheduleWords(when, timezone)

export const actions = {
  me: look(async ({ viewer }) => viewer),
  snapshot: look(async ({ live }) => live.now()),
  keys: look(({ operate }) => operate.keys()),
  ended: look(({ past }, input: PastInput) => past.ended(...pastOf(input))),
  times: look(({ past }, input: PastInput) => past.times(...pastOf(input))),
  marks: look(({ past }, input: PastInput) => past.marks(...pastOf(input))),
  trends: look(({ past }) => past.trends()),
  classes: look(({ operate }) => operate.classes()),
  dispatch: change('operate', (act, input: DispatchInput) => dispatchJob(act, input)),

  'jobs.list': look(
    async ({ operate, viewer }, input: Paged & { filter?: ListFilter; order?: 'newest' | 'oldest' }) => {
      const { filter = {}, order } = input
      const options = { ...page(input), ...(order !== undefined && { order }) }
      const { jobs, ...rest } = await operate.list(allowed(viewer, filter), options)
      return { ...rest, jobs: jobs.map((job) => shownJob(job, viewer)) }
    },
  ),
  'jobs.find': look(async ({ operate, viewer }, input: Named) => {
    const job = await operate.find(textOf(input, 'id'), within(input))
    return job === undefined ? null : shownJob(job, viewer)
  }),
  'jobs.why': look(async ({ operate }, input: Named) => {
    return (await operate.why(textOf(input, 'id'), within(input))) ?? null
  }),
  'jobs.flow': look(async ({ operate }, input: Named) => {
    return (await operate.flows.ofJob(textOf(input, 'id'))) ?? null
  }),
  'jobs.retry': change('operate', (act, input: ChosenJobs<RetryFilter> & { dryRun?: boolean }) => {
    const which = chosen(act.viewer, input)
    return long(act, (meanwhile) => retryJobs(act, which, { ...input, meanwhile }))
  }),
  'jobs.cancel': change(
    'operate',
    (act, input: ChosenJobs<CancelFilter> & { dryRun?: boolean; because?: string }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => cancelJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.run-now': change('operate', (act, input: ChosenJobs<PendingFilter> & { dryRun?: boolean }) => {
    const which = chosen(act.viewer, input)
    return long(act, (meanwhile) => runJobsNow(act, which, { ...input, meanwhile }))
  }),
  'jobs.remove': change('admin', (act, input: ChosenJobs<RemoveFilter> & { dryRun?: boolean }) => {
    const which = chosen(act.viewer, input)
    return long(act, (meanwhile) => removeJobs(act, which, { ...input, meanwhile }))
  }),
  'jobs.purge': change('admin', (act, input: ChosenJobs<RemoveFilter> & { dryRun?: boolean }) => {
    const which = chosen(act.viewer, input)
    return long(act, (meanwhile) => purgeJobs(act, which, { ...input, meanwhile }))
  }),
  'jobs.edit': change('admin', (act, input: Named & { payload: string }) => editJob(act, input)),

  runs: look(({ operate }, input: Paged & { filter?: RunFilter }) => {
    return operate.runs(input.filter ?? {}, page(input))
  }),
  groups: look(({ operate }, input: Paged & { queue: string }) => {
    return operate.groups({ queue: textOf(input, 'queue') }, page(input))
  }),
  failures: look(({ failing, viewer }, input: { filter?: FailureFilter }) => {
    return failing.look(allowed(viewer, input.filter ?? {}))
  }),
  'failures.patch': change('admin', (act, input: PatchInput) =>
    long(act, (meanwhile) => patchAndRetry(act, input, meanwhile)),
  ),
  'queues.pause': change('operate', (act, input: PauseOptions) => pauseQueue(act, input)),
  'queues.resume': change('operate', (act, input: PauseTarget) => resumeQueue(act, input)),

  'flows.list': look(({ operate }, input: Paged & { filter?: FlowFilter }) => {
    return operate.flows.list(input.filter ?? {}, page(input))
  }),
  'flows.get': look(async ({ operate, viewer }, input: { flow: FlowNamed }) => {
    const flow = await operate.flows.get(input.flow, { failures: MOST_FAILURES })
    if (flow === undefined) return null
    const { nodes = [], ...rest } = flow
    return {
      ...rest,
      nodes: nodes.map(({ result, ...node }) => ({
        ...node,
        ...(viewer.payloads && result !== undefined && { result: shownValue(result) }),
      })),
    }
  }),
  'flows.cancel': change('operate', ({ operate }, input: { flow: FlowNamed; because?: string }) => {
    return operate.flows.cancel(input.flow, input.because === undefined ? {} : { because: input.because })
  }),
  'flows.retry': change('operate', ({ operate }, input: { flow: FlowNamed }) =>
    operate.flows.retry(input.flow),
  ),

  'schedules.list': look(async ({ operate }, input: { filter?: ScheduleFilter }) => {
    const all = await operate.schedules.list(input.filter ?? {})
    return all.map(({ payload: _, ...schedule }) => ({ ...schedule, words: wordsOf(schedule) }))
  }),
  'schedules.get': look(async ({ operate, viewer }, input: Named) => {
    const found = await operate.schedules.get(textOf(input, 'id'), { following: 10 })
    if (found === undefined) return null
    const { payload, ...schedule } = found
    const value = viewer.payloads && payload !== undefined ? { payload: shownValue(payload) } : {}
    return { ...schedule, words: wordsOf(schedule), ...value }
  }),
  'schedules.pause': change('operate', (act, input: Named & { because?: string }) =>
    pauseSchedule(act, input),
  ),
  'schedules.resume': change('operate', (act, input: Named) => resumeSchedule(act, input)),
  'schedules.run-now': change('operate', ({ operate }, input: Named) => {
    return operate.schedules.runNow(textOf(input, 'id'))
  }),
  'schedules.remove': change('admin', ({ operate }, input: Named) =>
    operate.schedules.remove(textOf(input, 'id')),
  ),

  limiters: look(({ operate }) => operate.limiters()),
  circuits: look(({ operate }) => operate.circuits()),
  doctor: look(({ operate }) => operate.doctor()),
  audit: look(
    async ({ operate, viewer }, input: Paged & { filter?: Omit<AuditOptions, 'limit' | 'cursor'> }) => {
      const { entries, ...rest } = await operate.audit({ ...input.filter, ...page(input) })
      return { ...rest, entries: entries.map((entry) => shownEntry(entry, viewer)) }
    },
  ),
  troubles: look(({ operate, troubles }) => troubles.now(operate)),

  'workers.quiet': change('operate', (act, input: WorkerFilter) => orderWorkers(act, 'quiet', input)),
  'workers.resume': change('operate', (act, input: WorkerFilter) => orderWorkers(act, 'resume', input)),
  // It cannot be taken back, and if what starts them again fails, nothing runs any more.
  'workers.restart': change('admin', (act, input: WorkerFilter) => restartWorkers(act, input)),

  underway: look(async ({ underway, viewer }, input: { underway: string }) => {
    return underway.progress(viewer.user, textOf(input, 'underway'))
  }),
  'underway.end': change('operate', async ({ underway, viewer }, input: { underway: string }) => {
    return underway.end(viewer.user, textOf(input, 'underway'))
  }),
  undo: change('operate', async ({ undos, viewer }, input: { undo: string }) => {
    return undos.undo(viewer.user, textOf(input, 'undo'))
  }),
}

export type ActionName = keyof typeof actions

/** What each action takes and returns, for the browser. */
export type Actions = {
  [Name in ActionName]: {
    input: Parameters<(typeof actions)[Name]['run']>[1]
    /** In the end, if the change goes on when it is answered. */
    output: Exclude<Awaited<ReturnType<(typeof actions)[Name]['run']>>, GoesOn>
  }
}

/** @throws INPUT_INVALID */
export function inputOf(value: unknown): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw refused('the input', value, 'an object')
}
