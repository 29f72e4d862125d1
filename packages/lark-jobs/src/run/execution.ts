/**
 * The run of a job that a worker holds: from its beginning (`runner.ts`) until its outcome is known.
 * `worker/slots.ts` adds what only the worker needs to know.
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

/** What a worker, or `dispatchNow()`, passes to all its runs. */
export interface RunEnvironment {
  /** `now`: milliseconds since 1970, by the store. */
  readonly clock: { now(): number }
  /** Middleware around every job. */
  readonly middleware: readonly Middleware[]
  /** Makes the jobs. Undefined: `new` does. */
  readonly make: Make | undefined
  /** The permits for middleware that limits jobs. */
  readonly permits: Permits
  /** Undefined: the handlers of all classes run here. */
  readonly isolation?: Isolation | undefined
  /** The release of the application, which is kept with errors. */
  readonly release?: string | undefined
  /** The instance of `Jobs` that the worker belongs to. */
  readonly owner?: object | undefined
  /** Whether other jobs run beside a job, in this process. */
  hasOthers?(execution: Execution): boolean
  /** Called when a job writes a line to its log. */
  wrote(execution: Execution, line: LogLine): void
  /** Called when a job reports progress. */
  /** @param progress the new progress, if that is why */
  reported(execution: Execution, progress?: string): void
  /** How steps wait. Default: with timers. */
  readonly stepTimes?: WaitTimes | undefined
  /** Called when steps are to be recorded. */
  records?(execution: Execution): void
  /** Reads more of the journal of a job. */
  more?(execution: Execution, from: number): Promise<Journal | undefined>
  /** Reads the errors of earlier runs of a job, as far as they are kept. */
  errors?(execution: Execution): Promise<readonly JobError[]>
  /** The deadline of a run has come nearer. */
  hurries?(execution: Execution): void
  /** Called when the run only waits, and nothing is around its handler. */
  suspends?(execution: Execution, outcome: Outcome): void
  /** Called when the handler has ended, and `failed` or `cancelled` begins, with a new timeout and signal. */
  goesOn(execution: Execution): void
}

/** What a run needs from the claimer of its job. */
export interface JobSource {
  readonly partition: string
  readonly queue: string
}

/** Milliseconds after the job was queued in which attempts may begin; undefined if `tries` counts. */
export function limitOf({ options }: ClaimedJob, jobClass: JobClass | undefined): number | undefined {
  return (options?.retryUntil ?? jobClass?.retryUntil) || undefined
}

