/** The `Worker` of BullMQ. One function runs all jobs of a queue, on a worker of Lark. */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import {
  type CrashedEvent,
  type EndedRun,
  isolated,
  JobsError,
  type Middleware,
  type MiddlewareJob,
  type Worker,
  type WorkerReport,
  type WorkOptions,
} from '@s18i/lark-jobs'
import {
  decode,
  inContext,
  memberOf,
  passes,
  returnToPlace,
  runOf,
  shown,
  workApart,
} from '@s18i/lark-jobs/internal'
import type { Rate, Retention } from '@s18i/lark-jobs/operate'
import {
  checkOptions,
  refusedValue,
  refuseMethods,
  refuseProperties,
  unsupported,
  wrongValue,
} from '../compared/unsupported.ts'
import { BullEmitter, type IoredisListener } from '../events/emitter.ts'
import { tellParents } from '../flow/failed-parents.ts'
import { type Any, BullJob } from '../job/bull-job.ts'
import { changeData } from '../job/changed-data.ts'
import { endingOf, RateLimitError, UnrecoverableError } from '../job/ending-errors.ts'
import { EveryJob } from '../job/every-job.ts'
import type { JobProgress } from '../job/job-json.ts'
import { contextWithout, strategyOf } from '../job/job-options.ts'
import { checkRemove, type RemoveOption, retentionOfCount } from '../job/kept-jobs.ts'
import { knownId } from '../job/own-id.ts'
import { keptValue } from '../job/returned-value.ts'
import { JobScheduler } from '../queue/job-scheduler.ts'
import { readQueue } from '../queue/queue-name.ts'
import { type RateLimiterOptions, rateOf } from '../store/rate.ts'
import { type JobHome, type QueueBaseOptions, RETRY, SharedStore, settleAt } from '../store/shared-store.ts'
import {
  type CountedState,
  checkTelemetry,
  countJob,
  SpanKind,
  type Telemetry,
  TelemetryAttributes,
  traced,
} from '../store/telemetry.ts'
import { failedChildOf, restAgain, restFor } from './child-rests.ts'
import { JobDesk } from './job-desk.ts'
import type { Processor } from './processor.ts'
import { makerFile, processorFile } from './processor-file.ts'

/**
 * Returns the milliseconds until the next attempt, or -1 if the job must fail without another attempt.
 *
 * @param attemptsMade how many attempts have failed, from 1
 * @param type the name of the strategy that the job names
 */
export type BackoffStrategy = (
  attemptsMade: number,
  type?: string,
  error?: Error,
  job?: BullJob,
) => number | Promise<number>

/** These options have no effect, because each queue of Lark counts its ended jobs by minute. */
export interface MetricsOptions {
  maxDataPoints?: number
}

export interface AdvancedOptions {
  backoffStrategy?: BackoffStrategy
}

export interface BullWorkerOptions extends QueueBaseOptions {
  /** The name of the worker, which `job.processedBy` returns. */
  name?: string
  /** How many jobs the worker runs at a time. Default: 1. */
  concurrency?: number
  /** Whether the worker starts by itself. Default: true. */
  autorun?: boolean
  /** At most `max` jobs of the queue begin within `duration` milliseconds, in all processes. */
  limiter?: RateLimiterOptions
  /** Milliseconds after which another worker takes the jobs of a worker that died. Default 15,000. */
  lockDuration?: number
  /**
   * A job fails if its workers have died more often than this. Default: the limits of Lark, which also apply
   * beside this option.
   */
  maxStalledCount?: number
  /** A job fails if it has begun more often than this. Default: no limit. */
  maxStartedAttempts?: number
  settings?: AdvancedOptions
  telemetry?: Telemetry
  /** The default for jobs that do not set this option themselves. */
  removeOnComplete?: RemoveOption
  removeOnFail?: RemoveOption
  // These options have no effect, because Lark does the same by itself.
  drainDelay?: number
  lockRenewTime?: number
  // This option has no effect, because a processor in a file always runs in a process.
  useWorkerThreads?: boolean
  /** The Node flags of the processes of a processor in a file. */
  workerForkOptions?: { execArgv?: string[] }
  /** This option has no effect, because a processor in a file always runs in a process. */
  workerThreadsOptions?: object
  maximumRateLimitDelay?: number
  metrics?: MetricsOptions
  runRetryDelay?: number
  stalledInterval?: number
}

export interface GetNextJobOptions {
  /** Whether to wait for a job, up to `drainDelay` seconds. Default: true. */
  block?: boolean
}

