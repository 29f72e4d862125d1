/**
 * What people do to the jobs in a store, for commands, dashboards and scripts.
 *
 * @module @s18i/lark-jobs/operate
 */
import { Jobs } from './api/default-jobs.ts'
import { formOf } from './model/secret.ts'
import { type Actor, checkActor } from './operate/actor.ts'
import { Operate } from './operate/operate.ts'
import { open } from './operate/operations.ts'
import { refuse, voiceOf } from './options/schema.ts'

export type {
  ConfiguredDashboard,
  DashboardAuthorize,
  DashboardRequest,
  DashboardViewer,
} from './config/dashboard.ts'
export { type Audited, audited } from './model/audited.ts'
export { type EventKind, eventKinds } from './model/event.ts'
export type { Limits } from './model/limits.ts'
export type { Rate, RateKind } from './model/rate.ts'
export type {
  JobError,
  JobRecord,
  KeptError,
  LogLevel,
  LogLine,
  State,
  WorkerRecord,
  WorkerState,
} from './model/record.ts'
export type { ScheduleRun, ScheduleTick } from './model/tick.ts'
export type { Missed, Overlap } from './model/timing.ts'
export { type Actor, type ActorOrigin, actorOrigins } from './operate/actor.ts'
export type { AuditEntry, AuditOptions, AuditPage } from './operate/audit.ts'
export type { BullmqOptions } from './operate/bullmq/bullmq-import.ts'
export type {
  BullmqImport,
  BullmqMistake,
  BullmqNote,
  BullmqQueueReport,
  BullmqReason,
} from './operate/bullmq/report.ts'
export {
  type CancelFilter,
  type Cancellable,
  type Cancelled,
  type CancelOptions,
  cancellable,
} from './operate/cancel.ts'
export type { ClassInfo } from './operate/classes.ts'
export type { HandDispatch } from './operate/dispatch.ts'
export { type Editable, type Edited, type EditFilter, editable } from './operate/edit.ts'
export type {
  BookedFailures,
  BookFilter,
  BookKind,
  BookOptions,
  FailureBook,
} from './operate/failure-book.ts'
export type { FailureFilter, FailureKind, FailureOptions, Failures } from './operate/failures.ts'
export type { FigureFilter, Quantiles, QueueMeasures, StoreFigures } from './operate/figures.ts'
export type { ChangeOptions, JobConditions, JobFilter } from './operate/filter.ts'
export { type DoctorFinding, type FindingCode, type FindingLevel, findingCodes } from './operate/finding.ts'
export type { CancelFlowOptions, PurgeFlowOptions, RetryFlowOptions } from './operate/flow-changes.ts'
export type {
  FindFlowOptions,
  FlowNamed,
  FlowOfJob,
  GetFlowOptions,
} from './operate/flow-finding.ts'
export {
  type FlowCounts,
  type FlowInfo,
  type FlowInfoState,
  flowKinds,
  flowStates,
} from './operate/flow-info.ts'
export type { DamagedFlow, FlowFilter, FlowListOptions, FlowPage } from './operate/flow-list.ts'
export type { FlowFailure, FlowNodeInfo, FlowNodeState, FlowRef } from './operate/flow-parts.ts'
export type { FlowOperations } from './operate/flows.ts'
export type { GroupFilter, GroupPage, GroupState, GroupStatus, PageOptions } from './operate/groups.ts'
export type { EndedWithin, HistoryFilter, QueueHistory, StoreHistory } from './operate/history.ts'
export type { Imported, ImportOptions } from './operate/import.ts'
export type { CircuitStatus, LimiterStatus } from './operate/limiters.ts'
export type { JobPage, ListFilter, ListOptions } from './operate/list.ts'
export type {
  LimitOfQueues,
  MonitorOptions,
  MonitorReport,
  MostFailed,
  QueueCheck,
  UnlimitedQueue,
} from './operate/monitor.ts'
export type { Operate, StorePlace } from './operate/operate.ts'
export type { Operations } from './operate/operations.ts'
export type { Overview, OverviewOptions, QueueOverview } from './operate/overview.ts'
export type { EveryQueue, MetPause, PauseOptions, PauseTarget } from './operate/pause.ts'
export type { Prioritized } from './operate/prioritize.ts'
export type { PurgeOptions } from './operate/purge.ts'
export type { EventGap, EventOptions, QueueEvent, QueueEvents } from './operate/queue-events.ts'
export { type Reason, type ReasonKind, reasonKinds } from './operate/reason.ts'
export type { AuditOutcome } from './operate/recording.ts'
export type { RecordOptions } from './operate/records.ts'
export {
  type Removable,
  type Removed,
  type RemoveFilter,
  type RemoveOptions,
  removable,
} from './operate/remove.ts'
export {
  type Pending,
  type PendingFilter,
  pending,
  type Rescheduled,
  type RescheduleOptions,
} from './operate/reschedule.ts'
export { type Retriable, type RetryFilter, type RetryOptions, retriable } from './operate/retry.ts'
export type { FirstSeen, HistoryUnit, RunTimes, RunTimesFilter, RunTimesWithin } from './operate/run-times.ts'
export type { ActiveJob, RunFilter, RunPage } from './operate/runs.ts'
export type {
  PauseScheduleOptions,
  ResumedSchedule,
  ResumeScheduleOptions,
  ScheduleRunNow,
} from './operate/schedule-changes.ts'
export type { GetScheduleOptions, ScheduleFilter, ScheduleInfo } from './operate/schedule-info.ts'
export type { ScheduleOperations } from './operate/schedules.ts'
export type { EndedCounts, QueueStatus, ShownGroup, Status } from './operate/status.ts'
export type { FailedOptions, FindOptions, JobDetail, JobStatus, StoredJob } from './operate/stored-jobs.ts'
export type { StrandedJobs } from './operate/stranded-jobs.ts'
export type { TagFilter, Tagged, Untagged } from './operate/tag.ts'
export type { JobNews, TailOptions } from './operate/tail.ts'
export type { Undone } from './operate/undo.ts'
export type { JobWhy, WhyOptions } from './operate/why.ts'
export {
  type ToldWorkers,
  type WorkerConditions,
  type WorkerFilter,
  WorkerOperations,
} from './operate/workers.ts'

