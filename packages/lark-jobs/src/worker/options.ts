/**
 * The options of a worker: its queues, how many jobs it runs at a time, and when it ends. They are checked
 * before it starts.
 */

import type { Limits } from '../model/limits.ts'
import type { TelemetryCalls } from '../model/run/telemetry.ts'
import { jobClasses } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import { presets } from '../options/preset.ts'
import type { Registry } from '../options/registry.ts'
import {
  duration,
  flag,
  func,
  isObject,
  isText,
  type OptionsOf,
  oneOf,
  option,
  Schema,
  voiceOf,
  whole,
} from '../options/schema.ts'
import type { ConfiguredOutbox } from '../outbox/outbox-database.ts'
import type { Isolation } from '../run/execution.ts'
import type { Hooks } from '../run/hooks.ts'
import type { Make } from '../run/made-job.ts'
import { checkNeeds } from '../run/middleware/rate-limited.ts'
import type { Definition } from '../schedule/definition.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import type { StoreLocation } from '../store/connect.ts'
import type { Bound, Store } from '../store/contract/store.ts'
import type { Part } from './part.ts'
import type { Ending } from './process-end.ts'
import type { WorkerReport } from './report.ts'

/** Jobs at a time. */
export const CONCURRENCY = 10
/** The length of a lease, in milliseconds. */
export const LEASE_MS = 15_000
/** Milliseconds from `stop` until the jobs that still run are given back. */
export const STOP_DEADLINE = 25_000
/**
 * Milliseconds after the stop deadline for which a worker keeps trying to tell the store how its jobs ended.
 */
export const OUTCOMES = 120_000

export const workOptions = new Schema('an object', {
  /**
   * The queues to serve, in strict order: a later queue is served only while the earlier ones have no job.
   * Default: every configured queue, in fair turns.
   */
  queues: option<string | readonly string[]>(
    'the name of a queue, or a list of at least one; leave it out for every queue',
    (value) => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText)),
    // Refuses an explicit `undefined`: a variable that is not set must not make the worker serve every queue.
  ).with({ refusesUndefined: 'written' }),
  /**
   * The job classes to run. Default: the classes that the configuration names, otherwise those in the
   * application's folders.
   */
  jobs: jobClasses,
  /** Makes the job for each run: see `make` of the configuration, which is the default. */
  make: func<Make>(),
  /** Receives what happens in the worker. Default: prints failures and the log lines of jobs to stderr. */
  report: option<WorkerReport>('an object with methods', isObject),
  /** How many jobs run at a time. Default 10. */
  concurrency: whole(1).or(CONCURRENCY),
  /**
   * How the worker prefetches jobs: `balanced`, `throughput` for very many fast jobs, `spread` for slow or
   * uneven jobs, which then go to whichever worker is free. Default: as configured, otherwise `balanced`.
   */
  preset: oneOf(presets),
  /** End when the queues hold no job that is waiting, active, or due within a minute. */
  stopWhenEmpty: flag(),
  /** End after this number of jobs. */
  maxJobs: whole(1),
  /**
   * How long a stopping worker keeps trying to tell a store that does not answer how its jobs ended, counted
   * from when all handlers have ended or their jobs were given back. Default: as configured, otherwise 2
   * minutes. Jobs whose outcome does not reach the store may run again.
   */
  outcomes: duration(0),
  /** How long the worker holds a job without renewing its lease, in milliseconds. Default 15,000. */
  lease: option<number>('milliseconds, from 100', (value) => typeof value === 'number' && value >= 100).or(
    LEASE_MS,
  ),
})

/** The options of `Jobs.work`. Everything is optional. */
export interface WorkOptions extends OptionsOf<typeof workOptions.entries> {}

