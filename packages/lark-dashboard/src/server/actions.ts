/**
 * The table of all actions, that is, of everything that a viewer can see and do. Each entry says who may call
 * the action. A request for an action that only reads is a GET of `api/NAME`. A request for an action that
 * changes something is a POST.
 */
import { defined } from '@s18i/lark/internal'
import type {
  AuditOptions,
  CancelFilter,
  FailureFilter,
  FlowFilter,
  FlowIdOrRef,
  ListFilter,
  LostWorker,
  PauseOptions,
  PauseTarget,
  PendingFilter,
  RemoveFilter,
  RetryFilter,
  RunFilter,
  ScheduleFilter,
  WorkerFilter,
} from '@s18i/lark-jobs/operate'
import { pacedKinds, scheduleWords } from '@s18i/lark-jobs/operate'
import { type Act, change, look } from './action.ts'
import { allowed, type ChosenJobs, chosen, MOST_IDS } from './change/chosen.ts'
import { type DispatchInput, dispatchJob } from './change/dispatch-job.ts'
import {
  cancelJobs,
  editJob,
  moveJobs,
  purgeJobs,
  removeJobs,
  retryJobs,
  runJobsNow,
} from './change/job-changes.ts'
import { beginPaced, type HaltInput, type PaceInput, pausePaced, resumePaced } from './change/paced.ts'
import { type PatchInput, patchAndRetry } from './change/patched-retry.ts'
import { pauseQueue, pauseSchedule, resumeQueue, resumeSchedule } from './change/pauses.ts'
import { type SignalInput, sendSignal } from './change/steps.ts'
import type { GoesOn, Meanwhile } from './change/underway.ts'
import { orderWorkers, restartWorkers } from './change/worker-orders.ts'
import {
  type Field,
  flag,
  number,
  object,
  oneOf,
  optional,
  refused,
  type Shape,
  text,
  textOrNumber,
  texts,
  upTo,
} from './guard/input.ts'
import { foundGroups, type GroupOrder, groupOrders } from './look/groups.ts'
import { inCommon } from './look/in-common.ts'
import { type PastOf, type Range, ranges } from './look/past.ts'
import { shownEntry, shownJob, shownSchedule, shownValue, wholeValue } from './look/shown-to-viewer.ts'

/** The maximum number of rows of a page. */
const MOST_ROWS = 200
/** The maximum number of groups of a queue that are shown. */
const MOST_GROUPS = 2_000
/** The maximum number of tags of a job. */
const MOST_TAGS = 10
/** The maximum number of failed members of a batch that are shown. */
const MOST_FAILURES = 200

interface Paged {
  cursor?: string
  limit?: number
}

interface Named {
  id: string
  queue?: string
}

interface PastInput extends PastOf {
  range: Range
}

const named: Shape<Named> = { id: text, queue: optional(text) }
const past: Shape<PastInput> = {
  range: oneOf(Object.keys(ranges)),
  queue: optional(text),
  key: optional(text),
}
const paged: Shape<Paged> = { cursor: optional(text), limit: optional(upTo(MOST_ROWS)) }
const filtered = { ...paged, filter: optional(object) }
const chosenJobs = { ids: optional(texts(MOST_IDS)), queue: optional(text), filter: optional(object) }
const changedJobs = { ...chosenJobs, dryRun: optional(flag) }
const because = optional(text)
const pauseTarget: Shape<PauseTarget> = {
  queue: text,
  group: optional(textOrNumber),
  groupHash: optional(text),
}
const workers: Shape<WorkerFilter> = {
  queue: optional(text),
  worker: optional(text),
  host: optional(text),
  all: optional(flag),
}
/** The input of a flow: its id, or its id and the partition that keeps it (`home`). */
const flow: Field = {
  right: 'the id of a flow, or an object with its id and its home',
  isRight: (value) => text.isRight(value) || object.isRight(value),
}

const page = ({ limit = MOST_ROWS, cursor }: Paged) => ({ limit, ...defined({ cursor }) })

/** The option `queue` of a call, if the input names a queue. */
const within = ({ queue }: Named) => (queue === undefined ? {} : { queue })

/** Makes a change that may take longer than the request waits for its answer. */
const long = <T>({ underway, viewer }: Act, act: (meanwhile: Meanwhile) => Promise<T>) =>
  underway.run(viewer.user, act)

