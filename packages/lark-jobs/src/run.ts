/**
 * The running side of a job: what `this.id`, `this.attempt`, `this.signal` and `this.info()` reach while `handle`
 * runs. Made for every run, so it makes nothing that a handler does not touch.
 */
import type { Signal } from './abort-signal.ts'
import type { Decision } from './decision.ts'
import { JobsError } from './errors.ts'
import type { LogLevel } from './record.ts'

/** The longest that a Node timer can wait, in milliseconds: 24.8 days. A longer one fires at once. */
export const LONGEST_TIMER = 2_147_483_647

/** Where a run's lines go. */
export interface Writer {
  write(level: LogLevel, text: string): void
}

export class Run {
  readonly id: string
  /** Which attempt this is, from 1. Crashes and releases do not count. */
  readonly attempt: number
  /** How the job itself ended this run, if it did. */
  decision: Decision | undefined
  readonly #writer: Writer
  #controller: AbortController | undefined
  #reason: unknown

  constructor(id: string, attempt: number, writer: Writer) {
    this.id = id
    this.attempt = attempt
    this.#writer = writer
  }

  get signal(): Signal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  /** Why the run was told to end; undefined while it may go on. */
  get reason(): unknown {
    return this.#reason
  }

  /** Tells the handler to end. The first reason stays. */
  abort(reason: Error): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }

  /** Ends the run: throws, and holds though that be caught. The first decision stays. */
  decide(decision: Decision): never {
    this.decision ??= decision
    throw decision.error
  }

  write(level: LogLevel, text: string): void {
    this.#writer.write(level, text)
  }
}

/** The error of an attempt that ended with `false`. */
export function returnedFalse(): JobsError {
  return new JobsError('HANDLE_RETURNED_FALSE', 'handle() returned false')
}

/** The reason of a signal whose run took too long. `timeout` in milliseconds. */
export function timedOut(name: string, timeout: number): JobsError {
  return new JobsError('JOB_TIMED_OUT', `${name} took longer than its timeout of ${timeout / 1_000} s`, {
    hint: 'Pass this.signal on to what the job waits for, or raise its timeout.',
  })
}
