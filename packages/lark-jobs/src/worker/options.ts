/**
 * The options of a worker: its queues, how many jobs it runs at a time, and when it ends. The options are
 * checked before the worker starts.
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

/** How many jobs run at a time by default. */
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
   * The queues to serve, in strict order: a later queue is served only while the earlier queues have no job.
   * By default the worker serves every configured queue, in fair turns.
   */
  queues: option<string | readonly string[]>(
    'the name of a queue, or a list of at least one; leave it out for every queue',
    (value) => isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText)),
    // An explicit `undefined` is refused, because a variable that is not set must not make the worker serve
    // every queue.
  ).with({ refusesUndefined: 'written' }),
  /**
   * The job classes to run. By default these are the classes that the configuration names. If the
   * configuration names no classes, the worker runs the classes in the application's folders.
   */
  jobs: jobClasses,
  /** Makes the job object for each run. The default is `make` of the configuration. */
  make: func<Make>(),
  /**
   * Receives reports of what happens in the worker. The default prints failures and the log lines of jobs to
   * stderr.
   */
  report: option<WorkerReport>('an object with methods', isObject),
  /** How many jobs run at a time. Default 10. */
  concurrency: whole(1).or(CONCURRENCY),
  /**
   * How the worker prefetches jobs: `balanced`; `throughput` for very many fast jobs; `spread` for slow or
   * uneven jobs, each of which goes to the next free worker. The default is the preset of the configuration,
   * or `balanced`.
   */
  preset: oneOf(presets),
  /** Whether the worker ends when its queues have no job that is waiting, active, or due within a minute. */
  stopWhenEmpty: flag(),
  /** The worker ends after this number of jobs. */
  maxJobs: whole(1),
  /**
   * If the store does not answer, a stopping worker keeps sending the outcomes of its jobs to the store for
   * this time. The time begins when all handlers have ended or their jobs were given back. The default is the
   * value of the configuration, or 2 minutes. Jobs whose outcome does not reach the store may run again.
   */
  outcomes: duration(0),
  /** How long the worker holds a job without renewing its lease, in milliseconds. Default 15,000. */
  lease: option<number>('milliseconds, from 100', (value) => typeof value === 'number' && value >= 100).or(
    LEASE_MS,
  ),
})

/** The options of `Jobs.work`, all of which are optional. */
export interface WorkOptions extends OptionsOf<typeof workOptions.entries> {}

export interface WorkerOptions
  extends Pick<WorkOptions, 'concurrency' | 'preset' | 'stopWhenEmpty' | 'maxJobs' | 'lease'> {
  /** The option `outcomes` in milliseconds. Default `OUTCOMES`. */
  outcomes?: number | undefined
  /**
   * Called when the worker stops and needs up to this many milliseconds to tell the store how its jobs ended.
   */
  onDelivering?: (ms: number) => void
  /**
   * Called when the process of the worker ends while the worker holds jobs, which the supervisor of the
   * process hands back. `cause` says why the process ends, in words that continue "its process". `outcomes`
   * has the outcomes that the store has not acknowledged.
   */
  onEnding?: Ending
  store: Store
  registry: Registry
  queues: readonly string[]
  /**
   * How many partitions each queue is configured with. Default: one. The worker also serves partitions that
   * exist without being configured.
   */
  partitions?: ReadonlyMap<string, number>
  /** Limiters that middleware may name. Default: none. */
  limiters?: ReadonlyMap<string, Limits>
  /** The limits of each partition of a queue, by queue. Default: none. */
  limits?: ReadonlyMap<string, Limits>
  /**
   * The weight of a queue, by queue: its share of slots and turns if the order of the queues is not strict.
   * Default 1.
   */
  weights?: ReadonlyMap<string, number>
  /**
   * The milliseconds of waiting after which a job's priority rises by one, by queue. By default priorities do
   * not rise.
   */
  agings?: ReadonlyMap<string, number>
  /**
   * Whether a queue is served only when the queues before it have no job. Default: all queues take fair
   * turns.
   */
  strict?: boolean
  /**
   * The location of the store, which the lease thread needs. Undefined if only this process can reach the
   * store.
   */
  location?: StoreLocation | undefined
  report: WorkerReport
  /** Middleware around every job. Default: none. */
  middleware?: readonly Middleware[]
  /** The application's hooks, which are called for every job. Default: none. */
  hooks?: Hooks | undefined
  /** Makes the job objects. Default: `new`. */
  make?: Make | undefined
  /** The telemetry, which is called for every run. Default: none. */
  telemetry?: TelemetryCalls | undefined
  /** The release of the application. Default: none is known. */
  release?: string | undefined
  /** The instance of `Jobs` that the worker belongs to. Jobs that ask for their flow need it. */
  owner?: object
  /** How many jobs each partition of a queue may hold, by queue. Default: any number. */
  bounds?: ReadonlyMap<string, Bound>
  /**
   * Runs the handlers of isolated classes. By default these handlers run in this process, like all other
   * handlers.
   */
  isolation?: (Isolation & Part) | undefined
  /** How the steps of the worker's jobs wait. Default: with timers. */
  stepTimes?: WaitTimes | undefined
  /** The outbox that the worker relays. Default: none. */
  outbox?: ConfiguredOutbox | undefined
  /** Continues the changes at a pace that are due (`operate/pace`). Default: the worker continues none. */
  changes?: (() => Promise<number | undefined>) | undefined
  /**
   * The schedules of the worker, and how all schedules are fired. If absent, this worker declares and fires
   * no schedules.
   */
  schedules?: WorkerSchedules | undefined
  /**
   * The name of the worker in the store, which must never be used again. By default the worker makes a name.
   */
  id?: string
  /**
   * Called when a handler ignores its signal. The job is then settled as timed out and leaves its slot,
   * although its handler may still run. So a caller that passes this function must end the process soon. If
   * no function is passed, the job keeps its slot.
   */
  onStuck?: () => void
  /**
   * Called when an order tells the worker to restart. The function must call `restart()`, and end the process
   * so that another process starts. If no function is passed, such orders are ignored, because the process
   * belongs to the application.
   */
  onRestart?: (worker: { restart(): unknown }) => void
}

export interface WorkerSchedules {
  /** The schedules that the classes of the worker declare. */
  declared: readonly DeclaredSchedule[]
  /** Returns the partition into which the jobs of a schedule go. */
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
