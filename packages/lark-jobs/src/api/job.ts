/**
 * The class that users extend. A job class defines the work (`handle`), the queue and the retries. The
 * application creates an object of the class to dispatch a job, and a worker creates another object to run
 * the job.
 */
import { branded } from '@s18i/lark/internal'
import { type BackoffOption, defaultBackoff } from '../model/backoff.ts'
import { memberOf } from '../model/effect.ts'
import { JobsError } from '../model/errors.ts'
import { encode } from '../model/payload.ts'
import type { LogLevel } from '../model/record.ts'
import { type Decision, failing, releasing } from '../model/run/decision.ts'
import { tickOf } from '../model/tick.ts'
import type { KeptResult } from '../operate/events/results.ts'
import type { Operated } from '../operate/operated.ts'
import type { GroupBy } from '../options/group.ts'
import type { IsolatedOptions } from '../options/isolated.ts'
import {
  idle,
  type JobConstructor,
  type JobLike,
  jobBrand,
  type PayloadOf,
  type ResultOf,
  writtenOf,
} from '../options/job-class.ts'
import { type JobInside, jobInside } from '../options/job-inside.ts'
import type { KeepOptions } from '../options/keep.ts'
import type { LimiterBy } from '../options/limiter.ts'
import type { Middleware } from '../options/middleware.ts'
import type { Upcasters } from '../options/payload-rules.ts'
import type { ClassSchedule } from '../options/schedules/class-schedule.ts'
import type { AnySchema } from '../options/standard-schema.ts'
import type { TagsBy } from '../options/tags.ts'
import type { Rejection, Unique } from '../options/unique.ts'
import { stepDatabase } from '../outbox/step-in.ts'
import type { TransactionOf } from '../outbox/transaction.ts'
import { print } from '../run/job-log.ts'
import type { ApprovalOptions } from '../step/approval.ts'
import type { RunJobOptions } from '../step/child.ts'
import type { StepInOptions } from '../step/in-database.ts'
import type { EachItemOptions, ItemsPage } from '../step/items.ts'
import type { StepName } from '../step/name.ts'
import type { SignalKind, Waited, WaitOptions } from '../step/signal.ts'
import type { StepContext, StepOptions } from '../step/step-options.ts'
import type { Steps } from '../step/steps.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import type { Duration } from '../words/duration.ts'
import { jobsInside } from './default-jobs.ts'
import { Draft, readDraft } from './draft.ts'
import { JobFlow } from './flows/job-flow.ts'
import type { TransactionOptions } from './transactions.ts'

