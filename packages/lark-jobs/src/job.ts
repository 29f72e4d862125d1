/**
 * What a user extends. A job class says what is done (`handle`), where it is queued and how it is retried; an
 * object of it is dispatched, and another, made by a worker, runs.
 */
import { branded } from '@s18i/lark/config'
import type { Signal } from './abort-signal.ts'
import { type BackoffOption, defaultBackoff } from './backoff.ts'
import { type Decision, failing, releasing } from './decision.ts'
import type { Duration } from './duration.ts'
import type { GroupBy } from './group.ts'
import {
  currentRun,
  dispatchedIds,
  dispatchRejection,
  idle,
  jobBrand,
  type PayloadOf,
  type ResultOf,
} from './job-class.ts'
import { print } from './job-log.ts'
import { Jobs } from './jobs.ts'
import type { LimiterBy } from './limiter.ts'
import type { Middleware } from './middleware/middleware.ts'
import type { LogLevel } from './record.ts'
import type { Run } from './run.ts'
import type { Rejection, Unique } from './unique.ts'

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
  /**
   * How long after the job was queued (or fell due, if it was delayed) attempts may begin: `'2h'`. It wins over
   * `tries`: within that time a failed attempt is always retried. Default: `tries` alone counts.
   */
  declare retryUntil?: Duration | undefined
  /**
   * How long after the job was queued (or fell due, if it was delayed) it is still worth starting: `'10m'`. One that has
   * not begun by then is `cancelled` for the reason `expired`. Default: it always is.
   */
  declare expiresIn?: Duration | undefined
  /**
   * The pause before each retry: one, a list (the last repeats), `exponential()`, or a function (see `backoff()`).
   * Default 1 s to 10 min.
   */
  backoff: BackoffOption = defaultBackoff
  /** How long an attempt may take before `this.signal` is aborted and it counts as failed. Default 30 min. */
  timeout: Duration = 1_800_000

  /** Which jobs of the class are alike, so that only one of them is there: `unique((payload: P) => payload.id)`. */
  declare unique?: Unique | undefined

  /** To which group a job belongs, so that groups take fair turns: `group((payload: P) => payload.tenant)`. */
  declare group?: GroupBy | undefined

  /**
   * What a job needs permits of before it begins: one of `jobs.limiters`, or limits of this class alone:
   * `limiter({ concurrency: 5 })`. It waits without a worker until there are some.
   */
  declare limiter?: string | LimiterBy | undefined

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

  /**
   * Whether to try again after this error, if there are tries left. Asked after each failed attempt, on a job made for
   * it. When it throws, it counts as `true`, and the job's log says so.
   *
   * @returns `false`: the job has failed for good. Default `true`
   * @example override retryIf(error: unknown) { return (error as { status?: number }).status !== 404 }
   */
  retryIf(_error: unknown): boolean {
    return true
  }

  /**
   * Called when the last attempt has failed, before the job is `failed`: to tell somebody, to put something right. On
   * a job made for it, with the same timeout as `handle`. What it throws is written to the job's log and changes
   * nothing. At least once: a worker that dies in it has the last attempt made again.
   *
   * @param error what the last attempt threw, or why it was ended
   * @param payload a copy of the payload
   * @example override async failed(error: unknown, payload: { to: string }) { await tellSupport(payload.to, error) }
   */
  // biome-ignore lint/suspicious/noExplicitAny: as with `handle`, a subclass chooses its payload
  failed(_error: unknown, ..._payload: any[]): unknown {
    return undefined
  }

  /**
   * Called when the job was cancelled, by someone or because it `expiresIn`, wherever it was then. On a job made for it,
   * with the same timeout as `handle`. What it throws changes nothing. At least once.
   *
   * @param payload a copy of the payload
   * @param reason `user`, or `expired`
   * @example override async cancelled(payload: { file: string }) { await removeUpload(payload.file) }
   */
  // biome-ignore lint/suspicious/noExplicitAny: as with `handle`, a subclass chooses its payload
  cancelled(..._payloadAndReason: any[]): unknown {
    return undefined
  }

  /**
   * What stands around `handle`, the outermost first; around it stands what the configuration has for all jobs. Asked
   * for once, when the class is first used.
   *
   * @example override middleware() { return [skipWhen(isUnsubscribed), timing({ slow: '5s' })] }
   */
  middleware(): readonly Middleware[] {
    return []
  }

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
  get signal(): Signal {
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
   * Runs `handle` once, here and now, on a JSON copy of the payload, without a store. The timeout, the signal and
   * middleware apply, also that of the configuration, if there is one; delay, tries and the queue do not.
   *
   * @returns what `handle` returned; rejects with its error
   */
  dispatchNow(...payload: PayloadOf<this>): Promise<ResultOf<this>> {
    return Jobs.runNow(this, (payload as readonly unknown[])[0]) as Promise<ResultOf<this>>
  }

  /**
   * Ends this run, and the job with it: failed for good, whatever tries are left. It throws, and it holds as well where
   * the handler catches that.
   *
   * @param error what is kept with the job: an error, or a text for people
   * @throws that error; JOB_FAILED_ITSELF without one
   * @example if (user === undefined) this.fail(`There is no user ${id}`)
   */
  fail(error?: unknown): never {
    this.#decide(failing(error))
  }

  /**
   * Ends this run and puts the job back, without burning an attempt: what it needs is not there yet. It throws, and it
   * holds as well where the handler catches that. Only `retryUntil` limits how often.
   *
   * @param delay how long until it is due again: milliseconds, or `'30s'`, `'5m'`. Default 0
   * @param because the reason, in a few words: `lark jobs:show` prints it while the job waits
   * @throws JOB_RELEASED, to end the handler; JOB_INVALID when the delay is none
   * @example if (!(await isReady())) this.release('5m', 'the export is not ready')
   */
  release(delay: Duration = 0, because?: string): never {
    this.#decide(releasing(delay, this.constructor.name, false, because))
  }

  /**
   * Ends this run and puts the job back as `release` does, and no other job of its group begins before that: what all of
   * them use asks for a pause. Jobs of the group that run go on.
   *
   * @param delay how long: milliseconds, or `'30s'`, `'5m'`
   * @throws JOB_RELEASED, to end the handler; JOB_INVALID when the delay is none
   * @example if (response.status === 429) this.pauseGroup('30s')
   */
  pauseGroup(delay: Duration): never {
    this.#decide(releasing(delay, this.constructor.name, true))
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

  #decide(decision: Decision): never {
    this[currentRun]?.decide(decision)
    throw decision.error
  }

  #write(level: LogLevel, text: string): void {
    const run = this[currentRun]
    if (run === undefined) print(this.constructor.name, undefined, level, text)
    else run.write(level, String(text))
  }
}

branded(Job, (value) => typeof value === 'object' && value !== null && jobBrand in value)

const { retryIf, failed, cancelled } = Job.prototype
for (const method of [retryIf, failed, cancelled]) Object.assign(method, { [idle]: true })

const neverAborted = new AbortController().signal
