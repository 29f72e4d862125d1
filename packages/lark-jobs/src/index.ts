/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Jobs as classes, dispatched into a store, run by workers.
 *
 * @module @s18i/lark-jobs
 */
export { defineConfig, LarkError } from '@s18i/lark/internal'
export { Jobs } from './api/default-jobs.ts'
export {
  type DefinedJob,
  defineJob,
  type FunctionJob,
  type FunctionPayload,
  type JobDefinition,
  type JobFunctions,
} from './api/defined-job.ts'
export type { Draft, HandlesOf } from './api/draft.ts'
export { type Batch, type BatchCounts, batch } from './api/flows/batch.ts'
export { type Chain, chain, type LastOf, type OpenResultsOf, type ResultsOfSteps } from './api/flows/chain.ts'
export type { FlowAddOptions } from './api/flows/flow-add.ts'
export type { DispatchableFlow } from './api/flows/flow-dispatchable.ts'
export type {
  FlowDraft,
  FlowKeepOptions,
  FlowPart,
  OpenResultOf,
  ResultOfPart,
} from './api/flows/flow-draft.ts'
export type { FlowHandle, FlowProgress } from './api/flows/flow-handle.ts'
export type { FlowProblem, JobFlow } from './api/flows/job-flow.ts'
export { type Workflow, workflow } from './api/flows/workflow.ts'
export type { FlowNodeOptions, WorkflowBuilder, WorkflowNode } from './api/flows/workflow-builder.ts'
export { Job } from './api/job.ts'
export type { HandleCancelOptions, HandleRemoveOptions, JobHandle, SendArguments } from './api/job-handle.ts'
export { createJobs } from './api/jobs.ts'
export type { JobSchedules } from './api/schedules/schedules.ts'
export type { CurrentTransaction, TransactionOptions } from './api/transactions.ts'
export type { AuditConfig, AuditLimits } from './config/audit.ts'
export type { JobsConfig } from './config/config.ts'
export type { CodeConfig } from './config/configured.ts'
export type { DashboardConfig, EnvironmentConfig } from './config/dashboard.ts'
export type { IsolationConfig } from './config/isolation.ts'
export type { KeepConfig, KeepLimits, KeepRule } from './config/keep.ts'
export type { LimiterConfig } from './config/limiters.ts'
export type { OutboxConfig } from './config/outbox.ts'
export type { QueueConfig, QueuesConfig } from './config/queues.ts'
export type { SchedulesConfig } from './config/schedules.ts'
export {
  type Backoff,
  type BackoffFunction,
  type BackoffOption,
  backoff,
  type Exponential,
  exponential,
} from './model/backoff.ts'
export type { BlockedLoop, BlockingNow } from './model/blocked-loop.ts'
export { context, withContext } from './model/context.ts'
export { JobsError, type JobsErrorCode, type JobsErrorOptions, jobsErrors } from './model/errors.ts'
export type { EventKind } from './model/event.ts'
export type { FlowKind, FlowOutcome, IfFailed } from './model/flow.ts'
export type { Journal, KeptSignal, Recorded } from './model/journal.ts'
export type { RateKind } from './model/rate.ts'
export type {
  CancelReason,
  ClaimedJob,
  Counters,
  EndedState,
  JobError,
  JobOptions,
  JobRecord,
  KeptError,
  LogLevel,
  LogLine,
  Outcome,
  State,
  Unreadable,
  WorkerRecord,
  WorkerState,
} from './model/record.ts'
export { NonRetryableError } from './model/run/non-retryable.ts'
export type { Telemetry } from './model/run/telemetry.ts'
export type { ScheduleRun, ScheduleTick } from './model/tick.ts'
export type {
  ApprovalPageOptions,
  ApprovalRequest,
  ApprovalResponse,
} from './operate/change/approval-page.ts'
export type * from './operate/change/changed.ts'
export type { EveryQueue, PauseOptions, PauseResult, PauseTarget } from './operate/change/pause.ts'
export type { SendOptions } from './operate/change/send.ts'
export type { EventGap, EventOptions, QueueEvent, QueueEvents } from './operate/events/queue-events.ts'
export type { KeptResult, ResultOptions } from './operate/events/results.ts'
export type { FlowResultOptions } from './operate/flows/flow-results.ts'
export type { Approval } from './operate/look/approval.ts'
export type { ChangeOptions, JobConditions, JobFilter } from './operate/look/filter.ts'
export type { JobPage, ListFilter, ListOptions } from './operate/look/list.ts'
export type {
  FailedOptions,
  FindOptions,
  JobDetail,
  JobStatus,
  StoredJob,
} from './operate/look/stored-jobs.ts'
export type { EndedCounts } from './operate/measures/measurement.ts'
export type { QueueStatus, ShownGroup, Status } from './operate/measures/status.ts'
export type { Operations } from './operate/operations.ts'
export type { ScheduleOperations } from './operate/schedule-operations.ts'
export type {
  PauseScheduleOptions,
  ResumedSchedule,
  ResumeScheduleOptions,
  ScheduleRunNow,
} from './operate/schedules/schedule-changes.ts'
export type { GetScheduleOptions, ScheduleFilter, ScheduleInfo } from './operate/schedules/schedule-info.ts'
export type { DispatchOptions } from './options/dispatch-options.ts'
export { type GroupBy, type GroupOptions, group } from './options/group.ts'
export { type IsolatedOptions, isolated } from './options/isolated.ts'
export type {
  JobConstructor,
  JobFields,
  JobLike,
  PayloadOf,
  ResultOf,
  WrittenJob,
} from './options/job-class.ts'
export { type KeepOptions, keep } from './options/keep.ts'
export { type Json, lenient } from './options/lenient.ts'
export {
  type ClassLimits,
  type LimiterBy,
  type LimiterOptions,
  limiter,
  type WeightFunction,
} from './options/limiter.ts'
export type { RateOption } from './options/limits.ts'
export type { Middleware, MiddlewareJob } from './options/middleware.ts'
export type { IdOptions } from './options/own-id.ts'
export type { Upcasters } from './options/payload-rules.ts'
export type { Preset } from './options/preset.ts'
export type {
  ClassSchedule,
  ClassScheduleEntry,
  ScheduledPayload,
} from './options/schedules/class-schedule.ts'
export {
  type CronOptions,
  cron,
  daily,
  type EveryOptions,
  every,
  type Recurrence,
} from './options/schedules/recurrence.ts'
export type { Missed, Overlap, Timing } from './options/schedules/timing.ts'
export type { NeededOptionsOf, OptionsOf } from './options/schema.ts'
export type {
  AnySchema,
  InputOf,
  OutputOf,
  Parsed,
  PayloadInput,
  SchemaIssue,
  SchemaVerdict,
  StandardSchema,
} from './options/standard-schema.ts'
export { type TagsBy, tags } from './options/tags.ts'
export { type Rejection, type Unique, type UniqueOptions, unique } from './options/unique.ts'
export type { Dialect } from './outbox/dialect.ts'
export type { OutboxExecute, OutboxListen } from './outbox/outbox-database.ts'
export type {
  TransactionExecutor,
  TransactionHandle,
  TransactionOf,
  TransactionOpener,
} from './outbox/transaction.ts'
export type { CommandArguments } from './run/command-job.ts'
export type {
  CancelledEvent,
  CompletedEvent,
  CrashedEvent,
  EndedEvent,
  FailedEvent,
  HookJob,
  Hooks,
  JobEvent,
  ReleasedEvent,
  SuspendedEvent,
} from './run/hooks.ts'
export type { JobRun, MadeJob, Make } from './run/made-job.ts'
export { type CircuitBreakerOptions, circuitBreaker } from './run/middleware/circuit-breaker.ts'
export { type RateLimitedOptions, rateLimited } from './run/middleware/rate-limited.ts'
export { skipWhen } from './run/middleware/skip-when.ts'
export { type TimingOptions, timing } from './run/middleware/timing.ts'
export { type OverlappingOptions, withoutOverlapping } from './run/middleware/without-overlapping.ts'
export type { Skipped } from './schedule/state.ts'
export type { ApprovalContext, ApprovalOptions } from './step/approval.ts'
export type { RunJobOptions } from './step/child.ts'
export type { StepInOptions } from './step/in-database.ts'
export type { EachItemOptions, ItemsPage } from './step/items.ts'
export type { StepName } from './step/name.ts'
export {
  defineSignal,
  type SignalKind,
  type SignalValue,
  type Waited,
  type WaitOptions,
} from './step/signal.ts'
export { type ChildFailure, StepError } from './step/step-error.ts'
export type { StepContext, StepOptions } from './step/step-options.ts'
export type { PausedGroup } from './store/contract/change.ts'
export type {
  Credentials,
  CredentialsFunction,
  RedisServers,
  SentinelServers,
} from './store/contract/connection/servers.ts'
export type { Counts, Dropped } from './store/contract/page.ts'
export type { Durability } from './store/contract/store.ts'
export type { AbortSignalLike } from './waiting/abort-signal.ts'
export type { Duration } from './words/duration.ts'
export type { WorkOptions } from './worker/options.ts'
export type { EndedRun, RunningJob, WorkerReport, WorkerSummary } from './worker/report.ts'
export type { Worker } from './worker/worker.ts'
