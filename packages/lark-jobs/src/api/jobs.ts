/**
 * `Jobs`: the way from a process to its store. It finds the configuration when it is first needed, opens the store
 * once, and then dispatches jobs, starts workers, and lets people look at jobs and change them.
 *
 *   unopened → opening → open → closed (and opening again, when used again)
 */

import type { Settings } from '../config/config.ts'
import { type CodeConfig, Configured } from '../config/configured.ts'
import { checkPlace } from '../config/queues.ts'
import { callerOf, toldTo } from '../dispatch/caller.ts'
import { Dispatcher } from '../dispatch/dispatcher.ts'
import { newJobs } from '../dispatch/new-job.ts'
import { Outboxes } from '../dispatch/outboxes.ts'
import { Underway } from '../dispatch/underway.ts'
import { JobsError } from '../model/errors.ts'
import type { NewJob } from '../model/record.ts'
import { Operations, open, settings, symbolPrefix } from '../operate/operations.ts'
import type { JobLike, PayloadOf, ResultOf } from '../options/job-class.ts'
import type { Around } from '../run/hooks.ts'
import { RunNow } from '../run/run-now.ts'
import { connect, RETENTION } from '../store/connect.ts'
import type { Role } from '../store/contract/store.ts'
import type { WorkOptions } from '../worker/options.ts'
import type { Worker } from '../worker/worker.ts'
import { type Evaluations, evaluationsOf } from './evaluations.ts'
import type { OpenStore, Origin, SupervisedOptions } from './work.ts'

/** Set by the program `lark`, in whose process a command runs. */
const PROGRAM = Symbol.for('s18i.lark.program')

/** The number of dispatches that record their caller while they wait for the store to open (`dispatch/caller.ts`). */
const NOTED = 100

/** What an instance has when its store is open. @internal */
export interface Opened extends OpenStore {
  dispatcher: Dispatcher
}

// What the rest of the package asks of an instance, and users do not. A job may belong to one copy, and the default
// instance to another.
/** @internal */
export const enqueue = Symbol.for(`${symbolPrefix}.enqueue`)
/** @internal */
export const runNow = Symbol.for(`${symbolPrefix}.runNow`)
/** @internal */
export const supervisedWork = Symbol.for(`${symbolPrefix}.supervisedWork`)

export { open }

/**
 * Dispatches jobs into one store, starts workers on it, and operates on its jobs. The import `Jobs` is the default
 * instance; `createJobs()` makes others.
 */
export class Jobs extends Operations implements AsyncDisposable {
  readonly #load: () => Promise<Settings>
  readonly #runs: RunNow
  #configured: Configured | undefined
  /** Whether a configuration other than `#configured` is refused: from `configure` until `close`. */
  #isFixed: boolean
  #opened: Opened | undefined
  #opening: Promise<Opened> | undefined
  /** What this process does with its store, as far as this instance knows. */
  #role: Role = PROGRAM in globalThis ? 'command' : 'web'
  readonly #underway = new Underway()
  readonly #workers = new Map<Worker, Origin>()
  readonly #starting = new Set<Promise<Worker>>()

  /**
   * @internal
   * @param load finds the settings, if none are given in code
   * @param around finds the part of them for which no store need be configured
   */
  constructor(load: () => Promise<Settings>, around: () => Promise<Around> = load, configured?: Configured) {
    super()
    this.#load = load
    this.#runs = new RunNow(async () => this.#configured?.around() ?? around())
    this.#configured = configured
    this.#isFixed = configured !== undefined
  }

