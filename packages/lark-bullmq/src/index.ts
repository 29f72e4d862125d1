/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The classes of BullMQ on a store of Lark, for applications that come from BullMQ. What Lark does not have is refused, and
 * never ignored.
 *
 * @module @s18i/lark-jobs/bullmq
 */
export {
  type Any,
  BullJob as Job,
  type JobProgress,
} from './bullmq/bull-job.ts'
export type { BullConnection as ConnectionOptions, RedisOptions } from './bullmq/connection.ts'
export type {
  Dependencies,
  DependenciesCount,
  DependenciesOptions,
  JobDependencies,
} from './bullmq/dependencies.ts'
export type { BullEmitter, Listeners } from './bullmq/emitter.ts'
export { DelayedError, RateLimitError, UnrecoverableError, WaitingError } from './bullmq/ending-errors.ts'

export {
  FlowProducer,
  type FlowProducerListener,
  type FlowProducerOptions,
  type JobNode,
  type NodeOpts,
} from './bullmq/flow-producer.ts'
export type { ChildFailureOptions } from './bullmq/flow-rules.ts'
export type { BullFlow as FlowJob, FlowOpts } from './bullmq/flow-tree.ts'
export type {
  BackoffOptions,
  DeduplicationOptions,
  DefaultJobOptions,
  JobsOptions,
  ParentOptions,
} from './bullmq/job-options.ts'
export type { JobSchedulerJson, JobTemplate, RepeatOptions } from './bullmq/job-schedulers.ts'
export type { FinishedStatus, JobState } from './bullmq/job-state.ts'
export type { KeepJobs, RemoveOption } from './bullmq/kept-jobs.ts'
export {
  BullQueue as Queue,
  type BullQueueEvents as QueueListener,
  type BullQueueOptions as QueueOptions,
  type JobType,
} from './bullmq/queue.ts'
export {
  type BullEvents as QueueEventsListener,
  type BullEventsOptions as QueueEventsOptions,
  BullQueueListener as QueueEvents,
} from './bullmq/queue-events.ts'
export type { PlaceOptions } from './bullmq/shared-store.ts'
export {
  type BackoffStrategy,
  BullWorker as Worker,
  type BullWorkerEvents as WorkerListener,
  type BullWorkerOptions as WorkerOptions,
  type Processor,
} from './bullmq/worker.ts'