export type { DispatchOptions } from './options/dispatch-options.ts'
export type { Skipped } from './schedule/state.ts'
export { inWords as scheduleWords } from './schedule/words.ts'
export type { LostWorker, Takeover } from './store/contract/lost-workers.ts'
export type { Counts, Dropped, Stranded } from './store/contract/page.ts'
export type { Paused } from './store/contract/pause.ts'
export { type QueueRetention, RETENTION as retention, type Retention } from './store/contract/retention.ts'

export interface OperateOptions {
  /**
   * What messages of FILTER_INVALID call the conditions, if not by their names here: `{ key: '--job' }`. Default: a
   * message names the call and the condition.
   */
  names?: Readonly<Record<string, string>>
  /**
   * Who changes something, for the audit and with a pause: a name, or `{ name, host, from }`. Default: the user of the
   * operating system, on this machine.
   */
  actor?: Actor
}

/**
 * Looks at jobs and changes them.
 *
 * What it changes is recorded in the store: who, when, from where, what, on what, and how many (`audit()`).
 *
 * @param jobs whose store. Default: the default instance, with the configuration of `lark.config`
 * @param options `actor`: who changes something. Default: the user of the operating system
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`, such as a configuration, and for a wrong `actor`
 * @example
 * const { queues, workers } = await operate().status()
 * await operate(createJobs({ connection: 'redis://other' })).retry('failed')
 */
export function operate(jobs: Jobs = Jobs, { names, actor }: OperateOptions = {}): Operate {
  checkJobs('operate()', jobs)
  if (actor !== undefined) checkActor(actor, voiceOf('OPERATE_INVALID', 'operate()'))
  return new Operate(jobs, names, actor)
}

/**
 * The metrics of the whole store as text for Prometheus (format 0.0.4): also what other processes do. Asks the store at
 * most once a second. If the store does not answer, the text says only that: `lark_jobs_store_up 0`.
 *
 * @param jobs whose store. Default: the default instance, with the configuration of `lark.config`
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`
 * @example app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(await metrics()))
 */
export async function metrics(jobs: Jobs = Jobs): Promise<string> {
  checkJobs('metrics()', jobs)
  const { scrape } = await import('./telemetry/prometheus/scrape.ts')
  return scrape(jobs)
}

/**
 * Answers requests with `metrics()`: a handler for servers that speak `fetch`, such as Hono or Next.js.
 *
 * @param jobs as in `metrics()`
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`
 * @example export const GET = metricsHandler()
 */
export function metricsHandler(jobs: Jobs = Jobs): (request?: Request) => Promise<Response> {
  checkJobs('metricsHandler()', jobs)
  return async () => {
    const { CONTENT_TYPE } = await import('./telemetry/prometheus/exposition.ts')
    return new Response(await metrics(jobs), { headers: { 'content-type': CONTENT_TYPE } })
  }
}

function checkJobs(call: string, jobs: Jobs): void {
  if (typeof (jobs as Partial<Jobs> | null)?.[open] === 'function') return
  const right = 'Jobs, or what createJobs({ connection }) returns, of this version of the package'
  // A configuration may contain a password.
  refuse(voiceOf('OPERATE_INVALID', call), '', jobs, right, formOf)
}
