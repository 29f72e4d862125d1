/**
 * The operations that people perform on the jobs in a store, for commands, dashboards and scripts.
 *
 * @module @s18i/lark-jobs/operate
 */
import { Jobs } from './api/default-jobs.ts'
import { type Facade, insideOf } from './model/copies.ts'
import { type Actor, checkActor } from './operate/audit/actor.ts'
import { byPerson } from './operate/by-person.ts'
import { Operate } from './operate/operate.ts'
import type { Operated } from './operate/operated.ts'
import { refuse, voiceOf } from './options/schema.ts'
import { formOf } from './words/secret.ts'

export type {
  ConfiguredDashboard,
  DashboardAuthorize,
  DashboardRequest,
  DashboardViewer,
} from './config/dashboard.ts'
export type { BlockedLoop, BlockingNow } from './model/blocked-loop.ts'
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
export type { Advice, Remedy } from './model/remedy.ts'
export type { ScheduleRun, ScheduleTick } from './model/tick.ts'
export { type Actor, type ActorOptions, type ActorOrigin, actorOrigins } from './operate/audit/actor.ts'
export type { AuditEntry, AuditOptions, AuditPage } from './operate/audit/audit.ts'
export { type Audited, audited, auditedOfJobs } from './operate/audit/audited.ts'
export type { AuditOutcome } from './operate/audit/recording.ts'
export * from './operate/change/changed.ts'
export type { DispatchRequest } from './operate/change/dispatch.ts'
export type { CancelFlowOptions, PurgeFlowOptions, RetryFlowOptions } from './operate/change/flow-changes.ts'
export type { Imported, ImportOptions } from './operate/change/import.ts'
export type { ForgetOptions, SendByHandOptions, SentSignal } from './operate/change/job-steps.ts'
export type { EveryQueue, PauseOptions, PauseResult, PauseTarget } from './operate/change/pause.ts'
export type { Undone, UndoOptions } from './operate/change/undo.ts'
export type { ChangeOperations } from './operate/change-operations.ts'
export type {
  LimitOfQueues,
  MonitorOptions,
  MonitorReport,
  MostFailed,
  QueueCheck,
  UnlimitedQueue,
} from './operate/doctor/monitor.ts'
export type { EventGap, EventOptions, QueueEvent, QueueEvents } from './operate/events/queue-events.ts'
export type { TailEvent, TailOptions } from './operate/events/tail.ts'
export type {
  BookedFailures,
  FailureBook,
  FailureBookFilter,
  FailureBookKind,
  FailureBookOptions,
} from './operate/failures/failure-book.ts'
export type { FailureFilter, FailureKind, FailureOptions, Failures } from './operate/failures/failures.ts'
export {
  type DoctorFinding,
  type FindingCode,
  type FindingLevel,
  findingCodes,
} from './operate/findings/finding-codes.ts'
export type { FlowOperations } from './operate/flow-operations.ts'
export type {
  FindFlowOptions,
  FlowIdOrRef,
  FlowOfJob,
  GetFlowOptions,
} from './operate/flows/flow-finding.ts'
export {
  type FlowCounts,
  type FlowInfo,
  type FlowInfoState,
  flowKinds,
  flowStates,
} from './operate/flows/flow-info.ts'
export type { DamagedFlow, FlowFilter, FlowListOptions, FlowPage } from './operate/flows/flow-list.ts'
export type { FlowFailure, FlowNodeInfo, FlowNodeState, FlowRef } from './operate/flows/flow-parts.ts'
export {
  type FoundIncident,
  type Incident,
  type IncidentFailure,
  type IncidentKind,
  incidentKinds,
  type QueueIncident,
} from './operate/incidents/incident.ts'
export type { IncidentFilter } from './operate/incidents/incidents.ts'
export type { ClassInfo } from './operate/look/classes.ts'
export type { ChangeOptions, JobConditions, JobFilter } from './operate/look/filter.ts'
export type { GroupFilter, GroupPage, GroupState, GroupStatus, PageOptions } from './operate/look/groups.ts'
export type { ChildNote, JobSignal, JobStep, JobSteps, StepsOptions } from './operate/look/job-steps.ts'
export type { CircuitStatus, LimiterStatus } from './operate/look/limiters.ts'
export type { JobPage, ListFilter, ListOptions } from './operate/look/list.ts'
export type { ShownOutboxRow } from './operate/look/outbox-rows.ts'
export type { RecordOptions } from './operate/look/records.ts'
export { REDACTED } from './operate/look/redacted.ts'
export type { ActiveJob, RunFilter, RunPage } from './operate/look/runs.ts'
export type { SearchOptions, SearchStep } from './operate/look/search.ts'
export type { DeadlyJob, SilentWorker, UnheardWorkers } from './operate/look/silent-workers.ts'
export type {
  FailedOptions,
  FindOptions,
  JobDetail,
  JobStatus,
  StoredJob,
} from './operate/look/stored-jobs.ts'
export type {
  ClassRuns,
  ClassRunsFilter,
  ClassRunsUnit,
  ClassRunsWithin,
  ComparedRuns,
  ReleaseEnds,
  ReleaseRuns,
  RunFigures,
  SlowestRun,
  StoreClassRuns,
} from './operate/measures/class-runs.ts'
export type { FigureFilter, Quantiles, QueueMeasures, StoreFigures } from './operate/measures/figures.ts'
export type { EndedWithin, HistoryFilter, QueueHistory, StoreHistory } from './operate/measures/history.ts'
export type { EndedCounts } from './operate/measures/measurement.ts'
export type { Overview, OverviewOptions, QueueOverview } from './operate/measures/overview.ts'
export type {
  HistoryUnit,
  RunTimes,
  RunTimesFilter,
  RunTimesWithin,
  VersionFirstSeen,
} from './operate/measures/run-times.ts'
export type { QueueStatus, ShownGroup, Status } from './operate/measures/status.ts'
export type { StrandedJobs } from './operate/measures/stranded-jobs.ts'
export type { Operate, StorePlace } from './operate/operate.ts'
export type { Operations } from './operate/operations.ts'
export type { OutboxFilter, OutboxOperations } from './operate/outbox-operations.ts'
export { type PacedKind, pacedKinds } from './operate/pace/kept-change.ts'
export type {
  PacedChange,
  PacedFilter,
  PaceOptions,
  PaceReason,
} from './operate/pace/paced-changes.ts'
export type { ScheduleOperations } from './operate/schedule-operations.ts'
export type {
  PauseScheduleOptions,
  ResumedSchedule,
  ResumeScheduleOptions,
  ScheduleRunNow,
} from './operate/schedules/schedule-changes.ts'
export type { GetScheduleOptions, ScheduleFilter, ScheduleInfo } from './operate/schedules/schedule-info.ts'
export type { ScheduleRecord } from './operate/schedules/schedule-records.ts'
export type { StepOperations } from './operate/step-operations.ts'
export { type Reason, type ReasonKind, reasonKinds } from './operate/why/reason.ts'
export type { JobWhy, WhyOptions } from './operate/why/why.ts'
export {
  type WorkerConditions,
  type WorkerFilter,
  WorkerOperations,
  type WorkerOrderResult,
} from './operate/worker-operations.ts'
export type { DispatchOptions } from './options/dispatch-options.ts'
export type { Missed, Overlap } from './options/schedules/timing.ts'
export type { OutboxBacklog } from './outbox/outbox-database.ts'
export type { Skipped } from './schedule/state.ts'
export { inWords as scheduleWords } from './schedule/words.ts'
export type { StepState } from './step/look.ts'
export type { LostWorker, Takeover } from './store/contract/lost-workers.ts'
export type { Counts, Dropped, Stranded } from './store/contract/page.ts'
export type { Paused } from './store/contract/rules/pause.ts'
export {
  type QueueRetention,
  RETENTION as retention,
  type Retention,
} from './store/contract/rules/retention.ts'