/**
 * The base class of every job.
 *
 * The type of the payload is the type of the parameter of `handle`. `dispatch`, `dispatchNow` and
 * `dispatchMany` accept only this type.
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
  /**
   * Checks the payload: any Standard Schema (Zod, Valibot, ArkType and others), or `lenient()`. A dispatch
   * takes the input of the schema, and `handle` receives its output: `handle(payload: Parsed<typeof
   * ImportJob.schema>)`.
   */
  declare static readonly schema?: AnySchema
  /** The version of the payload's format, from 1 to 100. Default 1. */
  declare static readonly version?: number
  /**
   * One function for each earlier version, for jobs that were dispatched before a deploy. The function
   * converts a payload of its version to the next version.
   */
  declare static readonly upcasters?: Upcasters
  /** The parts of the payload that people must not see: `['card.*', 'users.*.token']`. */
  declare static readonly redact?: readonly string[]

  /** The name of the class in the store. Default: the name of the class in the code. */
  declare readonly key?: string
  /** Earlier keys of the class. The class also runs the jobs that were stored under these keys. */
  aliases: readonly string[] = []
  /** One of the configured queues. Default `default`. */
  queueName: string = 'default'
  /** -1,000…1,000, higher first. Default 0. At most 256 priorities are in use in a queue. */
  priority: number = 0
  /** How long to wait before the job is due: milliseconds, or `'30s'`, `'5m'`. Default 0. */
  delay: Duration = 0
  /**
   * The number of attempts, including the first attempt. Default 15. With the default `backoff`, 15 attempts
   * take half an hour to an hour.
   */
  tries: number = 15
  /**
   * For how long new attempts may begin, counted from when the job was queued, or was due if it was delayed:
   * `'2h'`. If this field is set, `tries` is ignored, and a failed attempt is always retried within that
   * time. Default: only `tries` counts.
   */
  declare retryUntil?: Duration | undefined
  /**
   * For how long it makes sense to start the job, counted from when it was queued, or was due if it was
   * delayed: `'10m'`. A job that has not begun by then is `cancelled`, with the reason `expired`. Default: no
   * limit.
   */
  declare expiresIn?: Duration | undefined
  /**
   * The pause before each retry: one pause, a list of pauses (the last pause repeats), `exponential()`, or a
   * function (see `backoff()`). Default 1 s to 10 min.
   */
  backoff: BackoffOption = defaultBackoff
  /**
   * The number of crashes after which a job fails. A crash means that the worker died while it ran the job.
   * With 1, the job is never run again after a crash, whatever the cause. With a higher number, a job that
   * would fail with one more crash runs alone in its process, so that no other job in the process can make it
   * fail. The number is from 1 to 100. Default: 3 crashes of processes that ended by themselves, or 10
   * crashes of processes that somebody may have killed.
   */
  declare maxCrashes?: number | undefined
  /**
   * Runs `handle` in a process of its own: `isolated({ memory: '512mb' })`. The process is killed if it
   * ignores its timeout or a cancel, or uses too much memory. Default: `handle` runs in the process of the
   * worker.
   */
  declare isolate?: IsolatedOptions | undefined
  /**
   * How long an attempt may take. After that time `this.signal` is aborted, and the attempt fails. Default 30
   * min.
   */
  timeout: Duration = 1_800_000

  /**
   * Makes jobs of the class unique, so that there are no duplicates: `unique((payload: P) => payload.id)`.
   */
  declare unique?: Unique | undefined

  /**
   * How long ended jobs of the class are kept: `keep({ completed: '30d', failed: '90d', cancelled: false })`.
   * `false` keeps no job. Default: the setting of their queue.
   */
  declare keep?: KeepOptions | undefined
  /**
   * The minimum time for which the record of an ended job is kept, with its result, no matter how many other
   * jobs end meanwhile: `'10m'`. Default: the setting of its queue.
   */
  declare keepResult?: Duration | undefined

  /** The group of a job. Groups take fair turns: `group((payload: P) => payload.tenant)`. */
  declare group?: GroupBy | undefined

  /**
   * The limiter that must grant a permit before the job begins: the name of a limiter in `jobs.limiters`, or
   * limits only for this class: `limiter({ concurrency: 5 })`. The job waits in its queue, without using a
   * worker, until it has a permit.
   */
  declare limiter?: string | LimiterBy | undefined

  /**
   * Words by which people find the jobs, at most 10, each of at most 64 characters: a list, or
   * `tags((payload: P) => [payload.shop])`. Default: none.
   */
  declare tags?: readonly string[] | TagsBy | undefined

  /**
   * The times at which jobs of the class are queued automatically: `cron('0 8 * * 1-5')`, `every('15m')`,
   * `daily('08:00')`; with a payload, `{ when: daily('08:00'), payload: { shop: 7 } }`; or a list of such
   * objects, each with a `name`. Workers that run the class declare the schedule. The id of the schedule is
   * the key of the class, or `key/name`. Default: none.
   */
  declare schedule?: ClassSchedule | undefined

  /** @internal */
  declare [jobInside]?: JobInside | undefined

  /** @internal */
  get [jobBrand](): true {
    return true
  }

  /**
   * Does the work. Takes the payload, or no parameter.
   *
   * @returns `false` if the attempt failed; throwing an error means the same. Any other value is a success. A
   *   value other than `true` and `undefined` is kept as the job's result, and must be JSON
   */
  // biome-ignore lint/suspicious/noExplicitAny: the one `any` that lets a subclass choose its payload
  abstract handle(...payload: any[]): unknown

  /**
   * Whether to retry the job after this error, if tries are left. Called after each failed attempt, on a new
   * object of the class. If this method throws, the job is retried, and the job's log says so.
   *
   * @returns `false`: the job fails without a retry. Default `true`
   * @example override retryIf(error: unknown) { return (error as { status?: number }).status !== 404 }
   */
  retryIf(error: unknown): boolean
  retryIf(): boolean {
    return true
  }

  /**
   * Called when the last attempt has failed, before the state of the job changes to `failed`. This method
   * runs on a new object of the class, with the same timeout as `handle`. If this method throws, the error is
   * written to the job's log, and the job is `failed` all the same. This method is called at least once: if
   * the worker dies meanwhile, the last attempt is made again.
   *
   * @param error the error of the last attempt, or why it was aborted
   * @param payload a copy of the payload
   * @example override async failed(error: unknown, payload: { to: string }) { await tellSupport(payload.to, error) }
   */
  // biome-ignore lint/suspicious/noExplicitAny: as with `handle`, a subclass chooses its payload
  failed(error: unknown, payload: any): unknown
  failed(): unknown {
    return undefined
  }

  /**
   * Called when somebody cancelled the job, whether it was running or not, or when the job expired
   * (`expiresIn`). This method runs on a new object of the class, with the same timeout as `handle`. If this
   * method throws, the error is written to the job's log, and the job is `cancelled` all the same. This
   * method is called at least once.
   *
   * @param payload a copy of the payload
   * @param reason `user`, or `expired`
   * @param because the reason that was given for the cancel: `handle.cancel('the order was returned')`
   * @example override async cancelled(payload: { file: string }) { await removeUpload(payload.file) }
   */
  // biome-ignore lint/suspicious/noExplicitAny: as with `handle`, a subclass chooses its payload
  cancelled(payload: any, reason: 'user' | 'expired', because?: string): unknown
  cancelled(): unknown {
    return undefined
  }

  /**
   * The middleware of the class, the outermost first. The middleware of the configuration runs outside of the
   * middleware of the class. This method is called once, when the class is first used.
   *
   * @example override middleware() { return [skipWhen(isUnsubscribed), timing({ slow: '5s' })] }
   */
  middleware(): readonly Middleware[] {
    return []
  }

  /** In `handle`: the id of this job. After `dispatch`: the id of the queued job. */
  get id(): string | undefined {
    return this[jobInside]?.run?.id ?? this[jobInside]?.ids?.at(-1)
  }

  /** After `dispatchMany`: the ids of the queued jobs, in the order of the payloads. */
  get ids(): readonly string[] {
    return this[jobInside]?.ids ?? []
  }

  /**
   * After a `dispatch` that resolved to `false`: why the job was rejected, and which other job was the
   * reason. After `dispatchMany`: the rejection of the first job that was rejected.
   */
  get rejection(): Rejection | undefined {
    return this[jobInside]?.rejection
  }

  /** In `handle`: the number of this attempt, from 1. Elsewhere 0. */
  get attempt(): number {
    return this[jobInside]?.run?.attempt ?? 0
  }

  /**
   * In `handle` of a job that a schedule queued: the instant of the tick. This instant does not depend on how
   * late the job runs, and is the same in each attempt. Undefined for other jobs.
   */
  get scheduledFor(): Date | undefined {
    const tick = tickOf(this[jobInside]?.run?.id ?? '')
    return tick && new Date(tick.at)
  }

  /**
   * In `handle`: a signal that is aborted, with a reason, when the job should end: at its timeout, when the
   * worker stops, when the job is cancelled, or when its lease is lost.
   */
  get signal(): AbortSignalLike {
    return this[jobInside]?.run?.signal ?? neverAborted
  }

  /**
   * In `handle` of a job that belongs to a chain, a batch or a workflow, or is a callback of one: that flow.
   * Undefined for other jobs.
   *
   * @example const { counts } = (await this.flow!.status())!
   */
  get flow(): JobFlow | undefined {
    const run = this[jobInside]?.run
    const member = run?.owner === undefined ? undefined : memberOf(run.id)
    return member && new JobFlow(run!.owner as Operated, member)
  }

  /**
   * Queues the job.
   *
   * @returns `true` if the job is queued; `false` only if the job was rejected on purpose, and
   *   `this.rejection` says why
   * @throws UNKNOWN_QUEUE, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, STORE_UNREACHABLE (certainly not queued,
   *   within 5 s), DISPATCH_UNCERTAIN (perhaps queued, with the id in `error.id`), STORE_REFUSED,
   *   STORE_NOT_CONFIGURED, JOB_INVALID, TOO_MANY_PRIORITIES
   */
  dispatch(...payload: PayloadOf<this>): Promise<boolean>
  /**
   * Queues the job in a transaction of the application: the job is queued if and only if the transaction
   * commits. For a job without a payload, use a draft: `job.with().in(tx).dispatch()`.
   *
   * @param options `tx`: the handle of the transaction, see `TransactionHandle`
   * @returns `true`. Rejections are known only after the commit
   * @throws OUTBOX_NO_TRANSACTION, OUTBOX_HANDLE_UNKNOWN, OUTBOX_NO_TABLE, OUTBOX_REFUSED; UNKNOWN_QUEUE,
   *   PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, JOB_INVALID
   * @example await db.transaction(async (tx) => { await new ChargeJob().dispatch({ order }, { tx }) })
   */
  dispatch(payload: PayloadOf<this>[0], options: TransactionOptions): Promise<boolean>
  dispatch(...[payload, options]: readonly unknown[]): Promise<boolean> {
    return jobsInside.enqueue(this, [payload], options)
  }

  /**
   * Queues one job for each payload, in as few calls as possible. All payloads are checked before the first
   * job is sent. Each chunk of up to 1,000 jobs is queued whole or not at all. If a later chunk fails,
   * `error.queued` has the ids of the queued jobs. Afterwards `this.ids` has the ids of all jobs.
   *
   * @param options `tx`: the jobs are queued if and only if this transaction of the application commits
   */
  dispatchMany(payloads: readonly PayloadOf<this>[0][], options?: TransactionOptions): Promise<boolean> {
    return jobsInside.enqueue(this, payloads, options)
  }

  /**
   * Makes a draft of this job, with the values that its fields have now. The draft is dispatched later, alone
   * or together with other drafts. `draft.dispatch()` resolves to a handle of the job.
   *
   * @example const handle = await new ImportJob().with({ file: 'a.csv' }).delayed('5m').dispatch()
   */
  with(...payload: PayloadOf<this>): Draft<this> {
    const Class = this.constructor as JobConstructor
    return new Draft(jobsInside, {
      Class,
      fields: writtenOf(this),
      payload: (payload as readonly unknown[])[0],
    })
  }

  /**
   * Makes a draft of a job of this class. The class may have a constructor with parameters, because a draft
   * does not need arguments for it. Lark calls the constructor only once, without arguments, to read the
   * settings of the class when the class is first used.
   *
   * @example await ImportJob.with({ file: 'a.csv' }).dispatch()
   */
  static with<J extends Job>(this: new (...args: never[]) => J, ...payload: PayloadOf<J>): Draft<J> {
    // biome-ignore lint/complexity/noThisInStatic: the class that the caller names
    const Class = this as unknown as JobConstructor
    return new Draft(jobsInside, { Class, fields: {}, payload: (payload as readonly unknown[])[0] })
  }

  /**
   * Runs `handle` once, in this process, on a JSON copy of the payload, without a store. The timeout, the
   * signal and the middleware apply, including the middleware of a configuration, if there is one. Delay,
   * tries and queue do not apply. Steps run, with their tries. The job sleeps and waits for signals in this
   * process, and everything that its steps have recorded is forgotten when the job ends.
   *
   * @returns the value that `handle` returned; rejects with the error of `handle`
   */
  dispatchNow(...payload: PayloadOf<this>): Promise<ResultOf<this>> {
    return jobsInside.dispatchNow(this, (payload as readonly unknown[])[0]) as Promise<ResultOf<this>>
  }

  /**
   * Ends this run and fails the job, even if tries are left. This method throws an error to end the handler.
   * The job fails even if the handler catches the error.
   *
   * @param error the error that is kept with the job, or a text for people
   * @throws the given error, or JOB_FAILED_ITSELF if there is none
   * @example if (user === undefined) this.fail(`There is no user ${id}`)
   */
  fail(error?: unknown): never {
    this.#decide(failing(error))
  }

  /**
   * Ends this run and puts the job back without using up an attempt, because something that it needs is not
   * ready. This method throws an error to end the handler. The job is put back even if the handler catches
   * the error. Only `retryUntil` limits how often a job may release itself.
   *
   * @param delay how long until the job is due again: milliseconds, or `'30s'`, `'5m'`. Default 0
   * @param because the reason, in a few words. `lark jobs:show` prints the reason while the job waits
   * @throws JOB_RELEASED, to end the handler; JOB_INVALID if the delay is not valid
   * @example if (!(await isReady())) this.release('5m', 'the export is not ready')
   */
  release(delay: Duration = 0, because?: string): never {
    this.#decide(releasing(delay, this.constructor.name, undefined, because))
  }

  /**
   * Ends this run and puts the job back, as `release` does, and pauses the job's group for the same time.
   * This is for groups whose jobs call a service that asks for a pause. Running jobs of the group go on.
   *
   * @param delay how long: milliseconds, or `'30s'`, `'5m'`
   * @throws JOB_RELEASED, to end the handler; JOB_INVALID if the delay is not valid
   * @example if (response.status === 429) this.pauseGroup('30s')
   */
  pauseGroup(delay: Duration): never {
    this.#decide(releasing(delay, this.constructor.name, 'group'))
  }

  /**
   * Ends this run and puts the job back, as `release` does, and pauses all partitions of its queue for the
   * same time. This is for queues whose jobs call a service that is down. Running jobs go on. The queue
   * resumes by itself. If the queue is already paused for longer, it stays paused for that longer time.
   *
   * @param delay how long: milliseconds, or `'30s'`, `'5m'`
   * @param because the reason, in a few words. `lark jobs:status` prints the reason
   * @throws JOB_RELEASED, to end the handler; JOB_INVALID if the delay or the reason is not valid
   * @example if (response.status === 503) this.pauseQueue('5m', 'the mail server is down')
   */
  pauseQueue(delay: Duration, because?: string): never {
    this.#decide(releasing(delay, this.constructor.name, 'queue', because))
  }

  /**
   * Runs a function once for this job, no matter how often the job runs. The result is stored before the
   * promise resolves, and a later run gets the stored result without calling the function. A step is
   * identified by its name, not by its position: you may insert, remove and reorder steps while jobs are
   * under way.
   *
   * If the function throws and the tries of the step are used up, the step fails with a `StepError`. If the
   * handler does not catch this error, the attempt fails as with any error, and the next attempt continues at
   * this step. If the handler catches this error, a later run gets the same error.
   *
   * A step with an `undo` also records that it has begun. Before the job ends as failed or cancelled, all
   * steps that have begun are undone in reverse order. If the job is retried, the steps that were undone run
   * again.
   *
   * @param name unique in a run: a text, or a list such as `['mail', user.id]`
   * @param work the function. It gets a `key` that is the same in each try and each run, for services that
   *   take idempotency keys
   * @returns the value that the function returned. The value must be JSON of at most 512 KiB, and is kept
   * with the job
   * @throws StepError; STEP_INVALID, STEP_TWICE, STEP_OUTSIDE, STEPS_TOO_MANY; the reason of `this.signal` if
   *   the run is over
   * @example const card = await this.step('charge', ({ key }) => pay(user, { idempotencyKey: key }), { tries:
   *   5 })
   */
  step<T>(
    name: StepName,
    work: (context: StepContext) => T | PromiseLike<T>,
    options?: StepOptions<T>,
  ): Promise<T> {
    return this.#steps('step', (steps) => steps.step(name, work, options))
  }

  /**
   * A step that writes to a database of the application exactly once. Its writes and the record that the step
   * is done are committed together. `step` runs its function again if the worker dies before the result is
   * stored. `stepIn` does not run its function again: the next run gets the result that was committed. The
   * database needs the table that `lark outbox:sql` prints.
   *
   * @param db an object that can open a transaction: a Drizzle or Kysely database, a Prisma client, a pool or
   *   client of `pg`, `postgres` or `mysql2`, an SQLite database, or a `TransactionOpener`
   * @param name as in `step`
   * @param work the function, which gets the transaction. With SQLite clients whose statements are
   *   synchronous, the function must be synchronous too
   * @param options as in `step`; `undo` also gets a transaction, and is called only if the step committed
   * @returns the value that the function returned: JSON of at most 512 KiB. The value that a database client
   *   returns for a statement without rows does not count as a result
   * @throws the errors of `step`; OUTBOX_NO_TABLE
   * @example await this.stepIn(db, 'book', (tx) => tx.insert(orders).values(order))
   */
  stepIn<Db, T>(
    db: Db,
    name: StepName,
    work: (tx: TransactionOf<Db>, context: StepContext) => T | PromiseLike<T>,
    options?: StepInOptions<T, TransactionOf<Db>>,
  ): Promise<T> {
    const open = (mayBeStub: boolean) => stepDatabase<TransactionOf<Db>>(db, mayBeStub)
    return this.#steps('stepIn', (steps) => steps.stepIn(open, name, work, options))
  }

  /**
   * Iterates over a large set, and stores the position after each lot of items. A lot has at least 100 items,
   * and at least a thousandth of the items that are done. After a crash, the next run continues at the first
   * item of the lot, so some items come twice. With `exact`, only the last item may come twice. After all
   * items have come, a later run gets no items.
   *
   * @param name unique in a run
   * @param page the function that reads some items and returns `{ items, cursor }`. The function is called
   *   with the `cursor` of the previous page, and the first time with undefined. A page without a `cursor` is
   *   the last page
   * @param options `exact`: stores the position after each item, with one write for each item. A job has room
   *   for 10,000 such writes
   * @throws the errors of `page`; STEP_INVALID, STEP_TWICE, STEP_OUTSIDE, STEPS_TOO_MANY
   * @example for await (const row of this.eachItem('rows', readRows)) await index(row)
   */
  async *eachItem<T, C = unknown>(
    name: StepName,
    page: (cursor: C | undefined) => ItemsPage<T, C> | Promise<ItemsPage<T, C>>,
    options?: EachItemOptions,
  ): AsyncGenerator<T, void, undefined> {
    yield* await this.#steps('eachItem', async (steps) => steps.eachItem(name, page, options))
  }

  /**
   * Waits, for days if needed. After a second the job is suspended: it frees its slot and its permits, and is
   * `delayed` until the time has come. After that, a new run of the job continues here, with the stored
   * results of the earlier steps. Code between steps runs again.
   *
   * @param name unique in a run
   * @param duration milliseconds, or `'30s'`, `'5m'`, `'2h'`, `'3d'`
   * @throws STEP_INVALID, STEP_TWICE, STEP_OUTSIDE; the reason of `this.signal` if the run is over
   * @example await this.sleep('cool down', '3d')
   */
  sleep(name: StepName, duration: Duration): Promise<void> {
    return this.#steps('sleep', (steps) => steps.sleep(name, duration))
  }

  /**
   * Waits for a signal that `handle.send()` or `lark jobs:send` sends. A signal is kept for the job from the
   * moment when it is sent, whether or not the job is waiting for it. Signals with the same name are taken in
   * the order in which they arrived. While the job waits, it is suspended as in `sleep`.
   *
   * @param signals signals made by `defineSignal`: one signal, or an object with several signals. The first
   *   signal that arrives counts
   * @param options `timeout`: how long to wait. `name`: a name for this wait, which is needed if the job
   *   waits for the same signals more than once
   * @returns `{ value }`, or `{ name, value }` if there are several signals; undefined after the timeout
   * @throws as `sleep`
   * @example const answer = await this.waitFor({ approved, rejected }, { timeout: '7d' })
   */
  waitFor<S extends SignalKind<unknown> | Readonly<Record<string, SignalKind<unknown>>>>(
    signals: S,
    options?: WaitOptions,
  ): Promise<Waited<S> | undefined> {
    return this.#steps('waitFor', (steps) => steps.waitFor(signals, options))
  }

  /**
   * Runs another job and waits until it has ended, as `waitFor` waits for a signal. The other job is queued
   * only once, whatever happens to this job. The other job runs in its own queue, with its own tries.
   *
   * @param name unique in a run
   * @param draft the draft of the other job. The draft must not have an id, and the unique lock of the other
   *   job must not allow a later job to replace it
   * @param options `timeout`: how long to wait. `undo`: as in `step`
   * @returns the stored result of the other job
   * @throws `StepError` if the other job ends without completing, with `child`, and with the `code` that
   *   `handle.result()` would throw; the errors of a dispatch; the errors of `sleep`
   * @example const pdf = await this.runJob('report', new ReportJob().with({ user }))
   */
  runJob<J extends JobLike>(
    name: StepName,
    draft: Draft<J>,
    options?: RunJobOptions<KeptResult<J>>,
  ): Promise<KeptResult<J>> {
    try {
      const drafted = readDraft(draft, 'runJob()')
      return this.#steps('runJob', (steps) => steps.runJob(name, drafted, options))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /**
   * Asks a person who has no access to the store. This method makes a token that is valid for one answer,
   * calls `send` to send the token to the person, and waits for the answer as `waitFor` does. The store keeps
   * only a hash of the token. `Jobs.redeem()` answers the approval, and `Jobs.approvalPage()` makes a web
   * page on which a person answers.
   *
   * @param name unique in a run
   * @param options `send`: the function that sends the `token`. It also gets the arguments that the function
   *   of a step gets. `timeout`: how long to wait. `title`: the question, for people
   * @returns `{ value }` with the value that was passed to `Jobs.redeem()`; undefined after the timeout
   * @throws as `step`
   * @example const answer = await this.approval('publish', { timeout: '7d', send: ({ token }) => mail(token)
   *   })
   */
  approval<T = boolean>(name: StepName, options: ApprovalOptions): Promise<{ value: T } | undefined> {
    const answer = this.#steps('approval', (steps) => steps.approval(name, options))
    return answer as Promise<{ value: T } | undefined>
  }

  /**
   * Reports the progress of the job. The latest report is kept with the job, and `handle.progress()` and
   * `jobs:show` show it, even after the job has ended. The report reaches the store within a quarter of a
   * second while somebody watches the job, and otherwise with the next renewal of its lease. Therefore this
   * method may be called often.
   *
   * @param note for people
   * @throws PROGRESS_INVALID if the report is not JSON or has more than 4 KiB
   * @example this.progress(done, rows.length, `reading ${file}`)
   */
  progress(done: number, total: number, note?: string): void
  /** Reports any small JSON value as the progress of the job. */
  progress(value: unknown): void
  progress(first: unknown, total?: number, note?: string): void {
    const value = total === undefined ? first : { done: first, total, note }
    this[jobInside]?.run?.report(encode(value ?? null, this.constructor.name, 'progress'))
  }

  /** Writes a line with the job's name and id. The line is also kept with the job. */
  info(text: string): void {
    this.#write('info', text)
  }

  /** Writes a line like `info`, for a success. */
  success(text: string): void {
    this.#write('success', text)
  }

  /** Writes a line like `info`, for a warning. */
  warn(text: string): void {
    this.#write('warn', text)
  }

  /** Writes a line like `info`, for an error. The job goes on. */
  error(text: string): void {
    this.#write('error', text)
  }

  /** @param call the name of the method that the job has called, for messages */
  #steps<T>(call: string, act: (steps: Steps) => Promise<T>): Promise<T> {
    const steps = this[jobInside]?.run?.steps as Steps | Promise<Steps> | undefined
    // If the code for steps is loaded, the step begins synchronously, because a step that the handler does
    // not await must be known when the handler returns.
    if (steps !== undefined) return steps instanceof Promise ? steps.then(act) : act(steps)
    return Promise.reject(
      new JobsError(
        'STEP_OUTSIDE',
        `${this.constructor.name}: ${call}() was called while the job does not run`,
        { hint: 'Only handle() has steps.' },
      ),
    )
  }

  #decide(decision: Decision): never {
    this[jobInside]?.run?.decide(decision)
    throw decision.error
  }

  #write(level: LogLevel, text: string): void {
    const run = this[jobInside]?.run
    if (run === undefined) print(this.constructor.name, undefined, level, text)
    else run.write(level, String(text))
  }
}

branded(Job, (value) => typeof value === 'object' && value !== null && jobBrand in value)

const { retryIf, failed, cancelled } = Job.prototype
for (const method of [retryIf, failed, cancelled]) Object.assign(method, { [idle]: true })

const neverAborted = new AbortController().signal
