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
import type { FlowSpec } from '../dispatch/flow-definition.ts'
import { draftedJob, type NewJobs, newJobs } from '../dispatch/new-job.ts'
import { Outboxes } from '../dispatch/outboxes.ts'
import { Underway } from '../dispatch/underway.ts'
import { JobsError } from '../model/errors.ts'
import { readId } from '../model/id.ts'
import type { ByHand } from '../operate/change/dispatch.ts'
import type { WatchedStore, Watcher } from '../operate/events/watcher.ts'
import type { FindFlowOptions } from '../operate/flows/flow-finding.ts'
import type { FlowFilter, FlowListOptions, FlowPage } from '../operate/flows/flow-list.ts'
import { byHand, closing, Operations, open, settings, symbolPrefix, watcher } from '../operate/operations.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import {
  classOf,
  type JobConstructor,
  type JobLike,
  type PayloadOf,
  type ResultOf,
} from '../options/job-class.ts'
import { type CommandArguments, CommandJob, commandPayload, isInCommand } from '../run/command-job.ts'
import { DispatchNow } from '../run/dispatch-now.ts'
import type { Around } from '../run/hooks.ts'
import { connect } from '../store/connect.ts'
import { keptBy } from '../store/contract/rules/retention.ts'
import type { Role } from '../store/contract/store.ts'
import type { WorkOptions } from '../worker/options.ts'
import type { Worker } from '../worker/worker.ts'
import { byHandOf, KnownJobs, saysOf } from './dispatch-by-key.ts'
import { Draft, dispatchDrafts, type HandlesOf, isDraft, readDraft } from './draft.ts'
import { type Evaluations, evaluationsOf } from './evaluations.ts'
import { dispatchFlow, type FlowDraft, isFlowDraft, type ResultOfPart } from './flows/flow-draft.ts'
import { FlowHandle } from './flows/flow-handle.ts'
import { JobHandle } from './job-handle.ts'
import { JobSchedules } from './schedules/schedules.ts'
import type { OpenStore, Origin, SupervisedOptions } from './work.ts'

/** Set by the program `lark`, in whose process a command runs. */
const PROGRAM = Symbol.for('s18i.lark.program')

/** The number of dispatches that record their caller while they wait for the store to open (`dispatch/caller.ts`). */
const NOTED = 100

/** What an instance has when its store is open. @internal */
export interface Opened extends OpenStore {
  dispatcher: Dispatcher
  /** Since a result was first awaited. */
  watcher?: Watcher
}

// What the rest of the package asks of an instance, and users do not. A job may belong to one copy, and the default
// instance to another.
/** @internal */
export const enqueue = Symbol.for(`${symbolPrefix}.enqueue`)
/** @internal */
export const dispatchNow = Symbol.for(`${symbolPrefix}.dispatchNow`)
/** @internal */
export const supervisedWork = Symbol.for(`${symbolPrefix}.supervisedWork`)

export { open }

/**
 * Dispatches jobs into one store, starts workers on it, and operates on its jobs. The import `Jobs` is the default
 * instance; `createJobs()` makes others.
 */