  /**
   * Sets the configuration in code, for programs that have no `lark.config`, such as bundles. Lark then does not look
   * for a file. Environment variables apply as they do with a file. Call it before the first use of `Jobs`, in
   * dispatchers and workers alike.
   *
   * A call with the same configuration changes nothing, because development servers load modules again. Functions are
   * compared by their names and job classes by their keys; whatever starts later uses the newest ones. After `close()`,
   * another configuration may be given.
   *
   * @param config the `jobs` section of `lark.config`, and `jobs`: the classes that workers run
   * @throws CONFIG_INVALID, JOB_INVALID; ALREADY_CONFIGURED, CONFIGURED_LATE
   * @example Jobs.configure({ connection: process.env.REDIS_URL, queues: ['default', 'emails'], jobs: [SendEmailJob] })
   */
  configure(config: CodeConfig): void {
    const given = new Configured(config, 'Jobs.configure()')
    given.check()
    const differences = this.#configured?.differences(given)
    if (differences?.length !== 0) {
      const isUsed = this.#opened !== undefined || this.#opening !== undefined || this.#runs.isInformed
      if (differences !== undefined && (isUsed || this.#isFixed)) {
        const message = `Jobs.configure(): Jobs was configured before, with other ${differences.join(', ')}`
        const hint =
          'Call it in one module, and import that. After Jobs.close() it may be called with others.'
        throw new JobsError('ALREADY_CONFIGURED', message, { hint })
      }
      if (isUsed)
        throw new JobsError('CONFIGURED_LATE', 'Jobs.configure() was called after Jobs had been used', {
          hint: 'Call it before the first dispatch and the first worker, in a module that is imported before.',
        })
    }
    this.#isFixed = true
    this.#configured = given
    this.#runs.forget()
  }

  /**
   * Queues a job in the store of this instance. `job.dispatch(payload)` does the same with the default instance.
   *
   * @example await createJobs({ connection: 'redis://other' }).dispatch(new SendEmailJob(), { to })
   */
  dispatch<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<boolean> {
    return this[enqueue](job, [(payload as readonly unknown[])[0]])
  }

  /** Queues one job for each payload; see `Job.dispatchMany`. */
  dispatchMany<J extends JobLike>(job: J, payloads: readonly PayloadOf<J>[0][]): Promise<boolean> {
    return this[enqueue](job, payloads)
  }

  /** Runs a job in this process, with the middleware of this instance; see `Job.dispatchNow`. */
  dispatchNow<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<ResultOf<J>> {
    return this[runNow](job, (payload as readonly unknown[])[0]) as Promise<ResultOf<J>>
  }

  /** `dispatchNow` without its types. @internal */
  [runNow](job: JobLike, payload: unknown): Promise<unknown> {
    return this.#runs.run(job, payload)
  }

  /** `dispatch` and `dispatchMany` without their types: queues one job for each payload. @internal */
  [enqueue](job: JobLike, payloads: readonly unknown[]): Promise<boolean> {
    try {
      const { queue, records } = newJobs(job, payloads)
      if (this.#opened === undefined || records.length !== 1) return this.#enqueue(job, queue, records)
      // The short way of most dispatches.
      const { settings, dispatcher } = this.#opened
      checkPlace(queue, records, settings, job.constructor.name)
      return dispatcher.one(job, queue, records[0]!)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Resolves when every dispatch so far has succeeded or failed. Call it before `process.exit()`. */
  flush(): Promise<void> {
    return this.#underway.through()
  }

  /**
   * Starts a worker in this process.
   *
   * If a development server loads the calling module again, the new worker replaces the worker that the previous load
   * started: this takes no more jobs, and ends when its running jobs have ended. With `NODE_ENV=production` no worker
   * is ever replaced.
   *
   * @throws UNKNOWN_QUEUE, JOB_KEY_TAKEN, JOB_INVALID, WORKER_INVALID, and what opening the store throws
   * @example await using worker = await Jobs.work({ queues: ['emails'], concurrency: 20 })
   */
  work(options: WorkOptions = {}): Promise<Worker> {
    const isProduction = process.env.NODE_ENV === 'production'
    return this.#work(options, {}, isProduction ? undefined : evaluationsOf(this.work))
  }

  /** `work`, in a process of `jobs:work` that may have a supervisor. @internal */
  [supervisedWork](options: WorkOptions, supervised: SupervisedOptions = {}): Promise<Worker> {
    return this.#work(options, supervised, undefined)
  }

  /**
   * Opens the store, unless it is open. After a failure the next call tries again.
   *
   * @internal
   * @param role what the process does with the store from now on. Default: what it did before
   */
  override [open](role: Role = this.#role): Promise<Opened> {
    if (role !== this.#role) {
      this.#role = role
      this.#opened?.store.become?.(role)
    }
    if (this.#opened !== undefined) return Promise.resolve(this.#opened)
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** The configuration with its defaults. The store is not opened. @internal */
  override async [settings](): Promise<Settings> {
    return this.#configured?.settings() ?? (await this.#load())
  }

  /** Stops the workers that were started here, waits for the dispatches (`flush`), and closes the store. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#starting])
    await Promise.all([...this.#workers.keys()].map((worker) => worker.stop()))
    await this.flush()
    await this.#opening?.catch(() => {})
    const opened = this.#opened
    this.#opened = undefined
    this.#isFixed = false
    this.#runs.forget()
    await opened?.store.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #work(
    options: WorkOptions,
    supervised: SupervisedOptions,
    evaluations: Evaluations | undefined,
  ): Promise<Worker> {
    const starting = this.#start(options, supervised, evaluations, [...this.#starting])
    this.#starting.add(starting)
    return starting.finally(() => this.#starting.delete(starting))
  }

  /** @param before workers that are being started already */
  async #start(
    given: WorkOptions,
    supervised: SupervisedOptions,
    evaluations: Evaluations | undefined,
    before: readonly Promise<Worker>[],
  ): Promise<Worker> {
    const { checkWork, replaceFormer, workerOn } = await import('./work.ts')
    checkWork(given)
    const opened = await this[open]('worker')
    const newest = { ...opened, settings: { ...opened.settings, ...this.#configured?.around() } }
    const { jobs } = { jobs: this.#configured?.jobs, ...given }
    const options = { ...given, ...(jobs !== undefined && { jobs }) }
    const worker = await workerOn(newest, options, supervised)
    const origin = { evaluations, options }
    if (evaluations !== undefined) {
      await Promise.allSettled(before)
      replaceFormer(this.#workers, origin)
    }
    this.#workers.set(worker, origin)
    void worker.done.then(() => this.#workers.delete(worker))
    await worker.start()
    return worker
  }

  async #open(): Promise<Opened> {
    Underway.watchExit()
    const found = await this[settings]()
    const { connection, prefix, durability, partitions, bounds } = found
    const place = { connection, prefix, options: { retention: RETENTION, durability } }
    const store = await connect(connection, prefix, { ...place.options, role: this.#role })
    try {
      const warnings = await store.open()
      // It may have changed meanwhile.
      store.become?.(this.#role)
      const dispatcher = new Dispatcher(store, new Outboxes(store, partitions, bounds), this.#underway)
      this.#opened = { settings: found, place, store, dispatcher, warnings }
      return this.#opened
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async #enqueue(job: JobLike, queue: string, records: NewJob[]): Promise<boolean> {
    const isNoted = this.#opened === undefined && Underway.unanswered < NOTED
    const caller = isNoted ? callerOf(this[enqueue]) : undefined
    const end = this.#underway.begin()
    try {
      // Once open, nothing is awaited before the dispatcher has it.
      const { settings, dispatcher } = this.#opened ?? (await this[open]())
      checkPlace(queue, records, settings, job.constructor.name)
      return await dispatcher.many(job, queue, records)
    } catch (error) {
      throw toldTo(caller ?? callerOf(this.#enqueue), error)
    } finally {
      end()
    }
  }
}

/**
 * Another instance beside `Jobs`, with a configuration of its own: the `jobs` section of `lark.config`, and the classes
 * that its workers run.
 *
 * @throws CONFIG_INVALID, STORE_NOT_CONFIGURED, when it is first used
 * @example
 * await using reports = createJobs({ connection: 'sqlite:reports.db' })
 * await reports.dispatch(new BuildReportJob(), { month: '2026-11' })
 */
export function createJobs(config: CodeConfig = {}): Jobs {
  const configured = new Configured(config, 'createJobs()')
  const load = async () => configured.settings()
  return new Jobs(load, load, configured)
}
