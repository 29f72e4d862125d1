/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The classes of BullMQ on a store of Lark, for applications that come from BullMQ. Features that Lark does
 * not have are refused, and never ignored.
 *
 * `importBullmq()` imports the jobs and schedulers of BullMQ.
 *
 * @module @s18i/lark-bullmq
 */

export {
  BullmqError,
  type BullmqErrorCode,
  type BullmqErrorOptions,
  bullmqErrors,
} from './errors.ts'
export type { BullEmitter, IoredisListener, Listeners } from './events/emitter.ts'
export {
  type BullEvents as QueueEventsListener,
  type BullEventsOptions as QueueEventsOptions,
  BullQueueListener as QueueEvents,
} from './events/queue-events.ts'
export {
  QueueEventsProducer,
  type QueueEventsProducerListener,
} from './events/queue-events-producer.ts'
export {
  FlowProducer,
  type FlowProducerListener,
  type FlowProducerOptions,
  type JobNode,
  type NodeOpts,
} from './flow/flow-producer.ts'
export type { ChildFailureOptions } from './flow/flow-rules.ts'
export type {
  BullFlow as FlowChildJob,
  BullFlow as FlowJob,
  FlowOpts,
  FlowQueuesOpts,
} from './flow/flow-tree.ts'
export { importBullmq } from './import/import-bullmq.ts'
export type { BullmqOptions } from './import/options.ts'
export type {
  BullmqImport,
  BullmqMistake,
  BullmqNote,
  BullmqQueueReport,
  BullmqReason,
} from './import/report.ts'
export {
  type Any,
  BullJob as Job,
  type BullJob as SandboxedJob,
  type MoveToWaitingChildrenOpts,
  type RetryOptions,
} from './job/bull-job.ts'
export type {
  Dependencies,
  DependenciesCount,
  DependenciesOptions,
  JobDependencies,
} from './job/dependencies.ts'
export {
  DelayedError,
  RateLimitError,
  UnrecoverableError,
  WaitingChildrenError,
  WaitingError,
} from './job/ending-errors.ts'
export type { JobJson, JobProgress } from './job/job-json.ts'
export type {
  BackoffOptions,
  BulkJobOptions,
  DeduplicationOptions,
  DefaultJobOptions,
  JobsOptions,
  ParentOptions,
} from './job/job-options.ts'
export type { FinishedStatus, JobState } from './job/job-state.ts'
export type { KeepJobs, RemoveOption } from './job/kept-jobs.ts'
export type { RepeatOptions } from './job/repeat-options.ts'
export { JobScheduler, type JobSchedulerListener } from './queue/job-scheduler.ts'
export type {
  JobSchedulerJson,
  JobSchedulerTemplateJson,
  JobSchedulerTemplateOptions,
  JobTemplate,
  RepeatableJob,
} from './queue/job-schedulers.ts'
export {
  BullQueue as Queue,
  type BullQueueEvents as QueueListener,
  type BullQueueOptions as QueueOptions,
  type JobType,
  type ObliterateOpts,
} from './queue/queue.ts'
export type { Metrics } from './queue/queue-metrics.ts'
export type { BullConnection as ConnectionOptions, RedisOptions } from './store/connection.ts'
export type { RateLimiterOptions } from './store/rate.ts'
export type {
  PlaceOptions,
  QueueBaseOptions,
  QueueBaseOptions as QueueEventsProducerOptions,
} from './store/shared-store.ts'
export {
  type Attributes,
  type AttributeValue,
  type ContextManager,
  type Counter,
  type Exception,
  type Gauge,
  type Histogram,
  type JobTelemetry,
  type Meter,
  MetricNames,
  type MetricOptions,
  type Span,
  SpanKind,
  type SpanOptions,
  type Telemetry,
  TelemetryAttributes,
  type Time,
  type Tracer,
} from './store/telemetry.ts'
export { MetricsTime } from './worker/metrics-time.ts'
export type { Processor, SandboxedJobProcessor } from './worker/processor.ts'
export {
  type AdvancedOptions,
  type BackoffStrategy,
  BullWorker as Worker,
  type BullWorkerEvents as WorkerListener,
  type BullWorkerOptions as WorkerOptions,
  type GetNextJobOptions,
  type MetricsOptions,
} from './worker/worker.ts'
