/**
 * A handle stands for one job in the store, in the process that dispatched the job or in any other process.
 * The handle knows only the id and the place of the job. Each call asks the store again.
 */

import type { CancelOptions, RemoveOptions } from '../operate/change/changed.ts'
import type { JobChange, OpenChange } from '../operate/change/row.ts'
import type { SendOptions } from '../operate/change/send.ts'
import type { KeptResult, ResultOptions } from '../operate/events/results.ts'
import type { ChangeOptions } from '../operate/look/filter.ts'
import type { JobDetail, JobPlace, JobStatus } from '../operate/look/stored-jobs.ts'
import type { Operated } from '../operate/operated.ts'
import type { JobLike, PayloadOf } from '../options/job-class.ts'
import type { Rejection } from '../options/unique.ts'
import type { SignalKind } from '../step/signal.ts'
import type { Duration } from '../words/duration.ts'

/** How `handle.cancel()` cancels. */
export type HandleCancelOptions = Pick<CancelOptions, 'because' | 'ifNotBegun'>
/**
 * The arguments of `send` after the signal: the value, if the signal carries a value, and then the options.
 */
export type SendArguments<T> = undefined extends T
  ? [value?: T, options?: SendOptions]
  : [value: T, options?: SendOptions]
/** How `handle.remove()` removes. */
export type HandleRemoveOptions = Pick<RemoveOptions, 'ifNotBegun'>

/**
 * One job in the store. Dispatching a draft resolves to a handle, and `Jobs.handle(ImportJob, id)` makes a
 * handle in another process.
 *
 * @example
 * const handle = await new ImportJob().with({ file: 'a.csv' }).dispatch()
 * response.json({ id: handle.id })
 * @example const state = (await Jobs.handle(ImportJob, id).status())?.state
 */
export class JobHandle<J extends JobLike = JobLike> {
  /**
   * The id of the job. If the dispatch was rejected because of another job, or replaced the payload of
   * another job, this is the id of that other job.
   */
  readonly id: string
  readonly queue: string
  /** `false` only if the dispatch was rejected on purpose. */
  readonly queued: boolean
  /** Why the dispatch was rejected. */
  readonly rejection: Rejection | undefined
  /**
   * Whether the job was dispatched in a transaction. Such a job is queued after the transaction has
   * committed, and only then is it known whether it was rejected.
   */
  readonly inTransaction: boolean
  readonly #jobs: Operated
  readonly #place: JobPlace

  /** @internal */
  constructor(jobs: Operated, place: JobPlace, rejection?: Rejection, inTransaction = false) {
    this.#jobs = jobs
    this.#place = place
    this.id = place.id
    this.queue = place.queue
    this.queued = rejection === undefined
    this.rejection = rejection
    this.inTransaction = inTransaction
  }