export class Jobs extends Operations implements AsyncDisposable {
  readonly #load: () => Promise<Settings>
  readonly #runs: DispatchNow
  readonly #known = new KnownJobs(() => this[settings]())
  #configured: Configured | undefined
  /** Whether a configuration other than `#configured` is refused: from `configure` until `close`. */
  #isFixed: boolean
  #opened: Opened | undefined
  #opening: Promise<Opened> | undefined
  /** What this process does with its store, as far as this instance knows. */
  #role: Role = PROGRAM in globalThis ? 'command' : 'web'
  /** Aborted by `close`. */
  #closing = new AbortController()
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
    this.#runs = new DispatchNow(async () => this.#configured?.around() ?? around())
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
   * Queues the job of a draft in the store of this instance. `draft.dispatch()` does the same with the default instance.
   */
  dispatch<J extends JobLike>(draft: Draft<J>): Promise<JobHandle<J>>
  /**
   * Queues the jobs of drafts, of any classes and queues, in as few calls as possible. All are checked before the first
   * is sent. If a later call fails, `error.queued` has the ids of the queued jobs.
   *
   * @returns a handle for each, in their order
   * @example await Jobs.dispatch([ImportJob.with({ file }), ReportJob.with({ month }).delayed('5m')])
   */
  dispatch<const D extends readonly Draft[]>(drafts: D): Promise<HandlesOf<D>>
  /**
   * Queues a job in the store of this instance. `job.dispatch(payload)` does the same with the default instance.
   *
   * @example await createJobs({ connection: 'redis://other' }).dispatch(new SendEmailJob(), { to })
   */
  dispatch<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<boolean>
  /** Dispatches a flow in the store of this instance. `flow.dispatch()` does the same with the default instance. */
  dispatch<F extends FlowDraft>(flow: F): Promise<FlowHandle<ResultOfPart<F>>>
  dispatch(
    what: JobLike | Draft | readonly Draft[] | FlowDraft,
    ...payload: readonly unknown[]
  ): Promise<unknown> {
    if (isDraft(what)) return this.#dispatchOne(what)
    if (isFlowDraft(what)) return this[dispatchFlow](what)
    return Array.isArray(what) ? this[dispatchDrafts](what) : this[enqueue](what as JobLike, [payload[0]])
  }

  /**
   * A handle of a job that was dispatched earlier, perhaps by another process. Nothing checks that there is such a job.
   *
   * @param Class the class of the job, which gives the handle its types
   * @param options `queue`: the queue of the job. Default: that of the class
   * @throws JOB_ID_INVALID, JOB_INVALID
   * @example const status = await Jobs.handle(ImportJob, request.params.id).status()
   */
  handle<J extends JobLike>(
    Class: new (...args: never[]) => J,
    id: string,
    options: { queue?: string } = {},
  ): JobHandle<J> {
    const { queue = classOf(Class as unknown as JobConstructor).queueName } = options
    return new JobHandle<J>(this, { id: readId(id), queue })
  }

  /**
   * Queues a job by the key of its class, for code that knows the names of jobs only. The class is one that the option
   * `jobs` of the configuration in code names, a defined job that is imported, or one in the folders of the application:
   * these are loaded once, if they are needed.
   *
   * @param options what this job says differently from its class; `id`: see `Draft.withId`
   * @throws UNKNOWN_JOB; the errors of `Job.dispatch`. The types do not check the payload
   * @example await Jobs.dispatchByKey('send-email', { to }, { delay: '5m', id: `welcome-${userId}` })
   */
  async dispatchByKey(key: string, payload?: unknown, options: DispatchOptions = {}): Promise<JobHandle> {
    const Class = await this.#known.find(key, this.#configured?.jobs)
    return this.#dispatchOne(new Draft(this, { Class, payload, ...saysOf('Jobs.dispatchByKey()', options) }))
  }

  /**
   * Queues a job that runs a command of `lark` in a worker, as if it had been typed there. What the command prints is the
   * log of the job, an object that it returns is the result, and `this.signal` is aborted when the job should end. The
   * job fails with another exit code than 0, and without further attempts if there is no such command, or if its
   * arguments are wrong.
   *
   * @param command its key
   * @param args by the names of its fields, or as the words of a command line. No shell sees them
   * @param options those of any job. Default: the queue `default`, 3 tries, a timeout of 30 min
   * @throws JOB_INVALID; the errors of `Job.dispatch`. The job alone learns whether there is such a command
   * @example await Jobs.dispatchCommand('users:process', { limit: 100 }, { delay: '5m', tries: 1 })
   * @example await Jobs.dispatchCommand('users:process', ['--limit=100'])
   */
  async dispatchCommand(
    command: string,
    args?: CommandArguments,
    options: DispatchOptions = {},
  ): Promise<JobHandle> {
    const call = 'Jobs.dispatchCommand()'
    const payload = commandPayload(call, command, args)
    return this.#dispatchOne(new Draft(this, { Class: CommandJob, payload, ...saysOf(call, options) }))
  }

