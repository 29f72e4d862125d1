/**
 * What people do to the jobs in a store: look, retry, cancel, pause, resume. `Jobs`, the commands and dashboards call
 * it. Each call checks what it is given before it opens the store.
 */
import type { Settings } from '../config/config.ts'
import { readId, readIds } from '../model/id.ts'
import type { WorkerRecord } from '../model/record.ts'
import type { JobLike } from '../options/job-class.ts'
import { erase } from '../store/connect.ts'
import type { RedisServers } from '../store/contract/servers.ts'
import type { Durability, Store } from '../store/contract/store.ts'
import {
  type CancelFilter,
  type Cancelled,
  type CancelOptions,
  cancel,
  cancelAll,
  checkCancel,
  checkCancelOptions,
  count,
  countAll,
} from './cancel.ts'
import { all, checkFilter, type Flags } from './filter.ts'
import {
  checkPause,
  checkResume,
  type EveryQueue,
  type MetPause,
  type PauseOptions,
  type PauseTarget,
  pause,
  resume,
} from './pause.ts'
import { checkRetry, retry, retryFailed } from './retry.ts'
import { type Status, status } from './status.ts'
import {
  checkFailed,
  type FailedOptions,
  failed,
  find,
  type JobDetail,
  partitionsToLookIn,
  type StoredJob,
} from './stored-jobs.ts'

/** Where jobs are kept, as it is configured. */
export interface StorePlace {
  /** May contain a password. */
  connection: string | RedisServers
  /** What keys begin with on Redis. */
  prefix: string
  durability: Durability
}

export class Operate {
  readonly #open: () => Promise<{ store: Store; settings: Settings }>
  readonly #settings: () => Promise<Settings>
  readonly #names: Flags | undefined

  /**
   * @internal
   * @param names what messages call the conditions of a filter
   */
  constructor(
    open: () => Promise<{ store: Store; settings: Settings }>,
    settings: () => Promise<Settings>,
    names?: Flags,
  ) {
    this.#open = open
    this.#settings = settings
    this.#names = names
  }

  /**
   * The job with this id, with its log; undefined if there is none. `find<ImportJob>(id)` gives the payload and the
   * result the types of that class.
   *
   * @throws JOB_ID_INVALID for a value that cannot be the id of a job
   */
  async find<J extends JobLike = JobLike>(id: string): Promise<JobDetail<J> | undefined> {
    readId(id)
    const { store, settings } = await this.#open()
    return find<J>(store, settings.partitions, id)
  }

  /**
   * The jobs that failed for good, the last to fail first. Default: 100 jobs, of every queue.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   */
  async failed<J extends JobLike = JobLike>(options: FailedOptions = {}): Promise<StoredJob<J>[]> {
    checkFailed(options, this.#names)
    const { store, settings } = await this.#open()
    const partitions = await partitionsToLookIn(store, settings.partitions, options.queue)
    return failed<J>(store, partitions, options.limit ?? 100)
  }

  /**
   * Queues ended jobs again, each with all its tries.
   *
   * @param which one id, several ids, or `'failed'` for all failed jobs
   * @param named with `'failed'`: the queue whose jobs to retry. Default: every queue
   * @returns how many jobs
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_NOT_RETRIABLE, before any job is queued; FILTER_INVALID, UNKNOWN_QUEUE
   */
  async retry(which: string | readonly string[], ...named: [] | [queue: string]): Promise<number> {
    checkRetry(which, named, this.#names)
    const ids = which === 'failed' ? undefined : readIds(which)
    const { store, settings } = await this.#open()
    if (ids !== undefined) return (await retry(store, settings.partitions, ids)).length
    return retryFailed(store, await partitionsToLookIn(store, settings.partitions, named[0]))
  }

  /**
   * Cancels jobs, by id or by a filter. Jobs that do not run end at once; running jobs are asked to end.
   *
   * @param options `dryRun`: only counts the jobs
   * @throws JOB_ID_INVALID, JOB_NOT_FOUND, JOB_NOT_CANCELLABLE, before any job is cancelled; FILTER_INVALID,
   * UNKNOWN_QUEUE
   */
  async cancel(
    which: string | readonly string[] | CancelFilter,
    options: CancelOptions = {},
  ): Promise<Cancelled> {
    checkCancelOptions(options)
    const isFilter = typeof which === 'object' && which !== null && !(Symbol.iterator in which)
    if (isFilter) checkCancel(which, this.#names)
    const ids = isFilter ? undefined : readIds(which)
    const { store, settings } = await this.#open()
    if (ids !== undefined) return (options.dryRun ? count : cancel)(store, settings.partitions, ids)
    return (options.dryRun ? countAll : cancelAll)(store, settings.partitions, which as CancelFilter)
  }

  /**
   * Pauses a queue, or one group of it: none of its jobs starts, on any worker. Running jobs go on.
   *
   * @returns whether it was already paused; for a group, also whether it has jobs
   * @throws FILTER_INVALID, UNKNOWN_QUEUE, PAUSE_INVALID
   */
  async pause(options: PauseOptions | EveryQueue): Promise<MetPause> {
    checkPause(options, this.#names)
    const { store, settings } = await this.#open()
    return pause(store, settings.partitions, options)
  }

  /**
   * Resumes a queue, or one group of it.
   *
   * @returns whether it was paused; for a group, also whether it has jobs
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   */
  async resume(target: PauseTarget | EveryQueue): Promise<MetPause> {
    checkResume(target, this.#names)
    const { store, settings } = await this.#open()
    return resume(store, settings.partitions, target)
  }

  /** Every queue with its counts and what ended there lately, and the live workers. */
  async status(): Promise<Status> {
    const { store, settings } = await this.#open()
    return status(store, settings.partitions)
  }

  /** The live workers. */
  async workers(): Promise<WorkerRecord[]> {
    return (await this.#open()).store.workers()
  }

  /** The keys of all job classes that any worker of this store ever had, in alphabetical order. */
  async keys(): Promise<string[]> {
    return (await (await this.#open()).store.keys()).sort()
  }

  /** How many milliseconds the store takes to answer the smallest question. Opens it first, and does not count that. */
  async ping(): Promise<number> {
    const { store } = await this.#open()
    const asked = performance.now()
    await store.now()
    return performance.now() - asked
  }

  /** What people call the store: `redis://host:6379/0` or `sqlite:/path/jobs.db`, without a password. */
  async name(): Promise<string> {
    return (await this.#open()).store.name
  }

  /** Where the jobs are kept, as it is configured. The store is not opened. */
  async place(): Promise<StorePlace> {
    const { connection, prefix, durability } = await this.#settings()
    return { connection, prefix, durability }
  }

  /**
   * Removes the store with everything in it, for the temporary store of a test: the file of an embedded store, or on
   * Redis all keys of the prefix. No process may use the store meanwhile, so close this instance of `Jobs` before.
   *
   * @throws FILTER_INVALID without `{ all: true }`
   */
  async erase(what: { all: true }): Promise<void> {
    checkFilter('operate().erase()', what, { all }, ['all'])
    const { connection, prefix } = await this.#settings()
    await erase(connection, prefix)
  }
}