  /**
   * The state of the job, its times, its counters, its errors, and the value that `handle()` returned.
   * Undefined if the record of the job is no longer kept.
   */
  async status(): Promise<JobStatus<J> | undefined> {
    const opened = await this.#opened()
    const { statusAt } = await operations()
    return statusAt<J>(opened, this.#place)
  }

  /**
   * Waits until the job has ended. The job may run in any process. This method may be called any number of
   * times, before and after the job has ended. All waits in a process share one subscription, even thousands
   * of them. If the store becomes unreachable, the wait goes on until the store answers again.
   *
   * If the dispatch was rejected because of another job, this method waits for that other job. If the job was
   * dispatched in a transaction, this method also waits until the job is in the store: for `timeout`, or for
   * a minute without one.
   *
   * @returns what `handle()` returned; `undefined` if it returned `true` or nothing
   * @throws JOB_FAILED, with the last error of the job as `cause`; JOB_CANCELLED, with a `reason`;
   *   JOB_REMOVED; RESULT_TIMEOUT; RESULT_GONE if the record of the job is not kept any more; RESULT_DROPPED
   *   if what `handle()` returned is not JSON; JOB_NOT_QUEUED if the queue was full; the reason of `signal`;
   *   STORE_UNREACHABLE when the instance of `Jobs` is closed; JOB_INVALID for a timeout that is not valid;
   *   UNKNOWN_QUEUE
   * @example const { rows } = await handle.result({ timeout: '5m' })
   */
  async result(options: ResultOptions = {}): Promise<KeptResult<J>> {
    // The signal is read before anything is awaited, because the caller may call `close()` right after this
    // call.
    const closed = this.#jobs.closing
    const { notQueued, resultAt } = await import('../operate/events/results.ts')
    if (this.rejection?.reason === 'full') throw notQueued(this.#place)
    return resultAt<J>(this.#jobs, closed, this.#place, options, this.inTransaction)
  }

  /**
   * What the job last reported with `this.progress()`: `{ done, total, note }`, or the value that was passed.
   * Undefined if the job has reported nothing or no longer exists. If this method is called repeatedly, the
   * answers are at most about a quarter of a second old.
   */
  async progress(): Promise<unknown> {
    const opened = await this.#jobs.watcher()
    const { progressAt } = await import('../operate/events/results.ts')
    return progressAt(opened, this.#place)
  }

  /**
   * Everything that is stored about the job, including its payload and its log. Undefined if the record of
   * the job is no longer kept.
   */
  async find(): Promise<JobDetail<J> | undefined> {
    const opened = await this.#opened()
    const { findAt } = await operations()
    return findAt<J>(opened, this.#place)
  }

  /**
   * Cancels the job. A job that is not running ends at once. If the job is running, its `signal` is aborted,
   * no matter in which process the job runs.
   *
   * @param options the reason, for people: a text, or `{ because }`. The first 200 characters of the reason
   *   are kept with the job and passed to its hook `cancelled`. `ifNotBegun`: leaves the job unchanged if it
   *   is running or has run before. The store checks this and cancels in one step
   * @returns `false` if the job had ended or no longer exists; with `ifNotBegun`, also if it had begun
   * @throws JOB_INVALID for an option that is not valid
   * @example await handle.cancel('the order was returned')
   * @example const isStopped = await handle.cancel({ because: 'sold out', ifNotBegun: true })
   */
  async cancel(options: string | HandleCancelOptions = {}): Promise<boolean> {
    const { cancel } = await jobChanges()
    return this.#change(cancel, undefined, typeof options === 'string' ? { because: options } : options)
  }

  /** Makes a delayed job due now. @returns `false` if the job is not delayed */
  async runNow(): Promise<boolean> {
    const { 'run-now': runNow } = await jobChanges()
    return this.#change(runNow)
  }

  /**
   * Makes the job due after a delay from now. The job must not have begun, or must be waiting for a retry.
   *
   * @param delay milliseconds, or `'30s'`, `'5m'`
   * @returns `false` if the job is running, has ended, or no longer exists
   * @throws JOB_INVALID if the delay is not valid
   */
  async reschedule(delay: Duration): Promise<boolean> {
    const { reschedule } = await jobChanges()
    return this.#change(reschedule, delay)
  }

  /**
   * Gives the job another priority. The job must not have begun, or must be waiting for a retry. Jobs of the
   * same priority are still ordered by the time at which they were queued or are due.
   *
   * @returns `false` if the job is running, has ended, or no longer exists, or if 256 other priorities are in
   *   use in its queue
   * @throws JOB_INVALID if the priority is not valid
   */
  async prioritize(priority: number): Promise<boolean> {
    const { prioritize } = await jobChanges()
    return this.#change(prioritize, priority)
  }

  /**
   * Moves the job to another queue, with all its data. The job must not have begun, or must be waiting for a
   * retry. This handle still finds the job afterwards, but `handle.queue` remains the queue of the dispatch.
   *
   * @returns `false` if the job is running, has ended, or no longer exists, or if the new queue has a job
   *   with the same id or the same unique lock
   * @throws JOB_INVALID, UNKNOWN_QUEUE
   */
  async move(queue: string): Promise<boolean> {
    const { move } = await jobChanges()
    return this.#change(move, queue)
  }

  /**
   * Replaces the payload of a job that is not running. The new payload is checked as in a dispatch. The job's
   * `options.editedAt` says when the job was edited. The group, the unique lock, the limiter and the tags do
   * not change.
   *
   * @param options `force`: also edits a job whose steps have recorded something
   * @returns `false` if the job is running or no longer exists
   * @throws JOB_NOT_EDITABLE if the steps of the job have recorded something; PAYLOAD_INVALID,
   *   PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, JOB_INVALID, COMMAND_NOT_EDITABLE
   * @example await handle.edit({ file: 'b.csv' })
   */
  async edit(payload: PayloadOf<J>[0], options: { force?: boolean } = {}): Promise<boolean> {
    const { edit } = await jobChanges()
    return this.#change(edit, payload, options)
  }

  /**
   * Adds tags to the job, in any state. A job has at most 10 tags, each of at most 64 characters.
   *
   * @returns `false` if the job would have more than 10 tags or no longer exists
   * @throws JOB_INVALID for tags that are not valid
   */
  async tag(...tags: string[]): Promise<boolean> {
    const { tag } = await jobChanges()
    return this.#change(tag, tags)
  }

  /** Removes tags from the job. @returns `false` if the job no longer exists @throws the errors of `tag` */
  async untag(...tags: string[]): Promise<boolean> {
    const { untag } = await jobChanges()
    return this.#change(untag, tags)
  }

  /**
   * Sends a signal to the job, which receives it with `this.waitFor()`. The store keeps the signal until the
   * job takes it, whether or not the job is waiting yet. If the application chose the id of the job, the
   * signal may be sent before the job is dispatched. Such a signal is kept for an hour.
   *
   * @param signal a signal that `defineSignal` made
   * @param value a JSON value. If the signal has a schema, the value is checked against this schema
   * @param options `id`: a signal that is sent several times with this id is kept only once
   * @returns `false` if the job has ended, or if there is no such job
   * @throws STEP_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, PAYLOAD_INVALID, SIGNALS_FULL
   * @example await Jobs.handle(OnboardJob, 'order-7').send(approved, { by: 'ada' }, { id: 'click-81' })
   */
  async send<T>(
    signal: SignalKind<T, unknown>,
    ...[value, options = {}]: SendArguments<NoInfer<T>>
  ): Promise<boolean> {
    const { readSignal, sendAt, sendNow } = await import('../operate/change/send.ts')
    const read = await readSignal(signal as SignalKind<unknown>, value, options)
    return sendNow(this.#jobs, this.id, read) ?? sendAt(await this.#opened(), this.#place, read)
  }

  /**
   * Removes the job from the store, with its log. A running job is not removed.
   *
   * @param options `ifNotBegun`: leaves the job unchanged if it has run before
   * @returns `false` if the job is running or no longer exists; with `ifNotBegun`, also if it has run before
   * @throws JOB_INVALID for an option that is not valid
   */
  async remove(options: HandleRemoveOptions = {}): Promise<boolean> {
    const { remove } = await jobChanges()
    return this.#change(remove, undefined, options)
  }

  /** @param given the argument of the change, such as the new priority */
  async #change<Options extends ChangeOptions, Answer, Value>(
    change: JobChange<Options, Answer, Value>,
    given?: unknown,
    options?: object,
  ): Promise<boolean> {
    const { changeAt } = await import('../operate/change/row.ts')
    return changeAt(change, this.#place, () => this.#opened(), given, options)
  }

  async #opened(): Promise<OpenChange> {
    const { store, settings } = await this.#jobs.open()
    return { store, settings, queues: settings.partitions }
  }
}

/** Loads the code that reads jobs when it is first needed, because most processes only dispatch. */
function operations() {
  return import('../operate/look/stored-jobs.ts')
}

/** Loads the code that changes jobs when it is first needed, because most processes only dispatch. */
async function jobChanges() {
  return (await import('../operate/change/job-changes.ts')).jobChanges
}