export interface BullWorkerEvents extends IoredisListener {
  active: (job: BullJob, prev: string) => void
  completed: (job: BullJob, result: Any, prev: string) => void
  failed: (job: BullJob | undefined, error: Error, prev: string) => void
  progress: (job: BullJob, progress: JobProgress) => void
  stalled: (jobId: string, prev: string) => void
  error: (error: Error) => void
  ready: () => void
  drained: () => void
  lockRenewalFailed: (jobIds: string[]) => void
  /** This event never comes. */
  locksRenewed: (data: { count: number; jobIds: string[] }) => void
  paused: () => void
  resumed: () => void
  closing: (message: string) => void
  closed: () => void
}

/** A job that this worker runs. */
interface OwnRun {
  job: BullJob
  /** Aborts the signal of the job. Undefined if the processor takes no signal. */
  abort: { abort(reason: unknown): void } | undefined
  value?: unknown
  error?: Error
}

/** A job whose run has ended. */
interface EndedJob {
  job: BullJob
  /** Emits the event for the end of the job. Undefined if there is no such event. */
  tell?: () => void
  /** Whether the job has failed for good. */
  isFailed?: boolean
}

/** A running job: the job itself, or the object that stands for it if it runs in another process. */
type RunningJob = EveryJob | MiddlewareJob

/** Seconds. */
const DRAIN_DELAY = 5
/** The part of the manual about `getNextJob()`. */
const nextJob = 'bullmq-differences.md#jobs-without-a-processor'
/**
 * The longest progress that is sent with an event, in bytes. Listeners read longer progress from the store.
 */
const LONGEST_PROGRESS = 3_000
/** Milliseconds. */
const LEAST_LEASE = 100
/** The longest time of a timer, in milliseconds. */
const LONGEST_TIMER = 2 ** 31 - 1
/**
 * Runs the jobs of a queue.
 *
 * @example
 * const worker = new Worker('emails', async (job) => send(job.data.to), { connection, concurrency: 20 })
 * worker.on('failed', (job, error) => console.error(job?.id, error))
 */