export interface WorkerOptions
  extends Pick<WorkOptions, 'concurrency' | 'preset' | 'stopWhenEmpty' | 'maxJobs' | 'lease'> {
  /** Milliseconds. Default `OUTCOMES`. */
  outcomes?: number | undefined
  /**
   * Called when the worker stops and needs up to this many milliseconds to tell the store how its jobs ended.
   */
  onDelivering?: (ms: number) => void
  /**
   * Called when the process of the worker ends while the worker holds jobs; its supervisor hands them back.
   * `cause` says why, and continues the words "its process". `outcomes`: how jobs ended, where the store has
   * not acknowledged it.
   */
  onEnding?: Ending
  store: Store
  registry: Registry
  queues: readonly string[]
  /**
   * How many partitions a queue is configured with. Default: one. Other partitions that exist are served as
   * well.
   */
  partitions?: ReadonlyMap<string, number>
  /** Limiters that middleware may name. Default: none. */
  limiters?: ReadonlyMap<string, Limits>
  /** By queue: the limits of each of its partitions. Default: none. */
  limits?: ReadonlyMap<string, Limits>
  /** By queue: its share of slots and turns among the queues, if their order is not strict. Default 1. */
  weights?: ReadonlyMap<string, number>
  /**
   * By queue: after this many milliseconds of waiting, a job's priority rises by one. Default: priorities do
   * not age.
   */
  agings?: ReadonlyMap<string, number>
  /**
   * Whether a queue is served only when the queues before it have no job. Default: all queues take fair
   * turns.
   */
  strict?: boolean
  /** Where the store is, for the lease thread; undefined when only this process can reach it. */
  location?: StoreLocation | undefined
  report: WorkerReport
  /** Middleware around every job. Default: none. */
  middleware?: readonly Middleware[]
  /** Called for every job. Default: none. */
  hooks?: Hooks | undefined
  /** Makes the jobs. Default: `new`. */
  make?: Make | undefined
  /** Called for every run. Default: none. */
  telemetry?: TelemetryCalls | undefined
  /** The release of the application. Default: none is known. */
  release?: string | undefined
  /** The instance of `Jobs` that the worker belongs to, for jobs that ask for their flow. */
  owner?: object
  /** By queue: how many jobs each partition may hold. Default: any number. */
  bounds?: ReadonlyMap<string, Bound>
  /** Runs the handlers of isolated classes. Default: they run in this process, like all others. */
  isolation?: (Isolation & Part) | undefined
  /** How the steps of its jobs wait. Default: with timers. */
  stepTimes?: WaitTimes | undefined
  /** The outbox that it relays. Default: none. */
  outbox?: ConfiguredOutbox | undefined
  /** Its schedules, and how all schedules are fired. Absent: this worker declares and fires none. */
  schedules?: WorkerSchedules | undefined
  /** Its name in the store, which must never be used again. Default: the worker makes one. */
  id?: string
  /**
   * Called when a handler ignores its signal. Its job is then settled as timed out and leaves its slot,
   * although the handler may still run. So a caller that passes this function must end the process soon.
   * Without it, the job keeps its slot.
   */
  onStuck?: () => void
  /**
   * Called when an order says that the worker shall restart. The function must call `restart()`, and end the
   * process so that another one starts. Without it, such orders are not carried out, because the process
   * belongs to the application.
   */
  onRestart?: (worker: { restart(): unknown }) => void
}

export interface WorkerSchedules {
  /** The schedules that its classes declare. */
  declared: readonly DeclaredSchedule[]
  /** The partition of the jobs of a schedule. */
  placeOf: (id: string, definition: Definition) => string
}

/** A schedule that a class declares. */
export interface DeclaredSchedule {
  id: string
  definition: Definition
}

/** Checks the options of `Jobs.work()`. @throws WORKER_INVALID */
export function checkWork(options: unknown): void {
  workOptions.readAll(options, voiceOf('WORKER_INVALID', 'Jobs.work()'))
}

/** Checks a value for `worker.concurrency`. @throws WORKER_INVALID */
export function checkConcurrency(value: number): void {
  const voice = { ...voiceOf('WORKER_INVALID', ''), name: () => 'worker.concurrency' }
  whole(1).needed().read(value, '', voice)
}

/**
 * Checks the limiters that the classes of a worker use in their middleware.
 *
 * @throws UNKNOWN_LIMITER, JOB_INVALID
 */
export function checkClasses({ registry, middleware = [], limiters = new Map() }: WorkerOptions): void {
  for (const jobClass of registry.classes)
    checkNeeds(jobClass.name, [...middleware, ...jobClass.middleware], limiters)
}
