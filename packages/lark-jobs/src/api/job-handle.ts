/**
 * A handle: one job in the store, seen from the process that dispatched it or from any other. It keeps the id of the
 * job and where it is, and asks the store anew with every call.
 */
import { type Duration, durationForm, milliseconds } from '../model/duration.ts'
import { JobsError } from '../model/errors.ts'
import { shown } from '../model/secret.ts'
import { closing, open, watcher } from '../operate/operations.ts'
import type { AwaitedBy, KeptResult, ResultOptions } from '../operate/results.ts'
import type { JobDetail, JobPlace, JobStatus, OpenQueues } from '../operate/stored-jobs.ts'
import type { JobLike } from '../options/job-class.ts'
import type { Rejection } from '../options/unique.ts'
import type { Change } from '../store/contract/store.ts'

/**
 * One job in the store. Dispatching a draft resolves to a handle, and `Jobs.handle(ImportJob, id)` makes one in another
 * process.
 *
 * @example
 * const handle = await new ImportJob().with({ file: 'a.csv' }).dispatch()
 * response.json({ id: handle.id })
 * @example const state = (await Jobs.handle(ImportJob, id).status())?.state
 */
export class JobHandle<J extends JobLike = JobLike> {
  /**
   * The id of the job. If the dispatch was rejected because of another job, or replaced the payload of another job, it
   * is the id of that job.
   */
  readonly id: string
  readonly queue: string
  /** `false` only if the dispatch was rejected on purpose. */
  readonly queued: boolean
  /** Why the dispatch was rejected. */
  readonly rejection: Rejection | undefined
  readonly #jobs: AwaitedBy
  readonly #place: JobPlace

  /** @internal */
  constructor(jobs: AwaitedBy, place: JobPlace, rejection?: Rejection) {
    this.#jobs = jobs
    this.#place = place
    this.id = place.id
    this.queue = place.queue
    this.queued = rejection === undefined
    this.rejection = rejection
  }

  /**
   * The state of the job, its times, its counters, its errors, and the value that `handle` returned. Undefined if the
   * record of the job is not kept any more.
   */
  async status(): Promise<JobStatus<J> | undefined> {
    const opened = await this.#opened()
    const { statusAt } = await operations()
    return statusAt<J>(opened, this.#place)
  }

  /**
   * Waits until the job has ended, in whichever process it runs. It may be called any number of times, before and after
   * the end; thousands of waits in a process share one subscription. It goes on while the store is away.
   *
   * If the dispatch was rejected because of another job, this is the result of that job.
   *
   * @returns what `handle` returned; `undefined` if that was `true` or nothing
   * @throws JOB_FAILED, with the last error of the job as `cause`; JOB_CANCELLED, with a `reason`; JOB_REMOVED;
   *   RESULT_TIMEOUT; RESULT_GONE if the record of the job is not kept any more; RESULT_DROPPED if what `handle` returned
   *   is not JSON; JOB_NOT_QUEUED if the queue was full; the reason of `signal`; STORE_UNREACHABLE when the instance of
   *   `Jobs` is closed; JOB_INVALID for a timeout that is not valid; UNKNOWN_QUEUE
   * @example const { rows } = await handle.result({ timeout: '5m' })
   */
  async result(options: ResultOptions = {}): Promise<KeptResult<J>> {
    // Before anything is awaited: `close()` may be called next.
    const closed = this.#jobs[closing]
    const { notQueued, resultAt } = await import('../operate/results.ts')
    if (this.rejection?.reason === 'full') throw notQueued(this.#place)
    return resultAt<J>(this.#jobs, closed, this.#place, options)
  }

  /**
   * What the job has reported last by `this.progress()`: `{ done, total, note }`, or the value that it gave. Undefined if it
   * has reported nothing, or is not there any more. While it is called again and again, it is at most about a quarter of a
   * second old.
   */
  async progress(): Promise<unknown> {
    const opened = await this.#jobs[watcher]()
    const { progressAt } = await import('../operate/results.ts')
    return progressAt(opened, this.#place)
  }

  /** The whole job, with its payload and its log; undefined if its record is not kept any more. */
  async find(): Promise<JobDetail<J> | undefined> {
    const opened = await this.#opened()
    const { findAt } = await operations()
    return findAt<J>(opened, this.#place)
  }

  /**
   * Cancels the job. A job that does not run ends at once; the `signal` of a running job is aborted, in whichever
   * process it runs.
   *
   * @returns `false` if the job had ended, or is not there any more
   */
  cancel(): Promise<boolean> {
    return this.#alter({ kind: 'cancel', reason: 'user' })
  }

  /** Makes a delayed job due now. @returns `false` if the job is not delayed */
  runNow(): Promise<boolean> {
    return this.#alter({ kind: 'run-now' })
  }

  /**
   * Makes a job that has not begun, or waits for a retry, due after this time, counted from now.
   *
   * @param delay milliseconds, or `'30s'`, `'5m'`
   * @returns `false` if the job runs or has ended, or is not there any more
   * @throws JOB_INVALID if the delay is not valid
   */
  async reschedule(delay: Duration): Promise<boolean> {
    const ms = milliseconds(delay)
    if (ms !== undefined) return this.#alter({ kind: 'reschedule', in: ms })
    const message = `${this.id}: reschedule() was given ${shown(delay)}; it must be ${durationForm}`
    throw new JobsError('JOB_INVALID', message, { id: this.id })
  }

  /**
   * Removes the job from the store, with its log. A running job is not removed.
   *
   * @returns `false` if the job runs, or is not there any more
   */
  remove(): Promise<boolean> {
    return this.#alter({ kind: 'remove' })
  }

  async #alter(change: Change): Promise<boolean> {
    const opened = await this.#opened()
    const { alterAt } = await operations()
    const verdict = await alterAt(opened, this.#place, change)
    return verdict === 'done' || verdict === 'asked'
  }

  async #opened(): Promise<OpenQueues> {
    const { store, settings } = await this.#jobs[open]()
    return { store, queues: settings.partitions }
  }
}

/** Loaded with the first question about a job, because most processes only dispatch. */
function operations() {
  return import('../operate/stored-jobs.ts')
}