export class BullWorker<DataType = Any, ResultType = Any, NameType extends string = string>
  extends BullEmitter<BullWorkerEvents>
  implements AsyncDisposable
{
  readonly name: string
  readonly id: string = randomUUID()
  readonly opts: BullWorkerOptions
  readonly #home: JobHome
  readonly #processor: Processor<DataType, ResultType, NameType> | string | undefined
  readonly #running = new Map<string, OwnRun>()
  /** The runs for which the store has not answered yet, by the id of the job. */
  readonly #ended = new Map<string, EndedJob>()
  /** Milliseconds until a retry, by the error that the attempt threw. */
  readonly #pauses = new WeakMap<Error, number>()
  /** Milliseconds of the last `rateLimit()`. */
  #limited = 0
  #starting: Promise<Worker> | undefined
  #worker: Worker | undefined
  /** `pausing`: the worker begins no more jobs, and some jobs still run. */
  #mode: 'taking' | 'pausing' | 'paused' = 'taking'
  /** Present only if the application takes the jobs itself with `getNextJob()`. */
  #desk: JobDesk | undefined
  /** Resolves the promise of `run()`. */
  #rest = () => {}
  #isReady = false
  #scheduler: Promise<JobScheduler> | undefined
  #closing: Promise<void> | undefined
  /** Whether `drained` was emitted since the worker began its last job. */
  #isDrained = false
  /** Aborted when the worker is closed. */
  readonly #stopped = new AbortController()

  /** Makes the error that a processor throws after `worker.rateLimit()`. */
  static RateLimitError(): Error {
    return new RateLimitError()
  }

  /**
   * @param processor a function, or a file that exports the function. Jobs of a processor in a file run in
   *   processes of their own
   * @throws BULLMQ_UNSUPPORTED for an option that Lark does not have; JOB_INVALID
   */
  constructor(
    name: string,
    processor?: Processor<DataType, ResultType, NameType> | string | URL | null,
    opts: BullWorkerOptions = {},
  ) {
    const who = `Worker ${shown(name)}`
    super(who, 'events of Worker')
    const queue = readQueue(who, name)
    this.name = name
    const isFile = typeof processor === 'string' || processor instanceof URL
    if (!isFile && processor !== null && processor !== undefined && typeof processor !== 'function')
      throw wrongValue(who, 'the processor', processor, 'a function, or a file')
    this.#processor = isFile ? processorFile(who, processor) : (processor ?? undefined)
    this.opts = { concurrency: 1, ...readOptions(who, opts) }
    this.#home = settleAt(this, { store: SharedStore.of(who, opts, queue, name), queue })
    this.#home.store.hire(queue, this)
    const { limiter, autorun = true } = this.opts
    if (limiter !== undefined) this.#limit(who, rateOf(limiter))
    if (autorun && this.#processor !== undefined) this.run().catch((error) => this.tell('error', error))
  }

  #limit(who: string, rate: Rate): void {
    const { store, queue } = this.#home
    try {
      store.limit(who, queue, rate)
    } catch (error) {
      store.dismiss(queue, this)
      void store.leave()
      throw error
    }
  }

  /** The prefix and the name of the queue: `prefix:queue`. @throws Error if the prefix is not known yet */
  get qualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /** The id of the worker in Lark; undefined if it does not run. @internal */
  get larkId(): string | undefined {
    return this.#worker?.id
  }

  /** The promise of `close()`; undefined before that call. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  /** An object that has only the methods for the job schedulers of the queue. */
  get jobScheduler(): Promise<JobScheduler> {
    this.#scheduler ??= Promise.resolve(this.#makeScheduler())
    return this.#scheduler
  }

  #makeScheduler(): JobScheduler {
    const { connection, prefix } = this.opts
    const scheduler = new JobScheduler(this.name, defined({ connection, prefix }))
    return scheduler.on('error', (error) => this.tell('error', error))
  }

  get concurrency(): number {
    return this.opts.concurrency!
  }

  /** @throws JOB_INVALID */
  set concurrency(value: number) {
    checkConcurrency(`${this}`, value)
    this.opts.concurrency = value
    if (this.#worker !== undefined) this.#worker.concurrency = value
  }

  /** Starts the worker. @returns a promise that resolves when the worker has stopped or is paused */
  async run(): Promise<void> {
    if (this.#processor === undefined) throw new Error('No process function is defined.')
    if (this.#starting !== undefined) throw new Error('Worker is already running.')
    if (this.#closing !== undefined) return
    this.#starting = this.#startAgain(this.#processor)
    const rests = new Promise<void>((resolve) => {
      this.#rest = resolve
    })
    try {
      await Promise.race([(await this.#starting).done, rests])
    } catch (error) {
      this.#starting = undefined
      // The worker was closed before it could start.
      if (!this.#stopped.signal.aborted) throw error
    }
  }

  /**
   * Takes a job for a worker that does not run. The application ends the job with `job.moveToCompleted()` or
   * `job.moveToFailed()`. Until then, the worker renews the lease of the job.
   *
   * @param opts with `block: false`, the call does not wait for a job
   * @returns undefined if there is no job
   */
  async getNextJob(
    token?: string,
    { block = true }: GetNextJobOptions = {},
  ): Promise<BullJob<DataType, ResultType, NameType> | undefined> {
    if (this.#mode !== 'taking' || this.#closing !== undefined) return undefined
    if (this.#desk === undefined && this.#starting !== undefined)
      throw unsupported(
        `${this}`,
        'getNextJob() of a worker that runs',
        'a Worker without a processor',
        nextJob,
      )
    this.#desk ??= new JobDesk(this.#home)
    this.#starting ??= this.#startAgain((job) => this.#desk!.hand(job) as Promise<ResultType>)
    this.#desk.serve(await this.#starting)
    const job = await this.#desk.next(block ? (this.opts.drainDelay ?? DRAIN_DELAY) * 1_000 : 0)
    if (job !== undefined && token !== undefined) job.token = token
    return job as BullJob<DataType, ResultType, NameType> | undefined
  }

  /** Starts the worker. If the store does not answer, this method emits an error and tries again. */
  async #startAgain(processor: Processor<DataType, ResultType, NameType> | string): Promise<Worker> {
    const { signal } = this.#stopped
    for (let wait = RETRY.from; ; wait = Math.min(RETRY.to, wait * 2)) {
      try {
        return await this.#start(processor)
      } catch (error) {
        if (!passes(error) || signal.aborted) throw error
        this.tell('error', error as Error)
        await pause(wait, undefined, { signal }).catch(() => {})
        if (signal.aborted) throw error
      }
    }
  }

  async #start(processor: Processor<DataType, ResultType, NameType> | string): Promise<Worker> {
    const { store, queue } = this.#home
    const { connection } = await store.settings()
    if (typeof processor === 'string' && connection === 'sqlite::memory:')
      throw new JobsError(
        'JOB_INVALID',
        `${this}: a processor in a file runs in another process, which has no store in the memory of this one`,
        {
          hint: "Use a store that both processes can reach, such as 'sqlite:jobs.db', or pass a function as the processor.",
        },
      )
    this.#keep('completed', this.opts.removeOnComplete)
    this.#keep('failed', this.opts.removeOnFail)
    const { concurrency, lockDuration } = this.opts
    const maker = typeof processor === 'string' && {
      module: makerFile(`${this}`),
      given: { ...store.place, queue },
      ...defined({ execArgv: this.opts.workerForkOptions?.execArgv }),
    }
    const options: WorkOptions = {
      jobs: [this.#classOf(processor)],
      queues: [queue],
      report: this.#report(),
      concurrency: concurrency!,
      // Lark makes the job object itself, because the container of the application does not know this class.
      make: (Class) => new Class(),
      ...defined({ lease: lockDuration }),
      // With the preset `spread`, the worker takes no more jobs than the application asks for.
      ...(this.#desk && { preset: 'spread' as const }),
    }
    const worker = await workApart(store.jobs, options, maker || undefined)
    this.#worker = worker
    store.whenCrashed(queue, this.#crashed)
    if (this.#mode !== 'taking' || this.#desk !== undefined) void worker.quiet()
    this.#ready()
    void this.#drain()
    return worker
  }

  /** As in BullMQ, a worker that does not run is ready as soon as it has a connection. */
  protected override listened(event: string): void {
    if (event !== 'ready' || this.#isReady || this.#starting !== undefined) return
    this.#home.store
      .standing(this.#home.queue)
      .then(() => this.#ready())
      .catch((error) => this.tell('error', error))
  }

  #ready(): void {
    if (this.#isReady) return
    this.#isReady = true
    setImmediate(() => this.tell('ready'))
  }

  /** The class of all jobs of the queue. */
  #classOf(processor: Processor<DataType, ResultType, NameType> | string): typeof EveryJob {
    const { queue } = this.#home
    const pauses = this.#pauses
    const process = (...args: [RunningJob, unknown, Processor<DataType, ResultType, NameType>]) =>
      this.#process(...args)
    class Processed extends EveryJob {
      override queueName = queue
      override backoff = (_: number, error: Error) => pauses.get(error) ?? 0
    }
    if (typeof processor === 'string') {
      const file = processor
      return class extends Processed {
        override isolate = isolated({ file })
        override middleware(): Middleware[] {
          return [(job, next) => process(job, job.payload, next as () => Promise<ResultType>)]
        }
      }
    }
    return class extends Processed {
      override handle(data?: unknown): unknown {
        return process(this, data, processor)
      }
    }
  }

  #keep(state: 'completed' | 'failed', remove: RemoveOption): void {
    const kept = remove === undefined ? undefined : retentionOfWorker(remove)
    if (kept !== undefined) this.#home.store.keep(this.#home.queue, state, kept)
  }

  readonly #crashed = ({ id, last, cause }: CrashedEvent) => {
    this.tell('stalled', knownId(id), 'active')
    if (last) this.#failed(id, new Error(cause)).catch((error) => this.tell('error', error))
  }

  /**
   * Called when the store has refused the outcome of a job, because the job no longer exists or another
   * worker has it.
   */
  async #lost(id: string, job: BullJob): Promise<void> {
    this.tell('lockRenewalFailed', [id])
    const { store, queue } = this.#home
    const found = await store.jobs.find(id, { queue }).catch(() => undefined)
    const what = found === undefined ? 'key' : 'lock'
    this.tell('error', new Error(`Missing ${what} for job ${job.id}. moveToFinished`))
  }

  /**
   * Called when a job of a flow has failed for good. As in BullMQ, its parents know of the failure before the
   * event comes.
   */
  async #failedInFlow(id: string, tell: () => void): Promise<void> {
    try {
      await tellParents(this.#home, id)
    } catch (error) {
      this.tell('error', error as Error)
    }
    tell()
  }

  /** Emits `failed` for a job that has failed because the workers that ran it died. */
  async #failed(id: string, error: Error): Promise<void> {
    if (memberOf(id) !== undefined) await tellParents(this.#home, id)
    this.tell('failed', await BullJob.withId(this.#home, id), error, 'active')
  }

  /** The object to which the worker of Lark reports its runs. */
  #report(): WorkerReport {
    return {
      wrote: () => {},
      progressed: ({ id }, progress) => {
        const job = this.#running.get(id)?.job
        // If the processor runs in this process, the event was already emitted.
        if (job === undefined || typeof this.#processor !== 'string') return
        job.progress = decode(progress) as JobProgress
        void this.#progressed(job, job.progress)
      },
      ended: (ending) => this.#end(ending),
      settled: (id, isLost) => {
        const { job, tell = () => {}, isFailed = false } = this.#ended.get(id) ?? {}
        this.#ended.delete(id)
        if (job !== undefined) this.#desk?.stored(job, isLost)
        // Jobs that the worker gave back before they ran may be lost, too, but no event is needed for them.
        if (isLost && job !== undefined && this.#desk === undefined) void this.#lost(id, job)
        else if (isFailed && memberOf(id) !== undefined) void this.#failedInFlow(id, tell)
        else tell()
        void this.#drain()
      },
      warn: (text) => {
        // A warning about the store, or about how a handler is written, is not an error of the worker.
        if (this.#worker === undefined || text.includes(' blocked the event loop '))
          this.#home.store.remark(text)
        // This warning is left out, because `settled` reports the lost lease in the words of BullMQ.
        else if (text.startsWith('The lease on ')) return
        else this.tell('error', new Error(text))
      },
      info: (text) => {
        // BullMQ prints nothing about a worker. This warning is printed all the same, because otherwise
        // people would not notice that schedulers are off in development.
        if (text.includes(' not run here: ')) this.#home.store.remark(text)
      },
    }
  }

  async #process(
    lark: RunningJob,
    data: unknown,
    processor: Processor<DataType, ResultType, NameType>,
  ): Promise<unknown> {
    const run = runOf(lark)
    const { job: claimed } = run
    if (lark instanceof EveryJob) await restAgain(lark, this.#home, claimed)
    const job = BullJob.held(this.#home, claimed, data, {
      edit: (value) => changeData(this.#home, claimed, value),
      progress: (value) => 'progress' in lark && lark.progress(value),
      info: (text) => lark.info(text),
      reported: (progress) => this.#progressed(job, progress),
    })
    // As in BullMQ, a processor without a parameter for the signal gets no signal, unless the processor is in
    // a file.
    const abort = processor.length > 2 ? new AbortController() : undefined
    const running: OwnRun = { job, abort: typeof this.#processor === 'string' ? run : abort }
    this.#running.set(claimed.id, running)
    this.#home.store.running.add(this.#home.queue, job)
    this.#isDrained = false
    if (this.opts.name !== undefined) job.processedBy = this.opts.name
    if (claimed.runs > 1) await this.#recall(claimed.id, job)
    this.#keep('completed', ofOthers(job.opts.removeOnComplete) ?? this.opts.removeOnComplete)
    this.#keep('failed', ofOthers(job.opts.removeOnFail) ?? this.opts.removeOnFail)
    if (this.#desk?.tells ?? true) this.tell('active', job, 'waiting')
    const excess = this.#excessOf(job) ?? failedChildOf(claimed)
    if (excess !== undefined) {
      running.error = excess
      lark.fail(excess)
    }
    const signal = abort && AbortSignal.any([lark.signal as AbortSignal, abort.signal])
    try {
      running.value = await inContext(contextWithout(), () =>
        this.#traced(job, () =>
          processor(job as BullJob<DataType, ResultType, NameType>, claimed.token, signal as AbortSignal),
        ),
      )
      if (job.awaits === undefined && lark instanceof EveryJob) await job.mustBeAlone()
    } catch (thrown) {
      running.error = thrown instanceof Error ? thrown : new Error(String(thrown))
      await this.#threw(lark, running.error, job)
    }
    if (job.awaits !== undefined) restFor(lark as EveryJob, claimed, job.awaits)
    if (job.movedFor !== undefined) lark.release(job.movedFor)
    return keptValue(running.value)
  }

  /** Calls the processor within a span of its own, if the worker has `telemetry`. */
  async #traced<T>(job: BullJob, call: () => Promise<T>): Promise<T> {
    const { telemetry, name } = this.opts
    if (!telemetry) return await call()
    const from = job.opts.telemetry?.metadata
    const spanned = { kind: SpanKind.CONSUMER, queue: this.name, operation: 'process', on: this.name, from }
    const outcome = await traced(telemetry, spanned, async (span) => {
      span!.setAttributes({
        [TelemetryAttributes.WorkerId]: this.id,
        [TelemetryAttributes.WorkerName]: name,
        [TelemetryAttributes.JobId]: job.id,
        [TelemetryAttributes.JobName]: job.name,
      })
      // An error ends an attempt or moves the job. In BullMQ, the span records neither of them as an
      // exception.
      const ended = await call().then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      )
      const reason = 'error' in ended ? failureIn(ended.error) : undefined
      if ('value' in ended)
        span!.addEvent('job completed', { [TelemetryAttributes.JobResult]: JSON.stringify(ended.value) })
      if (reason !== undefined)
        span!.addEvent('job failed', { [TelemetryAttributes.JobFailedReason]: reason })
      span!.setAttributes({
        [TelemetryAttributes.JobAttemptsMade]:
          job.attemptsMade + ('value' in ended || reason !== undefined ? 1 : 0),
        [TelemetryAttributes.JobAttemptFinishedTimestamp]: Date.now(),
        [TelemetryAttributes.JobProcessedTimestamp]: job.processedOn,
      })
      return ended
    })
    if ('error' in outcome) throw outcome.error
    return outcome.value
  }

  /** Why a job fails before its processor is called; undefined if it is called. */
  #excessOf({ stalledCounter, attemptsStarted }: BullJob): Error | undefined {
    const { maxStalledCount, maxStartedAttempts } = this.opts
    if (maxStalledCount !== undefined && stalledCounter > maxStalledCount)
      return new UnrecoverableError('job stalled more than allowable limit')
    if (maxStartedAttempts !== undefined && attemptsStarted > maxStartedAttempts)
      return new UnrecoverableError('job started more than allowable limit')
    return undefined
  }

  async #progressed(job: BullJob, data: JobProgress): Promise<void> {
    this.tell('progress', job, data)
    const { store, queue } = this.#home
    const isShort = Buffer.byteLength(JSON.stringify(data)) < LONGEST_PROGRESS
    await store.hint(queue, 'progress', { jobId: job.id, ...(isShort && { data }) })
  }

  /** Reads the progress and the errors of earlier runs. If this fails, the job runs anyway. */
  async #recall(id: string, job: BullJob): Promise<void> {
    const { store, queue } = this.#home
    try {
      const found = await store.jobs.find(id, { queue })
      if (found !== undefined) job.recall(found)
    } catch (error) {
      this.tell('error', error as Error)
    }
  }

  /** @throws always, unless the processor has delayed its job */
  async #threw(lark: RunningJob, error: Error, job: BullJob): Promise<void> {
    // The job has delayed or suspended itself in its own process.
    if (JobsError.is(error, 'JOB_RELEASED') || JobsError.is(error, 'JOB_SUSPENDED')) throw error
    const ending = endingOf(error)
    if (ending === 'failed') lark.fail(error)
    if (ending === 'limited') {
      const limited = this.#limited
      this.#limited = 0
      // If `rateLimit()` was not called on this worker, `limited` is 0, and this call does not pause the
      // queue. A job that runs in another process returns to its place there.
      returnToPlace(lark as EveryJob, limited, 'rateLimit()')
    }
    if (ending === 'released' && !job.isMoved) lark.release()
    if (ending === 'released') return
    const type = strategyOf(job.opts)
    if (type !== undefined && job.attemptsMade + 1 < job.opts.attempts!)
      await this.#askStrategy(lark, error, job, type)
    throw error
  }

  /**
   * Stores the pause that the application's strategy returns for the retry of a job. If the application has
   * no such strategy, the job fails.
   */
  async #askStrategy(lark: RunningJob, error: Error, job: BullJob, type: string): Promise<void> {
    const strategy = this.opts.settings?.backoffStrategy
    if (strategy === undefined)
      return lark.fail(new Error(`Unknown backoff strategy ${type}.`, { cause: error }))
    const pause = await strategy(job.attemptsMade + 1, type, error, job)
    if (pause === -1) lark.fail(error)
    if (!(pause >= 0))
      throw wrongValue(`${this}`, 'what backoffStrategy returned', pause, 'milliseconds, or -1')
    this.#pauses.set(error, pause)
  }

  #end({ job: claimed, outcome }: EndedRun): void {
    const running = this.#running.get(claimed.id)
    this.#running.delete(claimed.id)
    if (running === undefined) return
    const { job, value } = running
    // As in BullMQ, a worker emits no event for the end of a job that the application itself has moved.
    const own = (tell: () => void) => (this.#desk === undefined ? { tell } : {})
    this.#home.store.running.delete(this.#home.queue, job)
    const count = (state: CountedState) => countJob(this.opts.telemetry, this.name, job, state)
    if (outcome.kind === 'released' || outcome.kind === 'unstarted' || outcome.kind === 'suspended') {
      if (outcome.kind === 'suspended') count('waiting-children')
      if (outcome.kind === 'released') count(outcome.in > 0 ? 'delayed' : 'waiting')
      this.#ended.set(claimed.id, { job })
      return
    }
    if (outcome.kind === 'completed') {
      job.ended({ value })
      count('completed')
      this.#ended.set(claimed.id, { job, ...own(() => this.tell('completed', job, value, 'active')) })
      return
    }
    const retryIn = outcome.kind === 'cancelled' ? undefined : outcome.retryIn
    const { error = new Error(outcome.error?.message ?? 'The job was cancelled') } = running
    job.ended({ error, retryIn })
    count(retryIn === undefined ? 'failed' : retryIn > 0 ? 'delayed' : 'retried')
    const tell = own(() => this.tell('failed', job, error, 'active'))
    this.#ended.set(claimed.id, { job, ...tell, isFailed: retryIn === undefined })
  }

  /**
   * Emits `drained` if this worker runs no job and no job waits. The event comes only once until a job
   * begins.
   */
  async #drain(): Promise<void> {
    if (this.#isDrained || this.#running.size > 0 || this.listenerCount('drained') === 0) return
    const { store, queue } = this.#home
    const standing = await store.standing(queue).catch(() => undefined)
    if (standing?.counts.waiting !== 0 || this.#running.size > 0 || this.#isDrained) return
    this.#isDrained = true
    this.tell('drained')
  }

  /**
   * Begins no more jobs.
   *
   * @param doNotWaitActive whether the promise resolves before the running jobs have ended
   */
  async pause(doNotWaitActive = false): Promise<void> {
    if (this.#mode !== 'taking') return
    this.#mode = 'pausing'
    const worker = await this.#starting
    const idle = Promise.resolve(worker?.quiet()).then(() => {
      if (this.#mode !== 'pausing') return
      this.#mode = 'paused'
      this.#rest()
    })
    if (!doNotWaitActive) await idle
    this.tell('paused')
  }

  /** Makes the worker begin jobs again. */
  resume(): void {
    if (this.#mode === 'taking') return
    this.#mode = 'taking'
    this.#worker?.resume()
    this.tell('resumed')
  }

  isPaused(): boolean {
    return this.#mode !== 'taking'
  }

  /** Whether the worker takes jobs, or still runs jobs that it has taken. */
  isRunning(): boolean {
    if (this.#desk !== undefined) return false
    return this.#starting !== undefined && this.#closing === undefined && this.#mode !== 'paused'
  }

  /**
   * Prevents all jobs of the queue from beginning for this many milliseconds. A processor calls this method
   * before it throws a `RateLimitError`.
   */
  async rateLimit(ms: number): Promise<void> {
    if (typeof ms !== 'number' || !(ms >= 0)) throw wrongValue(`${this}`, 'rateLimit()', ms, 'milliseconds')
    this.#limited = ms
    await this.#home.store.pauseFor(this.#home.queue, ms)
  }

  /**
   * Aborts the signal of a job that this worker runs. If the processor is in a file and runs for 2 more
   * seconds, its process is killed.
   *
   * @returns whether this worker runs the job, with a processor that takes a signal
   */
  cancelJob(id: string, reason?: string): boolean {
    const running = this.#running.get(id) ?? [...this.#running.values()].find(({ job }) => job.id === id)
    running?.abort?.abort(reasonOf(reason))
    return running?.abort !== undefined
  }

  /** Aborts the signals of all jobs that this worker runs. */
  cancelAllJobs(reason?: string): void {
    for (const { abort } of this.#running.values()) abort?.abort(reasonOf(reason))
  }

  /** Does nothing, because every worker of Lark looks for the jobs of dead workers. */
  async startStalledCheckTimer(): Promise<void> {}

  /** Resolves when the worker takes jobs, or when the store is open if `run()` was not called. */
  async waitUntilReady(): Promise<void> {
    await (this.#starting ?? this.#home.store.standing(this.#home.queue))
  }

  /**
   * @param force whether to give the running jobs back at once. Default: the worker waits until they have
   *   ended, however long this takes
   */
  close(force = false): Promise<void> {
    if (force) void this.#worker?.stop(0)
    this.#closing ??= this.#close(force)
    return this.#closing
  }

  disconnect(): Promise<void> {
    return this.close(true)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(force: boolean): Promise<void> {
    this.tell('closing', 'closing queue')
    this.#stopped.abort()
    const { store, queue } = this.#home
    // The error is ignored here, because a worker that could not start has already reported it.
    const worker = await this.#starting?.catch(() => undefined)
    // Jobs that the application has taken with `getNextJob()` and not ended are given back.
    await worker?.stop(force || this.#desk !== undefined ? 0 : LONGEST_TIMER)
    store.forget(queue, this.#crashed)
    store.dismiss(queue, this)
    if (this.opts.limiter !== undefined) store.unlimit(queue)
    await (await this.#scheduler)?.close()
    await store.leave()
    this.tell('closed')
  }
}
refuseMethods(BullWorker.prototype, 'methods of Worker')
refuseProperties(BullWorker.prototype, 'properties of Worker')

/** The message of an error that fails an attempt; undefined if the error only moves the job. */
function failureIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return String(error)
  const ending = endingOf(error)
  return ending === 'released' || ending === 'limited' ? undefined : error.message
}

/** If no reason is given, the reason is the one that `AbortController.abort()` sets. */
function reasonOf(reason: string | undefined): unknown {
  return reason ?? AbortSignal.abort().reason
}

/**
 * The retention of a queue that the options of a worker set. Unlike the option of a job, the option of a
 * worker applies to the queue even if it is only an age.
 */
function retentionOfWorker(remove: RemoveOption): Retention | undefined {
  if (remove === true || remove === 0) return { count: 0, age: 0 }
  if (typeof remove === 'object' && remove.count === 0) return { count: 0, age: 0 }
  if (typeof remove !== 'object' || remove.count !== undefined || remove.age === undefined)
    return retentionOfCount(remove)
  return { count: Number.MAX_SAFE_INTEGER, age: remove.age * 1_000 }
}

/** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
/** @throws BULLMQ_UNSUPPORTED for what the processes of a processor in a file do not have */
function checkForking(
  who: string,
  { useWorkerThreads, workerForkOptions = {}, workerThreadsOptions }: BullWorkerOptions,
): void {
  const other = Object.entries(workerForkOptions).find(([name, value]) => {
    return name !== 'execArgv' && value !== undefined
  })
  const flags = 'a process has the flags and the environment of its worker'
  if (other !== undefined)
    throw unsupported(who, `the option ${other[0]} of workerForkOptions`, flags, 'isolation.md')
  if (useWorkerThreads && workerThreadsOptions !== undefined)
    throw unsupported(who, 'the option workerThreadsOptions', 'processes: `isolated()`', 'isolation.md')
}

function readOptions(who: string, opts: BullWorkerOptions): BullWorkerOptions {
  const read = checkOptions(who, 'options of Worker', opts)
  const { concurrency, limiter, lockDuration, settings } = read
  if (concurrency !== undefined) checkConcurrency(who, concurrency)
  for (const name of ['maxStalledCount', 'maxStartedAttempts'] as const) {
    const value: unknown = read[name]
    if (value !== undefined && !(typeof value === 'number' && value >= 0))
      throw refusedValue(who, name, value, `${name} must be greater or equal than 0`)
  }
  for (const name of ['stalledInterval', 'drainDelay'] as const) {
    const value: unknown = read[name]
    if (value !== undefined && !(typeof value === 'number' && value > 0))
      throw refusedValue(who, name, value, `${name} must be greater than 0`)
  }
  if (limiter !== undefined) {
    const { max, duration } = checkOptions(`${who}: limiter`, 'options of limiter', limiter)
    for (const [name, value] of Object.entries({ max, duration }))
      if (!Number.isInteger(value) || value < 1)
        throw wrongValue(who, `limiter.${name}`, value, 'a whole number from 1')
  }
  checkForking(who, read)
  if (lockDuration !== undefined && !(lockDuration >= LEAST_LEASE))
    throw wrongValue(who, 'lockDuration', lockDuration, `milliseconds, from ${LEAST_LEASE}`)
  const strategy = checkOptions(`${who}: settings`, 'options of settings', settings).backoffStrategy
  if (strategy !== undefined && typeof strategy !== 'function')
    throw wrongValue(who, 'settings.backoffStrategy', strategy, 'a function')
  checkTelemetry(who, read.telemetry)
  checkRemove(who, 'removeOnComplete', read.removeOnComplete)
  checkRemove(who, 'removeOnFail', read.removeOnFail)
  return read
}

function checkConcurrency(who: string, value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 1) return
  // This is the message of BullMQ.
  throw new JobsError('JOB_INVALID', 'concurrency must be a finite number greater than 0', {
    hint: `${who} was given ${shown(value)}; it must be a whole number from 1`,
  })
}

/** The part of a job's option that concerns other ended jobs. (`true` concerns only the job itself.) */
function ofOthers(remove: RemoveOption): RemoveOption {
  return remove === true ? undefined : remove
}
