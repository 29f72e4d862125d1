/**
 * The run of a job that a worker holds: from the beginning of the run (`runner.ts`) until the outcome is
 * known. `worker/slots.ts` adds the data that only the worker needs.
 */
import { JobsError } from '../model/errors.ts'
import type { Journal } from '../model/journal.ts'
import type { CancelReason, ClaimedJob, JobError, LogLevel, LogLine, Outcome } from '../model/record.ts'
import { Run, timedOut, type Writer } from '../model/run/run.ts'
import type { Processing } from '../model/run/telemetry.ts'
import type { JobClass } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import type { ChildJobs, ChildParent } from '../step/child.ts'
import { hasEnded } from '../step/misused.ts'
import { Steps } from '../step/steps.ts'
import type { StepsOfRun } from '../step/steps-around.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import { MAX_LOG_LINES, type Notice } from '../store/contract/store.ts'
import { CommandJob, commandIn } from './command-job.ts'
import type { Make } from './made-job.ts'
import type { Permits } from './middleware/permits.ts'

/** Runs the handlers of isolated classes (`isolation/pool.ts`). */
export interface Isolation {
  handle(execution: Execution, jobClass: JobClass): Promise<unknown>
}

/** The part of a worker that its runs use. An isolated process makes another one for its runs. */
export interface RunEnvironment {
  /** `now()`: milliseconds since 1970, by the store's clock. */
  readonly clock: { now(): number }
  /** The middleware that runs around every job. */
  readonly middleware: readonly Middleware[]
  /** Makes the job objects. If undefined, `new` makes them. */
  readonly make: Make | undefined
  /** The permits for middleware that limits jobs. */
  readonly permits: Permits
  /** Runs the handlers of isolated classes. Absent if all handlers run in this process. */
  readonly isolation?: Isolation | undefined
  /** The release of the application, which is kept with errors. */
  readonly release?: string | undefined
  /** The instance of `Jobs` that the worker belongs to. */
  readonly owner?: object | undefined
  /** Whether other jobs run in this process beside the given job. */
  hasOthers?(execution: Execution): boolean
  /** Called when a job writes a line to its log. */
  wrote(execution: Execution, line: LogLine): void
  /** Called when a job reports progress. */
  /** @param progress the new progress. Absent if the call is about log lines */
  reported(execution: Execution, progress?: string): void
  /** The clock and timers with which steps wait. Default: those of the process. */
  readonly stepTimes?: WaitTimes | undefined
  /** Called when steps have entries that must be recorded. */
  records?(execution: Execution): void
  /** Reads more of the journal of a job. */
  more?(execution: Execution, from: number): Promise<Journal | undefined>
  /** Reads the errors of earlier runs of a job, as far as they are kept. */
  errors?(execution: Execution): Promise<readonly JobError[]>
  /** Called when the deadline of a run was moved to an earlier time. */
  hurries?(execution: Execution): void
  /** Called to suspend a job that only waits and that has no middleware around its handler. */
  suspends?(execution: Execution, outcome: Outcome): void
  /** Called when the handler has ended, and `failed` or `cancelled` begins, with a new timeout and signal. */
  goesOn(execution: Execution): void
}

/** The part of a claimer that the run of a claimed job needs. */
export interface JobSource {
  readonly partition: string
  readonly queue: string
}

/**
 * The time within which attempts may begin, in milliseconds after the job was queued. Undefined if `tries`
 * limits the attempts instead.
 */
export function limitOf({ options }: ClaimedJob, jobClass: JobClass | undefined): number | undefined {
  return (options?.retryUntil ?? jobClass?.retryUntil) || undefined
}

