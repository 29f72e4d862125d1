/**
 * `Jobs`: the way from a process to its store. It finds the configuration when it is first needed, opens the store
 * once, and hands out the dispatcher, workers, and what people ask of jobs.
 *
 *   unopened → opening → open → closed (and opening again, when used again)
 */
import { homeFolder } from '@s18i/lark/config'
import { type JobsConfig, loadSettings, resolveSettings, type Settings } from './config.ts'
import { chunksOf, Dispatcher } from './dispatch/dispatcher.ts'
import { newJobs } from './dispatch/new-job.ts'
import { JobsError } from './errors.ts'
import { dispatchedIds, type JobConstructor, type JobLike, type PayloadOf } from './job-class.ts'
import * as operate from './operate.ts'
import type { JobRecord, NewJob } from './record.ts'
import { connect } from './store/connect.ts'
import type { Enqueued, Store } from './store/store.ts'
import { CONCURRENCY, checkNames, type WorkerOptions } from './worker/options.ts'
import { PlainReport } from './worker/plain-report.ts'
import { registryOf } from './worker/registry.ts'
import type { Report } from './worker/report.ts'
import { Worker } from './worker/worker.ts'

/** How `Jobs.work` works. Everything is optional. */
export interface WorkOptions
  extends Pick<WorkerOptions, 'concurrency' | 'stopWhenEmpty' | 'maxJobs' | 'lease'> {
  /** Served strictly in this order. Default: every configured queue, in fair turns. */
  queues?: string | readonly string[]
  /** The job classes to run. Default: those found in the application's folders. */
  jobs?: readonly JobConstructor[]
  /** Who is told what happens. Default: job lines and failures go to stderr. */
  report?: Report
}

/** What is there once the store is open. */
export interface Opened {
  settings: Settings
  store: Store
  dispatcher: Dispatcher
  /** What the store has to say to people who start a worker on it. */
  warnings: string[]
}

export class JobsClient implements AsyncDisposable {
  readonly #load: () => Promise<Settings>
  #opened: Opened | undefined
  #opening: Promise<Opened> | undefined
  readonly #underway = new Set<Promise<unknown>>()
  readonly #workers = new Set<Worker>()
  readonly #starting = new Set<Promise<Worker>>()
  readonly #met = new Set<string>()

  constructor(load: () => Promise<Settings>) {
    this.#load = load
  }

  /**
   * Queues a job here instead of with the default instance: what `job.dispatch(payload)` does there.
   *
   * @example await createJobs({ connection: 'redis://other' }).dispatch(new SendEmailJob(), { to })
   */
  dispatch<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<boolean> {
    return this.enqueue(job, [(payload as readonly unknown[])[0]])
  }

  /** Queues one job a payload; see `Job.dispatchMany`. */
  dispatchMany<J extends JobLike>(job: J, payloads: readonly PayloadOf<J>[0][]): Promise<boolean> {
    return this.enqueue(job, payloads)
  }

