/**
 * What a user extends. A job class says what is done (`handle`), where it is queued and how it is retried; an
 * object of it is dispatched, and another, made by a worker, runs.
 */
import { type BackoffOption, exponential } from './backoff.ts'
import { runNow } from './dispatch/run-now.ts'
import type { Duration } from './duration.ts'
import {
  currentRun,
  dispatchedIds,
  dispatchRejection,
  jobBrand,
  type PayloadOf,
  type Rejection,
  type ResultOf,
} from './job-class.ts'
import { print } from './job-log.ts'
import { Jobs } from './jobs.ts'
import type { LogLevel } from './record.ts'
import type { Run } from './run.ts'
import type { Unique } from './unique.ts'

/** One object for all, so that a job that keeps the default is known by it. */
const defaultBackoff = exponential()

/**
 * The base of every job.
 *
 * The payload's type is that of `handle`: `dispatch`, `dispatchNow` and `dispatchMany` accept just that.
 *
 * @example
 * export class SendEmailJob extends Job {
 *   readonly key = 'send-email'
 *   queueName = 'emails'
 *
 *   async handle(payload: { to: string; subject: string }) {
 *     this.info(`Sending to ${payload.to}`)
 *     await send(payload, { signal: this.signal })
 *   }
 * }
 *
 * await new SendEmailJob().dispatch({ to: 'user@example.com', subject: 'Welcome!' })
 */
export abstract class Job {
  /** The stable name kept in the store. Default: the name of the class. */
  declare readonly key?: string
  /** Names this class had before: jobs stored under them are run by it. */
  aliases: readonly string[] = []
  /** One of the configured queues. Default `default`. */
  queueName: string = 'default'
  /** -100…100, higher first. Default 0. */
  priority: number = 0
  /** How long to wait before the job is due: milliseconds, or `'30s'`, `'5m'`. Default 0. */
  delay: Duration = 0
  /** Attempts in all. Default 3. */
  tries: number = 3
  /** The pause before each retry: one, a list (the last repeats), or `exponential()`. Default 1 s to 10 min. */
  backoff: BackoffOption = defaultBackoff
  /** How long an attempt may take before `this.signal` is aborted and it counts as failed. Default 30 min. */
  timeout: Duration = 1_800_000

  /** Which jobs of the class are alike, so that only one of them is there: `unique((payload: P) => payload.id)`. */
  declare unique?: Unique | undefined

  declare [currentRun]?: Run | undefined
  declare [dispatchedIds]?: string[] | undefined
  declare [dispatchRejection]?: Rejection | undefined

  get [jobBrand](): true {
    return true
  }

  /**
   * The work. Takes the payload, or nothing.
   *
   * @returns `false` is a failed attempt, as is throwing; anything else is success. A value other than `true` and
   * `undefined` is kept as the job's result and must be JSON.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the one `any` that lets a subclass choose its payload
  abstract handle(...payload: any[]): unknown

  /** In `handle`, and in `dispatchNow`: the id of this job. After `dispatch`: the id just queued. */
  get id(): string | undefined {
    return this[currentRun]?.id ?? this[dispatchedIds]?.at(-1)
  }

  /** After `dispatchMany`: the ids just queued, in the order of the payloads. */
  get ids(): readonly string[] {
    return this[dispatchedIds] ?? []
  }

  /** After a `dispatch` that gave `false`: why, and the job that was in its way. Of `dispatchMany` the first. */
  get rejection(): Rejection | undefined {
    return this[dispatchRejection]
  }

  /** In `handle`: which attempt this is, from 1. Elsewhere 0. */
  get attempt(): number {
    return this[currentRun]?.attempt ?? 0
  }

  /** In `handle`: aborted, with the reason, when the job should end: its timeout, a stop, a lost lease. */
  get signal(): AbortSignal {
    return this[currentRun]?.signal ?? neverAborted
  }

  /**
   * Queues the job.
   *
   * @returns `true` when it is queued; `false` only when it was deliberately not queued: `this.rejection` says why
   * @throws UNKNOWN_QUEUE, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, STORE_UNREACHABLE (certainly not queued, within
   * 5 s), DISPATCH_UNCERTAIN (`error.id` tells which), STORE_REFUSED, STORE_NOT_CONFIGURED, JOB_INVALID
   */
  dispatch(...payload: PayloadOf<this>): Promise<boolean> {
    return Jobs.enqueue(this, [(payload as readonly unknown[])[0]])
  }

  /**
   * Queues one job a payload, in as few calls as can be. All payloads are checked before the first is sent; each
   * chunk of up to 1,000 is queued whole or not at all. If a later chunk fails, `error.queued` has the ids that
   * are queued. `this.ids` has them all afterwards.
   */
  dispatchMany(payloads: readonly PayloadOf<this>[0][]): Promise<boolean> {
    return Jobs.enqueue(this, payloads)
  }

  /**
   * Runs `handle` once, here and now, on a JSON copy of the payload, without a store or a configuration. The
   * timeout and the signal apply; delay, tries and the queue do not.
   *
   * @returns what `handle` returned; rejects with its error
   */
  dispatchNow(...payload: PayloadOf<this>): Promise<ResultOf<this>> {
    return runNow(this, (payload as readonly unknown[])[0]) as Promise<ResultOf<this>>
  }

  /** Writes a line with the job's name and id; kept with the job. */
  info(text: string): void {
    this.#write('info', text)
  }

  /** Like `info`, for what went well. */
  success(text: string): void {
    this.#write('success', text)
  }

  /** Like `info`, for what should be looked at. */
  warn(text: string): void {
    this.#write('warn', text)
  }

  /** Like `info`, for what went wrong; the job goes on. */
  error(text: string): void {
    this.#write('error', text)
  }

  #write(level: LogLevel, text: string): void {
    const run = this[currentRun]
    if (run === undefined) print(this.constructor.name, undefined, level, text)
    else run.write(level, String(text))
  }
}

const neverAborted = new AbortController().signal