export class Execution implements Writer {
  readonly job: ClaimedJob
  readonly claimer: JobSource
  /** The class of the job. Undefined if this process has no class with the job's key. */
  readonly jobClass: JobClass | undefined
  /** The run of `handle()`. If the job then fails or is cancelled, the run of `failed()` or `cancelled()`. */
  run: Run
  readonly environment: RunEnvironment
  /** When the run began, by `performance.now()`. */
  readonly startedAt: number
  /** How long the handler may take, in milliseconds. */
  readonly timeout: number
  /** When the timeout is over, by `performance.now()` (see `deadline.ts`). */
  deadline: number
  /** How often the deadline was extended because another handler may have blocked the event loop. */
  extensions = 0
  /**
   * Whether the handler was called, or middleware that may call the handler. False if the job came too late,
   * or if no class has its key.
   */
  hasBegun = false
  /** Whether the timeout is over and the signal was aborted. */
  isLate = false
  /** When the handler ended, by `performance.now()`. 0 while the handler, `failed` or `cancelled` runs. */
  throughAt = 0
  /** Whether the outcome no longer counts, because the lease is lost or the job was given back. */
  abandoned = false
  /** Why the job must be cancelled. Undefined if nobody has asked to cancel the job. */
  cancelled: Pick<Notice, 'reason' | 'because'> | undefined
  /** The error of the handler, or the reason of the abort. */
  thrown: unknown
  /** Whether the outcome is decided, so that only the hook of the class may still run. */
  isConcluded = false
  /**
   * The time until which a reader of the job's events is known to watch the job, by `performance.now()`. The
   * worker learns this time from the store's answer to the first progress. Before that, the time is infinite.
   */
  watchedUntil = Number.POSITIVE_INFINITY
  #log: LogLine[] | undefined
  #progress: string | undefined
  /** The telemetry of the run. Undefined without telemetry. */
  processing: Processing | undefined
  stepsIfAny: StepsOfRun | undefined
  /** The result of `handle` in another process, with the JSON text of the result. */
  crossed: { value: unknown; text: string } | undefined
  /** Whether a signal has come since the job was claimed. */
  #isSignalled = false
  /** Whether the hook `failed` or `cancelled` of the class is running. */
  #isTold = false
  /** Ends the middleware around `handle`, but not `handle` itself. Undefined if there is no middleware. */
  drop: ((error: unknown) => void) | undefined
  /** Whether progress of this run was sent to the store. */
  hasReported = false

  constructor(
    job: ClaimedJob,
    claimer: JobSource,
    jobClass: JobClass | undefined,
    environment: RunEnvironment,
    startedAt: number,
  ) {
    this.job = job
    this.claimer = claimer
    this.jobClass = jobClass
    this.startedAt = startedAt
    this.timeout = job.options?.timeout ?? jobClass?.timeout ?? Number.POSITIVE_INFINITY
    this.deadline = this.startedAt + this.timeout
    this.environment = environment
    this.run = new Run(job.id, job.failures + 1, this)
  }