  /** Schedules: set at run time, look, pause, resume, remove, run now. */
  override get schedules(): JobSchedules {
    return new JobSchedules(this)
  }

  /**
   * A handle of a flow that was dispatched earlier, perhaps by another process. Nothing checks that there is such a flow.
   *
   * @param options `queue`: of its first job. Needed only if you have chosen the same id for flows of several queues
   * @throws FLOW_INVALID for a value that cannot be the id of a flow, UNKNOWN_QUEUE, FLOW_ID_AMBIGUOUS, with the first call
   *   of the handle
   * @example const progress = await Jobs.flow(request.params.id).progress()
   */
  flow<Result = unknown>(id: string, options: FindFlowOptions = {}): FlowHandle<Result> {
    return new FlowHandle<Result>(this, { flow: id, find: options })
  }

  /**
   * A page of the flows that meet all conditions of a filter, the last dispatched first, without their nodes. Default: of
   * every queue, without those that are nodes of others. A page may have fewer flows than `limit`, or none, and yet a
   * `cursor`: there is more. Flows that cannot be read are in `damaged`.
   *
   * @param options `cursor`: of the page before, of the same filter. `limit`: 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { flows, cursor } = await Jobs.flows({ state: 'failed', since: '1h' })
   */
  async flows(filter: FlowFilter = {}, options: FlowListOptions = {}): Promise<FlowPage> {
    const { FlowOperations } = await import('../operate/flow-operations.ts')
    return new FlowOperations(() => this[open]()).list(filter, options)
  }

  /** Queues one job for each payload; see `Job.dispatchMany`. */
  dispatchMany<J extends JobLike>(job: J, payloads: readonly PayloadOf<J>[0][]): Promise<boolean> {
    return this[enqueue](job, payloads)
  }

  /** Runs a job in this process, with the middleware of this instance; see `Job.dispatchNow`. */
  dispatchNow<J extends JobLike>(job: J, ...payload: PayloadOf<J>): Promise<ResultOf<J>> {
    return this[dispatchNow](job, (payload as readonly unknown[])[0]) as Promise<ResultOf<J>>
  }

  /** `dispatchNow` without its types. @internal */
  [dispatchNow](job: JobLike, payload: unknown): Promise<unknown> {
    return this.#runs.run(job, payload)
  }