export class Execution implements Writer {
  readonly job: ClaimedJob
  readonly claimer: JobSource
  /** The class of the job; undefined if no class here has its key. */
  readonly jobClass: JobClass | undefined
  /** The run of the handler, and after that the run of `failed` or `cancelled`. */
  run: Run
  readonly environment: RunEnvironment
  /** By `performance.now()`. */
  readonly startedAt: number
  /** Milliseconds that the handler may take. */
  readonly timeout: number
  /** When the timeout is over, by `performance.now()`; see `deadline.ts`. */
  deadline: number
  /** How often the deadline was extended because another handler may have blocked the event loop. */
  extensions = 0
  /**
   * Whether the handler was called, or middleware that may call it. It is not if the job came too late, or if
   * no class has the key.
   */
  hasBegun = false
  /** The timeout is over, and the signal was aborted. */
  isLate = false
  /**
   * When the handler ended, by `performance.now()`; 0 before that, and while `failed` or `cancelled` runs.
   */
  throughAt = 0
  /** The outcome no longer counts, because the lease is lost or the job was given back. */
  abandoned = false
  /** Why the job is to be cancelled; undefined unless somebody asked for that. */
  cancelled: Pick<Notice, 'reason' | 'because'> | undefined
  /** The error of the handler, or why it was aborted. */
  thrown: unknown
  /** The outcome is certain, and the class is being told. */
  isConcluded = false
  /**
   * Until when somebody watches the job, by `performance.now()`, as far as the worker knows. At first the
   * worker does not know whether anybody does, and learns it from the store with the first progress.
   */
  watchedUntil = Number.POSITIVE_INFINITY
  #log: LogLine[] | undefined
  #progress: string | undefined
  /** Undefined: there is no telemetry. */
  processing: Processing | undefined
  stepsIfAny: StepsOfRun | undefined
  /** The result of `handle` in another process, with its text. */
  crossed: { value: unknown; text: string } | undefined
  /** A signal has come since the job was claimed. */
  #isSignalled = false
  /** The class is being told how the job ends. */
  #isTold = false
  /** Ends the middleware around `handle`, but not `handle` itself; undefined if there is none. */
  drop: ((error: unknown) => void) | undefined
  /** Some progress of this run was handed over. */
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
    // Lines without progress are handed over only if somebody is known to watch: asking for that would cost
    // each job a call.
    if (this.watchedUntil !== Number.POSITIVE_INFINITY) this.environment.reported(this)
  }

  report(progress: string): void {
    this.#progress = progress
    this.environment.reported(this, progress)
  }

  get owner(): object | undefined {
    return this.environment.owner
  }

  /** Made when the job first uses a step. Undefined in `failed` and `cancelled`: only `handle` has steps. */
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
      // Only a fake has a clock of its own, and what its steps record is not kept.
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

  /** A signal has come for the job. */
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

  /** The middleware around the handler ends; the handler stops where it waits. */
  suspend(outcome: Outcome & { kind: 'suspended' }): void {
    if (this.drop === undefined) {
      this.isConcluded = true
      this.environment.suspends!(this, outcome)
      return
    }
    const error = new JobsError('JOB_SUSPENDED', `${this.name} waits`, {
      hint: 'The run ends here, and a later one goes on: let this error pass.',
    })
    this.run.decision ??= { kind: 'suspended', outcome, error }
    this.drop(error)
  }

  /** There is something to hand over to somebody who watches. */
  get hasNews(): boolean {
    const isWatched = this.watchedUntil !== Number.POSITIVE_INFINITY
    return this.#progress !== undefined || (isWatched && this.#log !== undefined)
  }

  /** Takes the progress that is not yet handed over. */
  takeProgress(): string | undefined {
    const progress = this.#progress
    this.#progress = undefined
    this.hasReported ||= progress !== undefined
    return progress
  }

  /** Puts progress back that could not be handed over, unless there is newer progress. */
  keepProgress(progress: string | undefined): void {
    this.#progress ??= progress
  }

  /**
   * The handler has ended. If it blocked the event loop, its timeout may be over although the signal was not
   * aborted. If other jobs run beside it, one of them may have blocked the loop, and the work is done: then
   * it does not count as late.
   */
  through(): void {
    this.throughAt = performance.now()
    if (this.throughAt >= this.deadline && !this.isLate && !this.environment.hasOthers?.(this)) this.late()
  }

  /** The timeout is over. */
  late(): void {
    this.isLate = true
    this.run.abort(timedOut(this.name, this.timeout))
  }

  /**
   * Gives the method `failed` or `cancelled`, which is called after the handler, a timeout and a signal of
   * its own.
   */
  goOn(): void {
    this.#isTold = true
    this.throughAt = 0
    this.deadline = performance.now() + this.timeout
    this.isLate = false
    this.run = new Run(this.job.id, this.job.failures + 1, this)
  }

  /**
   * The name that people see: the name of the class, or if no class is known, the key; for a command, its
   * key.
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
   * Whether its handler runs in a process of its own. If the handler ignores its signal, that process is
   * killed.
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
    // The store keeps no more lines, and a handler that writes without end must not fill the memory.
    if (this.#log.length > MAX_LOG_LINES) this.#log.shift()
    return line
  }

  /** Takes the lines that are not yet handed over. */
  takeLog(): LogLine[] | undefined {
    const log = this.#log
    this.#log = undefined
    return log
  }

  /** Puts lines back that could not be handed over. */
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