  write(level: LogLevel, text: string): void {
    this.environment.wrote(this, this.#keep(level, text))
    // Lines without progress are sent early only if a reader is known to watch the job: to ask the store
    // whether a reader watches would cost each job a call.
    if (this.watchedUntil !== Number.POSITIVE_INFINITY) this.environment.reported(this)
  }

  report(progress: string): void {
    this.#progress = progress
    this.environment.reported(this, progress)
  }

  get owner(): object | undefined {
    return this.environment.owner
  }

  /**
   * The steps of the run, created when the job first uses a step. Undefined in `failed` and `cancelled`,
   * because only `handle` has steps.
   */
  get steps(): Steps | undefined {
    if (this.#isTold) return undefined
    if (this.stepsIfAny === undefined && this.throughAt > 0)
      return Promise.reject(hasEnded(this.name)) as unknown as Steps
    const execution = this
    const { environment, job } = this
    const isFirst = this.stepsIfAny === undefined
    const children = environment.owner as ChildJobs | undefined
    this.stepsIfAny ??= new Steps({
      job,
      // Only the fake of the test kit sets `stepTimes`, and it does not keep the entries of steps.
      isKept: environment.stepTimes === undefined,
      queue: this.claimer.queue,
      name: this.name,
      get reason() {
        return execution.run.reason
      },
      get signal() {
        return execution.run.signal
      },
      now: () => environment.clock.now(),
      send: () => environment.records?.(this),
      more: (from) => environment.more!(this, from),
      get spent() {
        const { timeout, deadline } = execution
        if (timeout === Number.POSITIVE_INFINITY) return undefined
        return Math.max(0, Math.round(timeout - (deadline - performance.now())))
      },
      hadSpent: (ms) => {
        this.deadline -= ms
        environment.hurries?.(this)
      },
      suspend: (wait) => {
        const rests = limitOf(job, this.jobClass) !== undefined
        this.suspend({ kind: 'suspended', ...wait, ...(rests && { rests }) })
      },
      times: environment.stepTimes,
      ready: children && ((draft, step) => children.readyChild(draft, parentOf(this, step))),
      get processing() {
        return execution.processing
      },
    })
    if (isFirst && this.#isSignalled) this.stepsIfAny.signalled()
    return this.stepsIfAny as Steps
  }

  /** Notes that a signal has come for the job. */
  signalled(): void {
    this.#isSignalled = true
    this.stepsIfAny?.signalled()
  }

  /** Whether the run only undoes steps of earlier runs. */
  get undoes(): boolean {
    return !!this.job.journal?.undo
  }

  aborted(reason: unknown): void {
    this.stepsIfAny?.abort(reason)
  }

  /**
   * Suspends the job: the middleware around the handler ends, and the handler never continues after the wait.
   */
  suspend(outcome: Outcome & { kind: 'suspended' }): void {
    if (this.drop === undefined) {
      this.isConcluded = true
      this.environment.suspends!(this, outcome)
      return
    }
    const error = new JobsError('JOB_SUSPENDED', `${this.name} waits`, {
      hint: 'The run ends here, and a later run continues the job: if you catch this error, throw it again.',
    })
    this.run.decision ??= { kind: 'suspended', outcome, error }
    this.drop(error)
  }

  /** Whether there is progress or a log line that was not sent yet. */
  get hasNews(): boolean {
    const isWatched = this.watchedUntil !== Number.POSITIVE_INFINITY
    return this.#progress !== undefined || (isWatched && this.#log !== undefined)
  }

  /** Takes the progress that was not sent yet. */
  takeProgress(): string | undefined {
    const progress = this.#progress
    this.#progress = undefined
    this.hasReported ||= progress !== undefined
    return progress
  }

  /** Puts back progress that could not be sent, unless there is newer progress. */
  keepProgress(progress: string | undefined): void {
    this.#progress ??= progress
  }

  /**
   * Notes that the handler has ended. If the event loop was blocked, the timeout may be over although the
   * signal was not aborted. In this case the job counts as late only if it ran alone. Otherwise another job
   * may have blocked the event loop, and this job has done its work.
   */
  through(): void {
    this.throughAt = performance.now()
    if (this.throughAt >= this.deadline && !this.isLate && !this.environment.hasOthers?.(this)) this.late()
  }

  /** Notes that the timeout is over. */
  late(): void {
    this.isLate = true
    this.run.abort(timedOut(this.name, this.timeout))
  }

  /**
   * Begins the run of `failed` or `cancelled` after the handler. That run has a timeout and a signal of its
   * own.
   */
  goOn(): void {
    this.#isTold = true
    this.throughAt = 0
    this.deadline = performance.now() + this.timeout
    this.isLate = false
    this.run = new Run(this.job.id, this.job.failures + 1, this)
  }

  /**
   * The name that people see: the name of the class, or the key if no class is known. For a command, it is
   * the key of the command.
   */
  get name(): string {
    if (this.jobClass?.Class === CommandJob) return commandIn(this.job.payload)
    return this.jobClass?.name ?? this.job.key
  }

  /** The reason why the job was cancelled, with the text of the person who cancelled it. */
  whyCancelled(reason: CancelReason): Pick<Notice, 'reason' | 'because'> {
    return this.cancelled?.reason === reason ? this.cancelled : { reason }
  }

  /**
   * Whether the handler runs in a process of its own. That process is killed if the handler ignores its
   * signal.
   */
  get isIsolated(): boolean {
    return !this.#isTold && this.jobClass?.isolate !== undefined && this.environment.isolation !== undefined
  }

  get isLost(): boolean {
    return JobsError.is(this.run.reason, 'LEASE_LOST')
  }

  /** Keeps a log line for the store. */
  #keep(level: LogLevel, text: string): LogLine {
    const line: LogLine = { at: Date.now(), level, text }
    if (this.jobClass?.keep?.log === 0) return line
    this.#log ??= []
    this.#log.push(line)
    // The store keeps at most `MAX_LOG_LINES` lines. A handler that writes without end must not fill the
    // memory.
    if (this.#log.length > MAX_LOG_LINES) this.#log.shift()
    return line
  }

  /** Takes the lines that were not sent yet. */
  takeLog(): LogLine[] | undefined {
    const log = this.#log
    this.#log = undefined
    return log
  }

  /** Puts back lines that could not be sent. */
  keepLog(log: LogLine[]): void {
    this.#log = [...log, ...(this.#log ?? [])].slice(-MAX_LOG_LINES)
  }
}

function parentOf({ claimer, job, run }: Execution, step: string): ChildParent {
  const { partition, queue } = claimer
  return {
    ...{ partition, queue, id: job.id, step },
    get reason() {
      return run.reason
    },
  }
}