export interface OperateOptions {
  /**
   * Other names for the conditions of a filter in messages of FILTER_INVALID: `{ key: '--job' }`. Default: a
   * message names the call and the condition.
   */
  names?: Readonly<Record<string, string>>
  /**
   * The person who changes something, for the audit and for the texts about a pause: a name, or `{ name,
   * host, from }`. Default: the user of the operating system, on this machine.
   */
  actor?: Actor
}

/**
 * Makes an object with which people read and change the jobs in a store.
 *
 * Each change is recorded in the store, and `audit()` lists the recorded changes.
 *
 * @param jobs the instance of `Jobs` whose store is used. Default: the default instance, with the
 *   configuration of `lark.config`
 * @param options `actor`: the person who changes something. Default: the user of the operating system
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`, such as a configuration, and for a
 *   wrong `actor`
 * @example
 * const { queues, workers } = await operate().status()
 * await operate(createJobs({ connection: 'redis://other' })).retry('failed')
 */
export function operate(jobs: Jobs = Jobs, { names, actor }: OperateOptions = {}): Operate {
  const operated = operatedBy('operate()', jobs)
  if (actor !== undefined) checkActor(actor, voiceOf('OPERATE_INVALID', 'operate()'))
  return new Operate(byPerson(operated, names, actor))
}

/**
 * The metrics of the whole store as text for Prometheus (format 0.0.4): the metrics include the work of other
 * processes. The store is asked at most once a second. If the store does not answer, the text is only
 * `lark_jobs_store_up 0`.
 *
 * @param jobs the instance of `Jobs` whose store is used. Default: the default instance, with the
 *   configuration of `lark.config`
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`
 * @example app.get('/metrics', async (_, reply) => reply.type('text/plain; version=0.0.4').send(await metrics()))
 */
export async function metrics(jobs: Jobs = Jobs): Promise<string> {
  const operated = operatedBy('metrics()', jobs)
  const { scrape } = await import('./telemetry/prometheus/scrape.ts')
  return scrape(operated)
}

/**
 * Answers requests with `metrics()`: a handler for servers that speak `fetch`, such as Hono or Next.js.
 *
 * @param jobs as in `metrics()`
 * @throws OPERATE_INVALID for a value that is not an instance of `Jobs`
 * @example export const GET = metricsHandler()
 */
export function metricsHandler(jobs: Jobs = Jobs): (request?: Request) => Promise<Response> {
  operatedBy('metricsHandler()', jobs)
  return async () => {
    const { CONTENT_TYPE } = await import('./telemetry/prometheus/exposition.ts')
    return new Response(await metrics(jobs), { headers: { 'content-type': CONTENT_TYPE } })
  }
}

/** @throws OPERATE_INVALID */
function operatedBy(call: string, jobs: Jobs): Operated {
  const operated = insideOf((jobs ?? {}) as Facade<Operated | undefined>)
  if (typeof operated?.open === 'function') return operated
  const right = 'Jobs, or what createJobs({ connection }) returns, of this version of the package'
  // The message describes only the form of the value, because a configuration may contain a password.
  refuse(voiceOf('OPERATE_INVALID', call), '', jobs, right, formOf)
}