/** Says in a sentence when a schedule ticks. */
const wordsOf = ({ when, timezone }: { when: string; timezone?: string }) => scheduleWords(when, timezone)

export const actions = {
  me: look({}, async ({ viewer, operate }) => ({
    ...viewer,
    hasOutbox: await operate.outbox.isConfigured(),
  })),
  snapshot: look({}, async ({ live }) => live.now()),
  keys: look({}, ({ operate }) => operate.keys()),
  ended: look(past, (act, { range, ...of }: PastInput) => act.past.ended(range, of)),
  times: look(past, (act, { range, ...of }: PastInput) => act.past.times(range, of)),
  marks: look(past, (act, { range, ...of }: PastInput) => act.past.marks(range, of)),
  trends: look({}, ({ past }) => past.trends()),
  classes: look({}, ({ operate }) => operate.classes()),
  'classes.ran': look({}, ({ past }) => past.classes()),
  'classes.get': look({ key: text }, async ({ past }, { key }: { key: string }) => {
    return (await past.jobClass(key)) ?? null
  }),
  dispatch: change(
    'operate',
    {
      key: text,
      payload: optional(text),
      queue: optional(text),
      delay: optional(text),
      priority: optional(number),
      tags: optional(texts(MOST_TAGS)),
      id: optional(text),
    },
    (act, input: DispatchInput) => dispatchJob(act, input),
  ),

  'jobs.list': look(
    { ...filtered, order: optional(oneOf(['newest', 'oldest'])) },
    async ({ operate, viewer }, input: Paged & { filter?: ListFilter; order?: 'newest' | 'oldest' }) => {
      const { filter = {}, order } = input
      const options = { ...page(input), ...defined({ order }) }
      const { jobs, ...rest } = await operate.list(allowed(viewer, filter), options)
      return { ...rest, jobs: jobs.map((job) => shownJob(job, viewer)) }
    },
  ),
  'jobs.suggest': look({ text }, async ({ suggesting, live, viewer }, input: { text: string }) => {
    const pulse = await live.now()
    const queues = pulse.kind === 'snapshot' ? pulse.snapshot.queues.map(({ queue }) => queue) : []
    return suggesting.of(input.text, queues, viewer.payloads)
  }),
  'jobs.find': look(named, async ({ operate, viewer }, input: Named) => {
    const job = await operate.find(input.id, within(input))
    return job === undefined ? null : shownJob(job, viewer)
  }),
  'jobs.value': look(
    { ...named, of: oneOf(['payload', 'result', 'progress']) },
    async ({ operate, viewer }, input: Named & { of: 'payload' | 'result' | 'progress' }) => {
      return wholeValue(await operate.find(input.id, within(input)), input.of, viewer)
    },
  ),
  'jobs.why': look(named, async ({ operate }, input: Named) => {
    return (await operate.why(input.id, within(input))) ?? null
  }),
  'jobs.flow': look(named, async ({ operate }, input: Named) => {
    return (await operate.flows.ofJob(input.id)) ?? null
  }),
  'jobs.steps': look(named, async ({ operate }, input: Named) => {
    return (await operate.steps.list(input.id, within(input))) ?? null
  }),
  'jobs.send': change(
    'operate',
    { ...named, signal: text, value: optional(text) },
    (act, input: SignalInput) => sendSignal(act, input),
  ),
  'jobs.forget': change(
    'operate',
    { ...named, names: texts(MOST_IDS) },
    ({ operate }, input: Named & { names: string[] }) =>
      operate.steps.forget(input.id, input.names, within(input)),
  ),
  'jobs.retry': change(
    'operate',
    changedJobs,
    (act, input: ChosenJobs<RetryFilter> & { dryRun?: boolean }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => retryJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.cancel': change(
    'operate',
    { ...changedJobs, because },
    (act, input: ChosenJobs<CancelFilter> & { dryRun?: boolean; because?: string }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => cancelJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.run-now': change(
    'operate',
    changedJobs,
    (act, input: ChosenJobs<PendingFilter> & { dryRun?: boolean }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => runJobsNow(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.move': change(
    'operate',
    { ...changedJobs, to: text },
    (act, input: ChosenJobs<PendingFilter> & { to: string; dryRun?: boolean }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => moveJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.remove': change(
    'admin',
    changedJobs,
    (act, input: ChosenJobs<RemoveFilter> & { dryRun?: boolean }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => removeJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.purge': change(
    'admin',
    changedJobs,
    (act, input: ChosenJobs<RemoveFilter> & { dryRun?: boolean }) => {
      const which = chosen(act.viewer, input)
      return long(act, (meanwhile) => purgeJobs(act, which, { ...input, meanwhile }))
    },
  ),
  'jobs.edit': change('admin', { ...named, payload: text }, (act, input: Named & { payload: string }) =>
    editJob(act, input),
  ),

  'changes.list': look({}, ({ operate }) => operate.changes.list()),
  'changes.begin': change(
    'operate',
    {
      change: oneOf(pacedKinds),
      filter: object,
      limit: number,
      per: optional(text),
      maxFailed: optional(text),
      to: optional(text),
      dryRun: optional(flag),
    },
    (act, input: PaceInput) => long(act, (meanwhile) => beginPaced(act, input, meanwhile)),
  ),
  'changes.pause': change('operate', { id: text, because }, (act, input: HaltInput) =>
    pausePaced(act, input),
  ),
  'changes.resume': change('operate', { id: text }, (act, input: { id: string }) => resumePaced(act, input)),
  'changes.stop': change('operate', { id: text, because }, ({ operate }, input: HaltInput) =>
    operate.changes.stop(input.id, defined({ because: input.because })),
  ),

  runs: look(filtered, ({ operate }, input: Paged & { filter?: RunFilter }) => {
    return operate.runs(input.filter ?? {}, page(input))
  }),
  groups: look(
    {
      ...{ queue: text, name: optional(text), limit: optional(upTo(MOST_GROUPS)) },
      order: optional(oneOf(groupOrders)),
    },
    ({ operate }, input: { queue: string; name?: string; order?: GroupOrder; limit?: number }) => {
      const { queue, name, order = 'state', limit = MOST_ROWS } = input
      return foundGroups(operate, { queue, ...defined({ name }) }, order, limit)
    },
  ),
  failures: look({ filter: optional(object) }, ({ failing, viewer }, input: { filter?: FailureFilter }) => {
    return failing.look(allowed(viewer, input.filter ?? {}))
  }),
  'failures.common': look(
    { filter: object },
    async ({ operate, viewer }, { filter }: { filter: FailureFilter & { kind: string } }) => {
      if (!text.isRight(filter.kind)) throw refused('filter.kind', filter.kind, text.right)
      return viewer.payloads ? inCommon(operate, allowed(viewer, filter)) : null
    },
  ),
  'failures.patch': change(
    'admin',
    { filter: object, patch: text, dryRun: optional(flag) },
    (act, input: PatchInput) => long(act, (meanwhile) => patchAndRetry(act, input, meanwhile)),
  ),
  'queues.pause': change(
    'operate',
    { ...pauseTarget, for: optional(textOrNumber), because },
    (act, input: PauseOptions) => pauseQueue(act, input),
  ),
  'queues.incidents': look({ queue: text }, ({ operate, troubles }, { queue }: { queue: string }) => {
    return troubles.ofQueue(operate, queue)
  }),
  'queues.next': look({ queue: text }, async ({ operate }, { queue }: { queue: string }) => {
    return (await operate.whyNext(queue)) ?? null
  }),
  'queues.resume': change('operate', pauseTarget, (act, input: PauseTarget) => resumeQueue(act, input)),

  'flows.list': look(filtered, ({ operate }, input: Paged & { filter?: FlowFilter }) => {
    return operate.flows.list(input.filter ?? {}, page(input))
  }),
  'flows.get': look({ flow }, async ({ operate, viewer }, input: { flow: FlowIdOrRef }) => {
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
  'flows.cancel': change(
    'operate',
    { flow, because },
    ({ operate }, input: { flow: FlowIdOrRef; because?: string }) => {
      return operate.flows.cancel(input.flow, input.because === undefined ? {} : { because: input.because })
    },
  ),
  'flows.retry': change(
    'operate',
    { flow, within: optional(number) },
    ({ operate }, input: { flow: FlowIdOrRef; within?: number }) =>
      operate.flows.retry(input.flow, input.within === undefined ? {} : { within: input.within }),
  ),

  'schedules.list': look(
    { filter: optional(object) },
    async ({ operate }, input: { filter?: ScheduleFilter }) => {
      const all = await operate.schedules.list(input.filter ?? {})
      return all.map(({ payload: _, ...schedule }) => ({ ...schedule, words: wordsOf(schedule) }))
    },
  ),
  'schedules.get': look(named, async ({ operate, viewer }, input: Named) => {
    const found = await operate.schedules.get(input.id, { following: 10 })
    if (found === undefined) return null
    return { ...shownSchedule(found, viewer), words: wordsOf(found) }
  }),
  'schedules.pause': change('operate', { ...named, because }, (act, input: Named & { because?: string }) =>
    pauseSchedule(act, input),
  ),
  'schedules.resume': change('operate', named, (act, input: Named) => resumeSchedule(act, input)),
  'schedules.run-now': change('operate', named, ({ operate }, input: Named) => {
    return operate.schedules.runNow(input.id)
  }),
  'schedules.remove': change('admin', named, ({ operate }, input: Named) =>
    operate.schedules.remove(input.id),
  ),

  limiters: look({}, ({ operate }) => operate.limiters()),
  circuits: look({}, ({ operate }) => operate.circuits()),
  doctor: look({}, ({ operate }) => operate.doctor()),
  outbox: look({ ...paged, bad: optional(flag) }, async ({ operate }, input: Paged & { bad?: boolean }) => {
    const { outbox } = operate
    if (!(await outbox.isConfigured())) return null
    const { limit, cursor } = page(input)
    const rows = await outbox.list({ limit, ...defined({ bad: input.bad, after: cursor }) })
    const next = rows.length < limit ? undefined : rows.at(-1)?.place
    return { ...(await outbox.backlog()), rows, ...defined({ cursor: next }) }
  }),
  'outbox.retry': change(
    'operate',
    { ids: optional(texts(MOST_IDS)) },
    ({ operate }, input: { ids?: string[] }) => operate.outbox.retry(input.ids),
  ),
  audit: look(
    filtered,
    async ({ operate, viewer }, input: Paged & { filter?: Omit<AuditOptions, 'limit' | 'cursor'> }) => {
      const { entries, ...rest } = await operate.audit({ ...input.filter, ...page(input) })
      return { ...rest, entries: entries.map((entry) => shownEntry(entry, viewer)) }
    },
  ),
  troubles: look({}, ({ operate, troubles }) => troubles.now(operate)),

  'workers.unheard': look({}, async ({ operate }) => {
    const { lost, silent, deadly } = await operate.workers.unheard()
    const known = ({ id, host, pid, seenAt, endedAt }: Omit<LostWorker, 'taken'>) => ({
      ...{ id, host, pid },
      lastSeen: seenAt ?? endedAt,
    })
    return {
      lost: lost.map((worker) => ({ ...known(worker), taken: worker.taken })),
      silent: silent.map((worker) => ({
        ...known(worker),
        job: worker.job.id,
        ...(worker.blocks && { blocks: worker.blocks }),
      })),
      deadly,
    }
  }),
  'workers.quiet': change('operate', workers, (act, input: WorkerFilter) =>
    orderWorkers(act, 'quiet', input),
  ),
  'workers.resume': change('operate', workers, (act, input: WorkerFilter) =>
    orderWorkers(act, 'resume', input),
  ),
  // Only admins may restart workers: a restart cannot be undone, and if the workers do not come back, no job
  // runs any more.
  'workers.restart': change('admin', workers, (act, input: WorkerFilter) => restartWorkers(act, input)),

  underway: look({ underway: text }, async ({ underway, viewer }, input: { underway: string }) => {
    return underway.progress(viewer.user, input.underway)
  }),
  'underway.end': change(
    'operate',
    { underway: text },
    async ({ underway, viewer }, input: { underway: string }) => {
      return underway.end(viewer.user, input.underway)
    },
  ),
  undo: change('operate', { undo: text }, (act, input: { undo: string }) =>
    long(act, () => act.undos.undo(act.viewer.user, input.undo)),
  ),
}

export type ActionName = keyof typeof actions

/** The input and the output of each action, for the browser. */
export type Actions = {
  [Name in ActionName]: {
    input: Parameters<(typeof actions)[Name]['run']>[1]
    /** The final answer, also of a change that was still going on when its request was answered. */
    output: Exclude<Awaited<ReturnType<(typeof actions)[Name]['run']>>, GoesOn>
  }
}
