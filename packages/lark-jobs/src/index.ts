/// <reference lib="esnext.disposable" preserve="true" />
/**
 * `@s18i/lark-jobs`: jobs as classes, dispatched into a store, run by workers.
 */
export { defineConfig, LarkError } from '@s18i/lark/config'
export {
  type Backoff,
  type BackoffFunction,
  type BackoffOption,
  backoff,
  type Exponential,
  exponential,
} from './backoff.ts'
export type { CancelFilter, Cancellable, Cancelled } from './cancel.ts'
export type { Durability, JobsConfig } from './config.ts'
export type { CodeConfig } from './configured.ts'
export { context, withContext } from './context.ts'
export type { Duration } from './duration.ts'
export { JobsError, type JobsErrorCode, jobsErrors } from './errors.ts'
export { type GroupBy, type GroupOptions, group } from './group.ts'
export type { EndedEvent, FailedEvent, Hooks, JobEvent, ReleasedEvent } from './hooks.ts'
export { Job } from './job.ts'
export type { JobConstructor, PayloadOf, ResultOf } from './job-class.ts'
export { createJobs, Jobs } from './jobs.ts'
export type { RateKind, RateOption } from './limit.ts'
export { type ClassLimits, type LimiterBy, type LimiterOptions, limiter } from './limiter.ts'
export type { LimiterConfig } from './limiter-config.ts'
export { type CircuitBreakerOptions, circuitBreaker } from './middleware/circuit-breaker.ts'
export type { Middleware, MiddlewareJob } from './middleware/middleware.ts'
export { type RateLimitedOptions, rateLimited } from './middleware/rate-limited.ts'
export { skipWhen } from './middleware/skip-when.ts'
export { type TimingOptions, timing } from './middleware/timing.ts'
export { type OverlappingOptions, withoutOverlapping } from './middleware/without-overlapping.ts'
export { NonRetryableError } from './non-retryable.ts'
export type { FailedOptions, JobDetail, StoredJob } from './operate.ts'
export type { EveryQueue, MetPause, PauseOptions, PauseTarget } from './pause.ts'
export type { QueueConfig } from './queue-config.ts'
export type {
  JobError,
  JobRecord,
  KeptError,
  LogLevel,
  LogLine,
  Outcome,
  State,
  WorkerRecord,
} from './record.ts'
export type { QueueStatus, ShownGroup, Status } from './status.ts'
export type {
  Credentials,
  CredentialsFunction,
  RedisServers,
  SentinelServers,
} from './store/servers.ts'
export { type Rejection, type Unique, type UniqueOptions, unique } from './unique.ts'
export type { WorkOptions } from './work.ts'
export type { Ending, Report, RunningJob, Summary } from './worker/report.ts'
export type { Worker } from './worker/worker.ts'