  /** `dispatch` and `dispatchMany` without their types: queues one job for each payload. @internal */
  [enqueue](job: JobLike, payloads: readonly unknown[]): Promise<boolean> {
    try {
      const made = newJobs(job, payloads)
      if (this.#opened === undefined || made.records.length !== 1)
        return this.#send([made], (dispatcher) => dispatcher.many(job, made), this[enqueue])
      // The short way of most dispatches.
      const { settings, dispatcher } = this.#opened
      checkPlace(made, settings)
      return dispatcher.one(job, made.queue, made.records[0]!)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Queues the jobs of drafts. @internal */
  async [dispatchDrafts](drafts: readonly Draft[]): Promise<JobHandle[]> {
    const made = drafts.map((draft) => draftedJob(readDraft(draft)))
    const all = await this.#send(made, (dispatcher) => dispatcher.each(made), this[dispatchDrafts])
    return all.map(({ id, partition, rejection }, i) => {
      const { queue, records } = made[i]!
      const born = rejection === undefined ? records[0]!.options?.born : undefined
      return new JobHandle(this, { id, queue, partition, ...(born !== undefined && { born }) }, rejection)
    })
  }

  /** Dispatches a flow. @internal */
  async [dispatchFlow](flow: FlowDraft | FlowSpec): Promise<FlowHandle> {
    const end = this.#underway.begin()
    try {
      const { dispatchOf } = await import('./flows/flow-dispatch.ts')
      return await dispatchOf(this, flow)
    } catch (error) {
      throw toldTo(callerOf(this[dispatchFlow]), error)
    } finally {
      end()
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

  /** @internal */
  get [byHand](): ByHand {
    return byHandOf(this.#known, this.#configured?.jobs, (said) => this.#dispatchOne(new Draft(this, said)))
  }

  /** The configuration with its defaults. The store is not opened. @internal */
  override async [settings](): Promise<Settings> {
    return this.#configured?.settings() ?? (await this.#load())
  }

  /** Aborted when this instance is closed next: the reason is for whoever awaits a result. @internal */
  override get [closing](): AbortSignal {
    return this.#closing.signal
  }

  /** The open store, with what waits there for the ends of jobs. @internal */
  override async [watcher](): Promise<WatchedStore> {
    const opened = await this[open]()
    const { Watcher } = await import('../operate/events/watcher.ts')
    const isFull = (queue: string) => [...this.#workers.keys()].some((worker) => worker.isFull(queue))
    opened.watcher ??= new Watcher(opened.store, isFull)
    return { store: opened.store, queues: opened.settings.partitions, watcher: opened.watcher }
  }

  /**
   * Stops the workers that were started here, waits for the dispatches (`flush`), and closes the store. Called by a command
   * that one of these workers runs as a job, it only waits for the dispatches.
   */
  async close(): Promise<void> {
    if (this.#workers.size > 0 && isInCommand()) return this.flush()
    await Promise.allSettled([...this.#starting])
    await Promise.all([...this.#workers.keys()].map((worker) => worker.stop()))
    await this.flush()
    while (this.#opening !== undefined) await this.#opening.catch(() => {})
    const opened = this.#opened
    this.#opened = undefined
    this.#isFixed = false
    this.#runs.forget()
    const name = opened?.store.name ?? 'The store'
    this.#closing.abort(new JobsError('STORE_UNREACHABLE', `${name} was closed while a result was awaited`))
    this.#closing = new AbortController()
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
    const worker = await workerOn(newest, options, supervised, this)
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
    const { connection, prefix, durability, partitions, bounds, telemetry } = found
    const options = { ...keptBy(this.#role === 'supervisor', found), durability }
    const place = { connection, prefix, options }
    const store = await (found.connect ?? connect)(connection, prefix, { ...options, role: this.#role })
    try {
      const warnings = await store.open()
      // It may have changed meanwhile.
      store.become?.(this.#role)
      const outboxes = new Outboxes(store, partitions, bounds)
      const dispatcher = new Dispatcher(store, outboxes, this.#underway, telemetry)
      this.#opened = { settings: found, place, store, dispatcher, warnings }
      return this.#opened
    } catch (error) {
      await store.close()
      throw error
    }
  }

  async #dispatchOne(draft: Draft): Promise<JobHandle> {
    const [handle] = await this[dispatchDrafts]([draft])
    return handle!
  }

  /**
   * Opens the store, checks where the jobs go, and sends them.
   *
   * @param below the stack of an error begins with the caller of this function
   */
  async #send<T>(
    made: readonly NewJobs[],
    send: (dispatcher: Dispatcher) => Promise<T>,
    below: (...args: never[]) => unknown,
  ): Promise<T> {
    const isNoted = this.#opened === undefined && Underway.unanswered < NOTED
    const caller = isNoted ? callerOf(below) : undefined
    const end = this.#underway.begin()
    try {
      // Once open, nothing is awaited before the dispatcher has it.
      const { settings, dispatcher } = this.#opened ?? (await this[open]())
      for (const each of made) checkPlace(each, settings)
      return await send(dispatcher)
    } catch (error) {
      throw toldTo(caller ?? callerOf(this.#send), error)
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
