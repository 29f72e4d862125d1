/**
 * One run of a job: the object from which `this.id`, `this.attempt`, `this.signal` and `this.info()` take
 * their values while `handle` runs. Because a `Run` is created for every run of a job, it creates its
 * `AbortController` only when a handler reads the signal.
 */
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { JobsError } from '../errors.ts'
import type { ClaimedJob, LogLevel } from '../record.ts'
import type { Decision } from './decision.ts'

/**
 * The longest time that a Node timer can wait, in milliseconds: 24.8 days. A longer timer would fire at once.
 */
export const LONGEST_TIMER = 2_147_483_647

/** Receives the log lines and the progress of a run. */
export interface Writer {
  write(level: LogLevel, text: string): void
  /** @param progress JSON text */
  report(progress: string): void
  /** The instance of `Jobs` whose worker runs the job; undefined without a worker. */
  readonly owner?: object | undefined
  /** The claimed job. Undefined without a worker. */
  readonly job?: ClaimedJob | undefined
  /** The steps of the run (`step/steps.ts`). */
  readonly steps?: unknown
  /** Called when the run is aborted. */
  aborted?(reason: unknown): void
}

export class Run {
  readonly id: string
  /** The number of this attempt, from 1. Crashes and releases are not counted. */
  readonly attempt: number
  /** The decision of `fail()` or `release()`, if the job called one of them. */
  decision: Decision | undefined
  readonly #writer: Writer
  #controller: AbortController | undefined
  #reason: unknown

  constructor(id: string, attempt: number, writer: Writer) {
    this.id = id
    this.attempt = attempt
    this.#writer = writer
  }

  get signal(): AbortSignalLike {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** The reason of the abort. Undefined while the run may continue. */
  get reason(): unknown {
    return this.#reason
  }

  /** The instance of `Jobs` whose worker runs the job; undefined without a worker. */
  get owner(): object | undefined {
    return this.#writer.owner
  }

  /** The claimed job. Undefined without a worker. */
  get job(): ClaimedJob | undefined {
    return this.#writer.job
  }

  get steps(): unknown {
    return this.#writer.steps
  }

  /** Aborts the signal. Only the first call counts. */
  abort(reason: unknown): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
    this.#writer.aborted?.(reason)
  }

  /**
   * Stores the decision and throws. Only the first decision counts. The decision also holds if the handler
   * catches the error.
   */
  decide(decision: Decision): never {
    this.decision ??= decision
    throw decision.error
  }

  write(level: LogLevel, text: string): void {
    this.#writer.write(level, text)
  }

  /** @param progress JSON text */
  report(progress: string): void {
    this.#writer.report(progress)
  }
}

/** The error of an attempt whose `handle` returned `false`. */
export function returnedFalse(): JobsError {
  return new JobsError('HANDLE_RETURNED_FALSE', 'handle() returned false')
}

/** The abort reason of a run that took too long. @param timeout in milliseconds */
export function timedOut(name: string, timeout: number): JobsError {
  return new JobsError('JOB_TIMED_OUT', `${name} took longer than its timeout of ${timeout / 1_000} s`, {
    hint: 'Pass this.signal on to what the job waits for, or raise its timeout.',
  })
}
