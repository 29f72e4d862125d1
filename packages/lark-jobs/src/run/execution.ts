/**
 * The run of a job that a worker holds: from its first step (`runner.ts`) until its outcome is known. `worker/slots.ts`
 * adds what only the worker needs to know.
 */
import { JobsError } from '../model/errors.ts'
import type { CancelReason, LeasedJob, LogLevel, LogLine } from '../model/record.ts'
import { Run, timedOut, type Writer } from '../model/run.ts'
import type { JobClass } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import { MAX_LOG_LINES } from '../store/contract/store.ts'
import type { Permits } from './middleware/permits.ts'

/** What whoever runs jobs gives to all of them. */
export interface RunEnvironment {
  /** `now`: milliseconds since 1970, by the store. */
  readonly clock: { now(): number }
  /** Around every job. */
  readonly middleware: readonly Middleware[]
  /** For middleware that limits. */
  readonly permits: Permits
  /** A job wrote a line. */
  wrote(execution: Execution, line: LogLine): void
  /** Its handler has ended, and `failed` or `cancelled` begins, with a timeout and a signal of its own. */
  goesOn(execution: Execution): void
}

/** Where a job was claimed. */
export interface JobSource {
  readonly partition: string
  readonly queue: string
}

export class Execution implements Writer {
  readonly lease: LeasedJob
  readonly partition: string
  readonly queue: string
  /** Undefined when no class here has its key. */
  readonly jobClass: JobClass | undefined
  /** Its run; once its handler is through, that of `failed`. */
  run: Run
  readonly environment: RunEnvironment
  /** By `performance.now()`. */
  readonly startedAt: number
  /** Milliseconds that it may take. */
  readonly timeout: number
  /** When its time is over, by `performance.now()`; see `deadline.ts`. */
  deadline: number
  /** Its time was over, and its signal was told. */
  isLate = false
  /** When its handler was through, by `performance.now()`; 0 before that, and when something comes after it. */
  throughAt = 0
  /** Its end no longer counts: the lease is lost, or the job was given back. */
  abandoned = false
  /** Why someone asked for it to be cancelled. */
  cancelled: CancelReason | undefined
  /** What its last failed attempt threw, or why it was ended. */
  thrown: unknown
  /** Its outcome is certain, and its class is being told. */
  isConcluded = false
  #log: LogLine[] | undefined

  constructor(
    lease: LeasedJob,
    { partition, queue }: JobSource,
    jobClass: JobClass | undefined,
    environment: RunEnvironment,
    startedAt: number,
  ) {
    this.lease = lease
    this.partition = partition
    this.queue = queue
    this.jobClass = jobClass
    this.startedAt = startedAt
    this.timeout = lease.options?.timeout ?? jobClass?.timeout ?? Number.POSITIVE_INFINITY
    this.deadline = this.startedAt + this.timeout
    this.environment = environment
    this.run = new Run(lease.id, lease.failures + 1, this)
  }

  write(level: LogLevel, text: string): void {
    this.environment.wrote(this, this.#keep(level, text))
  }

  /** Its handler is through, and its time may be over though the signal was not told: a handler blocked the loop. */
  through(): void {
    this.throughAt = performance.now()
    if (this.throughAt >= this.deadline && !this.isLate) this.late()
  }

  /** Its time is over. */
  late(): void {
    this.isLate = true
    this.run.abort(timedOut(this.name, this.timeout))
  }

  /** A time and a signal of its own for what comes after the handler. */
  goOn(): void {
    this.throughAt = 0
    this.deadline = performance.now() + this.timeout
    this.isLate = false
    this.run = new Run(this.lease.id, this.lease.failures + 1, this)
  }

  /** For people: the name of its class, else its key. */
  get name(): string {
    return this.jobClass?.name ?? this.lease.key
  }

  get isLost(): boolean {
    return JobsError.is(this.run.reason, 'LEASE_LOST')
  }

  /** Keeps a line for the store. */
  #keep(level: LogLevel, text: string): LogLine {
    const line: LogLine = { at: Date.now(), level, text }
    this.#log ??= []
    this.#log.push(line)
    // The store keeps no more than these; a handler that writes without end must not fill the memory first.
    if (this.#log.length > MAX_LOG_LINES) this.#log.shift()
    return line
  }

  /** The lines not yet handed over. */
  takeLog(): LogLine[] | undefined {
    const log = this.#log
    this.#log = undefined
    return log
  }

  /** Puts lines back whose handing over failed. */
  keepLog(log: LogLine[]): void {
    this.#log = [...log, ...(this.#log ?? [])].slice(-MAX_LOG_LINES)
  }
}
