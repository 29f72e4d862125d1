/**
 * The `JobScheduler` of BullMQ, an object that has only the methods for the job schedulers of a queue.
 * `Queue` has the same methods.
 */
import { opened, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refuseMethods, refuseProperties } from '../compared/unsupported.ts'
import { BullEmitter, type IoredisListener } from '../events/emitter.ts'
import type { BullJob } from '../job/bull-job.ts'
import type { RepeatOptions } from '../job/repeat-options.ts'
import { type JobHome, type QueueBaseOptions, SharedStore } from '../store/shared-store.ts'
import { type JobSchedulerJson, JobSchedulers, type JobSchedulerTemplateOptions } from './job-schedulers.ts'
import { readQueue } from './queue-name.ts'

export interface JobSchedulerListener extends IoredisListener {
  error: (error: Error) => void
}

export class JobScheduler extends BullEmitter<JobSchedulerListener> implements AsyncDisposable {
  readonly name: string
  readonly opts: QueueBaseOptions
  readonly #home: JobHome
  readonly #schedulers: JobSchedulers
  #closing: Promise<void> | undefined

  /** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
  constructor(name: string, opts: QueueBaseOptions = {}) {
    const who = `JobScheduler ${shown(name)}`
    super(who, 'events of FlowProducer')
    const queue = readQueue(who, name)
    this.name = name
    this.opts = checkOptions(who, 'options of Queue', opts)
    this.#home = { store: SharedStore.of(who, opts, queue, name), queue }
    this.#schedulers = new JobSchedulers(who, this.#home)
  }

  /** The prefix and the name of the queue: `prefix:queue`. @throws Error if the prefix is not known yet */
  get qualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /** The promise that `close()` has returned. Undefined before `close()` was called. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  /** Makes a job scheduler, or changes an existing job scheduler. @returns the job of its next tick */
  async upsertJobScheduler(
    id: string,
    repeat: RepeatOptions,
    name: string,
    data: unknown,
    opts: JobSchedulerTemplateOptions = {},
    _options?: { override?: boolean; producerId?: string },
  ): Promise<BullJob | undefined> {
    return await this.#schedulers.upsert(id, repeat, { name, data, opts }, {})
  }

  /** @returns 0 if the job scheduler was removed, or 1 if there is no such job scheduler */
  async removeJobScheduler(id: string): Promise<number> {
    return (await this.#schedulers.remove(id)) ? 0 : 1
  }

  async isJobScheduler(id: string): Promise<boolean> {
    return (await this.#schedulers.get(id)) !== undefined
  }

  getScheduler(id: string): Promise<JobSchedulerJson | undefined> {
    return this.#schedulers.get(id)
  }

  getJobSchedulers(start = 0, end = -1, asc = false): Promise<JobSchedulerJson[]> {
    return this.#schedulers.page(start, end, asc)
  }

  async getSchedulersCount(): Promise<number> {
    return (await this.#schedulers.list()).length
  }

  /** Resolves when the store is open. */
  async waitUntilReady(): Promise<void> {
    await opened(this.#home.store.jobs)
  }

  /** Closes this object. The store is closed with its last user in this process. */
  close(): Promise<void> {
    this.#closing ??= this.#home.store.leave()
    return this.#closing
  }

  disconnect(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
refuseMethods(JobScheduler.prototype, 'methods of JobScheduler')
refuseProperties(JobScheduler.prototype, 'properties of JobScheduler')