  /** `dispatch` and `dispatchMany` without their types: one job a payload. */
  enqueue(job: JobLike, payloads: readonly unknown[]): Promise<boolean> {
    try {
      const { queue, records } = newJobs(job, payloads)
      return this.#track(this.#enqueue(job, queue, records))
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Resolves when every dispatch so far is answered, well or ill. Call it before `process.exit()`. */
  async flush(): Promise<void> {
    await Promise.allSettled([...this.#underway])
  }

  /**
   * Starts a worker in this process.
   *
   * @throws UNKNOWN_QUEUE, JOB_KEY_TAKEN, JOB_INVALID, WORKER_INVALID, and what opening the store throws
   * @example await using worker = await Jobs.work({ queues: ['emails'], concurrency: 20 })
   */
  work(options: WorkOptions = {}): Promise<Worker> {
    const starting = this.#work(options)
    this.#starting.add(starting)
    return starting.finally(() => this.#starting.delete(starting))
  }

  /** The job of an id with its log; undefined when there is none, or none any more. */
  async find(id: string): Promise<operate.JobDetail | undefined> {
    const { store, settings } = await this.open()
    return operate.find(store, settings.queues, id)
  }

  /** The jobs that failed for good, the last first. Default: 100, of every queue. */
  async failed(options: { queue?: string; limit?: number } = {}): Promise<JobRecord[]> {
    const { store, settings } = await this.open()
    const queues = await operate.queuesOf(store, settings.queues, options.queue)
    return operate.failed(store, queues, options.limit ?? 100)
  }

  /**
   * Puts ended jobs back to work: those of the ids, or with `'failed'` all that failed.
   *
   * @returns how many
   * @throws JOB_NOT_FOUND, JOB_NOT_RETRIABLE, before anything is put back
   */
  async retry(ids: readonly string[] | 'failed', queue?: string): Promise<number> {
    const { store, settings } = await this.open()
    if (ids !== 'failed') return (await operate.retry(store, settings.queues, ids)).length
    return operate.retryFailed(store, await operate.queuesOf(store, settings.queues, queue))
  }

  /** Queues with their counts, and the workers that live. */
  async status(): Promise<operate.Status> {
    const { store, settings } = await this.open()
    return operate.status(store, settings.queues)
  }

  /** Opens the store, unless it is open. What fails is tried again by the next call. */
  open(): Promise<Opened> {
    if (this.#opened !== undefined) return Promise.resolve(this.#opened)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** Stops the workers that were started here, flushes, and lets go of the store. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#starting])
    await Promise.all([...this.#workers].map((worker) => worker.stop()))
    await this.flush()
    await this.#opening?.catch(() => {})
    const opened = this.#opened
    this.#opened = undefined
    await opened?.store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #work(options: WorkOptions): Promise<Worker> {
    checkNames(options)
    const { queues, jobs, report = new PlainReport(), ...rest } = options
    const { settings, store, warnings } = await this.open()
    const named =
      queues === undefined ? undefined : [...new Set(typeof queues === 'string' ? [queues] : queues)]
    for (const queue of named ?? []) knownQueue(queue, settings)
    const { registry, remarks } = await registryOf(jobs, settings.folder, settings.paths)
    const served = named ?? settings.queues
    const worker = new Worker({
      ...rest,
      store,
      registry,
      queues: served,
      strict: named !== undefined,
      report,
    })
    const order = served.length < 2 ? '' : named === undefined ? ' in fair turns' : ' strictly in this order'
    const { concurrency = CONCURRENCY } = options
    report.info(`Serving ${store.name}: ${served.join(', ')}${order}, ${concurrency} at a time`)
    for (const remark of [...warnings, ...remarks]) report.warn(remark)
    this.#workers.add(worker)
    void worker.done.then(() => this.#workers.delete(worker))
    await worker.start()
    return worker
  }

  async #open(): Promise<Opened> {
    const settings = await this.#load()
    const store = await connect(settings.connection, settings.prefix)
    try {
      const warnings = await store.open()
      this.#opened = { settings, store, dispatcher: new Dispatcher(store), warnings }
      return this.#opened
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async #enqueue(job: JobLike, queue: string, records: NewJob[]): Promise<boolean> {
    // Once open, nothing is awaited before the dispatcher has it: what is dispatched in one tick travels together.
    const { settings, store, dispatcher } = this.#opened ?? (await this.open())
    knownQueue(queue, settings, job.constructor.name)
    const results: Enqueued[] = []
    for (const chunk of chunksOf(records)) {
      try {
        results.push(...(await dispatcher.send(queue, chunk.jobs, chunk.bytes)))
      } catch (error) {
        throw results.length === 0 ? error : partial(error, records, results)
      }
    }
    job[dispatchedIds] = records.map((record) => record.id)
    const key = records[0]?.key
    if (key !== undefined && !this.#met.has(key)) this.#meet(key, store)
    return results.every((result) => result === 'queued')
  }

  /** Warns, once a key and process, of jobs that may wait for ever. */
  #meet(key: string, store: Store): void {
    this.#met.add(key)
    const warned = store.keys().then((keys) => {
      if (keys.length === 0 || keys.includes(key)) return
      process.emitWarning(
        `No worker has ever known the job key '${key}': its jobs wait until one does. Start one: lark jobs:work`,
        {
          code: 'LARK_UNKNOWN_KEY',
        },
      )
    })
    void this.#track(warned.catch(() => {}))
  }

  #track<T>(promise: Promise<T>): Promise<T> {
    this.#underway.add(promise)
    const done = () => this.#underway.delete(promise)
    promise.then(done, done)
    return promise
  }
}

function knownQueue(queue: string, { queues }: Settings, name?: string): void {
  if (queues.includes(queue)) return
  throw new JobsError('UNKNOWN_QUEUE', `${name ? `${name}: ` : ''}'${queue}' is not a configured queue`, {
    hint: `Configured are ${queues.join(', ')}. Add it to jobs.queues in lark.config.`,
  })
}

function partial(error: unknown, records: NewJob[], results: Enqueued[]): unknown {
  if (!(error instanceof JobsError)) return error
  const queued = records.slice(0, results.length).map((record) => record.id)
  return new JobsError(
    error.code,
    `${queued.length} of ${records.length} jobs are queued; then: ${error.message}`,
    {
      cause: error,
      queued,
      ...(error.id !== undefined && { id: error.id }),
      ...(error.ids !== undefined && { ids: error.ids }),
      hint: 'error.queued has the ids of those that are.',
    },
  )
}

/**
 * Another instance beside `Jobs`, with a configuration of its own: the `jobs` section of `lark.config`.
 *
 * @throws CONFIG_INVALID, STORE_NOT_CONFIGURED, when it is first used
 * @example
 * await using reports = createJobs({ connection: 'sqlite:reports.db' })
 * await reports.dispatch(new BuildReportJob(), { month: '2026-11' })
 */
export function createJobs(config: JobsConfig = {}): JobsClient {
  return new JobsClient(async () =>
    resolveSettings({ config: { jobs: config }, file: undefined, folder: homeFolder() }, process.env),
  )
}

const slot = Symbol.for('s18i.lark.jobs')
const shared = globalThis as { [slot]?: JobsClient }

/**
 * The default instance: one a process, whatever the number of copies of this package in it. It goes by the
 * `lark.config` that it finds when it is first used.
 */
shared[slot] ??= new JobsClient(() => loadSettings())
export const Jobs: JobsClient = shared[slot]
export type Jobs = JobsClient
