/**
 * A draft is a job that is not dispatched yet: its class, its payload, and settings for this one job. A draft
 * never changes, because each of its methods returns another draft. Therefore a draft may be kept, shared,
 * and dispatched several times, even at the same time. The settings and the payload are checked when the
 * draft is dispatched.
 */

import { branded } from '@s18i/lark/internal'
import type { Drafted } from '../dispatch/new-job.ts'
import type { BackoffOption } from '../model/backoff.ts'
import { symbolPrefix } from '../model/copies.ts'
import { JobsError } from '../model/errors.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import type { JobLike } from '../options/job-class.ts'
import type { WrittenSettings } from '../options/job-settings.ts'
import type { IdOptions } from '../options/own-id.ts'
import type { TransactionHandle } from '../outbox/transaction.ts'
import type { Duration } from '../words/duration.ts'
import { shown } from '../words/secret.ts'
import { saysOf } from './dispatch-by-key.ts'
import type { JobHandle } from './job-handle.ts'

/** The key under which a draft keeps its data, for other copies of this package. @internal */
const drafted = Symbol.for(`${symbolPrefix}.drafted`)

/** The part of an instance of `Jobs` that a draft uses. @internal */
export interface DraftDispatcher {
  dispatchDrafts(drafts: readonly Draft[]): Promise<JobHandle[]>
}

/**
 * A job that is not dispatched yet. `job.with(payload)` and `ImportJob.with(payload)` make drafts.
 *
 * @example
 * const handle = await new ImportJob().with({ file: 'a.csv' }).delayed('5m').dispatch()
 * @example await Jobs.dispatch([ImportJob.with({ file: 'a.csv' }), ReportJob.with({ month: '2026-11' }).onQueue('slow')])
 */
export class Draft<J extends JobLike = JobLike> {
  /** @internal */
  readonly [drafted]: Drafted
  readonly #jobs: DraftDispatcher

  /** @internal */
  constructor(jobs: DraftDispatcher, says: Drafted) {
    this.#jobs = jobs
    this[drafted] = says
    Object.freeze(this)
  }

  /**
   * The same job under an id that you choose. As long as the record of the job is kept, its queue rejects
   * another job with this id, and `handle.rejection` has the state of the first job. Therefore it is safe to
   * repeat the dispatch.
   *
   * @param id 1 to 100 characters, without white space, colons and control characters
   * @param options `reuse: 'ended'`: if a job with this id has ended, the new job replaces it
   * @example const handle = await InvoiceJob.with({ order: 77 }).withId('invoice-77').dispatch()
   */
  withId(id: string, options: IdOptions = {}): Draft<J> {
    return new Draft(this.#jobs, { ...this[drafted], ownId: { id, options } })
  }

  /** The same job on another queue. */
  onQueue(queue: string): Draft<J> {
    return this.#with({ queueName: queue })
  }

  /** The same job with a delay, after which it is due: milliseconds, or `'30s'`, `'5m'`. */
  delayed(delay: Duration): Draft<J> {
    return this.#with({ delay })
  }

  /** The same job with another priority: -1,000…1,000, higher first. */
  prioritized(priority: number): Draft<J> {
    return this.#with({ priority })
  }

  /** The same job with another number of attempts. The first attempt counts, too. */
  withTries(tries: number): Draft<J> {
    return this.#with({ tries })
  }

  /**
   * The same job with other pauses before its retries. A function is refused, because a function cannot be
   * stored with a job.
   */
  withBackoff(backoff: Exclude<BackoffOption, (...args: never) => unknown>): Draft<J> {
    return this.#with({ backoff })
  }

  /** The same job with another timeout: the time that an attempt may take. */
  withTimeout(timeout: Duration): Draft<J> {
    return this.#with({ timeout })
  }

  /**
   * The same job with a limit on the time until it begins. A job that has not begun this long after it was
   * due is cancelled. See `Job.expiresIn`.
   */
  expiresIn(expiresIn: Duration): Draft<J> {
    return this.#with({ expiresIn })
  }

  /**
   * The same job with a limit on the time for retries: attempts may begin until this long after the job was
   * due. See `Job.retryUntil`.
   */
  retryUntil(retryUntil: Duration): Draft<J> {
    return this.#with({ retryUntil })
  }

  /**
   * The same job with additional tags, by which people find the job. A job has at most 10 tags, each of at
   * most 64 characters.
   */
  tagged(...tags: string[]): Draft<J> {
    const says = this[drafted]
    return new Draft(this.#jobs, { ...says, tags: [...(says.tags ?? []), ...tags] })
  }

  /**
   * The same job with several options at once, for code that has the options in an object.
   * `Jobs.dispatchByKey()` takes the same options. An option that is `undefined` is ignored.
   *
   * @throws JOB_INVALID for an option that does not exist, and for `reuse` without an id
   * @example await SendEmailJob.with({ to }).withOptions({ id: request.id, delay: request.delay, priority: 5
   *   }).dispatch()
   */
  withOptions(options: DispatchOptions): Draft<J> {
    const says = this[drafted]
    const { fields, ownId = says.ownId } = saysOf('withOptions()', options)
    return new Draft(this.#jobs, { ...says, fields: { ...says.fields, ...fields }, ...(ownId && { ownId }) })
  }

  /**
   * The same job as part of a transaction of the application: the job is queued if and only if the
   * transaction commits.
   *
   * @param tx the handle of the transaction: see `TransactionHandle`
   * @example await db.transaction(async (tx) => { await CleanJob.with().in(tx).dispatch() })
   */
  in(tx: TransactionHandle): Draft<J> {
    return new Draft(this.#jobs, { ...this[drafted], transaction: { tx } })
  }

  /**
   * Queues the job. Each call queues another job.
   *
   * @returns a handle. Its `queued` is `false` only if the job was rejected on purpose, and `rejection` says
   * why
   * @throws the errors of `Job.dispatch`
   */
  async dispatch(): Promise<JobHandle<J>> {
    const [handle] = await this.#jobs.dispatchDrafts([this])
    return handle as JobHandle<J>
  }

  #with(fields: WrittenSettings): Draft<J> {
    const says = this[drafted]
    return new Draft(this.#jobs, { ...says, fields: { ...says.fields, ...fields } })
  }
}

/** The type of the handles that dispatching a list of drafts returns, one handle for each draft. */
export type HandlesOf<D extends readonly Draft[]> = {
  -readonly [I in keyof D]: D[I] extends Draft<infer J> ? JobHandle<J> : never
}

export function isDraft(value: unknown): value is Draft {
  return typeof value === 'object' && value !== null && drafted in value
}

/** The data of a draft, also if another copy of this package made the draft. @internal */
export function insideOfDraft(draft: Draft): Drafted {
  return draft[drafted]
}

/**
 * Reads the data of a draft.
 *
 * @param where the call that was given the draft
 * @throws JOB_INVALID if the value is not a draft
 */
export function readDraft(value: unknown, where = 'Jobs.dispatch()'): Drafted {
  if (isDraft(value)) return insideOfDraft(value)
  const message = `${where} was given ${shown(value)}${where === 'Jobs.dispatch()' ? ' in the list' : ''}; it must be a draft`
  throw new JobsError('JOB_INVALID', message, { hint: 'A draft is what job.with(payload) returns.' })
}

branded(Draft, isDraft)
