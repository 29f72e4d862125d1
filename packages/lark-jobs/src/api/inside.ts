/**
 * The inside of an instance of `Jobs`: the functions that handles, drafts, flows, operations and workers
 * call, and that users do not see. The inside opens the store once, sends dispatches, and starts the workers.
 *
 *   unopened → opening → open → closed (a closed instance opens again when it is used again)
 */
import { defined } from '@s18i/lark/internal'
import type { Settings } from '../config/config.ts'
import { type CodeConfig, Configured } from '../config/configured.ts'
import { checkPlace } from '../config/queues.ts'
import { callerOf, toldTo } from '../dispatch/caller.ts'
import { Dispatcher } from '../dispatch/dispatcher.ts'
import type { FlowSpec } from '../dispatch/flow-definition.ts'
import { type Drafted, draftedJob, type NewJobs, newJobs } from '../dispatch/new-job.ts'
import { SendBuffers } from '../dispatch/send-buffers.ts'
import { Underway } from '../dispatch/underway.ts'
import { JobsError } from '../model/errors.ts'
import type { ByHand } from '../operate/change/dispatch.ts'
import type { WatchedStore, Watcher } from '../operate/events/watcher.ts'
import type { Operated } from '../operate/operated.ts'
import type { JobConstructor, JobLike } from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import type { TransactionHandle } from '../outbox/transaction.ts'
import { isInCommand } from '../run/command-job.ts'
import { DispatchNow } from '../run/dispatch-now.ts'
import type { Around } from '../run/hooks.ts'
import type { RecordedNow, SentNow } from '../run/steps-now.ts'
import type { ChildDraft, ChildParent, ReadyChild } from '../step/child.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import { connect } from '../store/connect.ts'
import { keptBy } from '../store/contract/rules/retention.ts'
import type { NewSignal, Role } from '../store/contract/store.ts'
import { shown } from '../words/secret.ts'
import type { WorkOptions } from '../worker/options.ts'
import type { Worker } from '../worker/worker.ts'
import { byHandOf, KnownJobs } from './dispatch-by-key.ts'
import { Draft, readDraft } from './draft.ts'
import type { Evaluations } from './evaluations.ts'
import type { FlowDraft } from './flows/flow-draft.ts'
import type { FlowHandle } from './flows/flow-handle.ts'
import { JobHandle } from './job-handle.ts'
import { type CurrentTransaction, Transactions, txOf } from './transactions.ts'
import type { OpenStore, Origin, SupervisedOptions } from './work.ts'

/** The global property that the program `lark` sets in the process in which it runs a command. */
const PROGRAM = Symbol.for('s18i.lark.program')

/**
 * While the store opens, only this many waiting dispatches record their caller for error messages
 * (`dispatch/caller.ts`).
 */
const NOTED = 100

/** The parts of an instance that exist while its store is open. @internal */
export interface Opened extends OpenStore {
  dispatcher: Dispatcher
  /** The watcher, which is created when a result is first awaited. */
  watcher?: Watcher
}

export class Inside implements Operated {
  readonly #load: () => Promise<Settings>
  readonly #runs: DispatchNow
  readonly #known = new KnownJobs(() => this.settings())
  #configured: Configured | undefined
  /**
   * Whether `configure` refuses a configuration that differs from `#configured`. True from `configure` until
   * `close`.
   */
  #isFixed: boolean
  #opened: Opened | undefined
  #opening: Promise<Opened> | undefined
  /**
   * The role of this process, as far as this instance knows: it dispatches, runs a worker, or runs a command.
   */
  #role: Role = PROGRAM in globalThis ? 'command' : 'web'
  /** `close` aborts the signal of this controller. */
  #closing = new AbortController()
  readonly #underway = new Underway()
  /** The dispatches in transactions. Created with the first dispatch that is part of a transaction. */
  #transactions: Transactions | undefined
  /** The function that finds the transaction for a dispatch whose options name no transaction. */
  #joined: CurrentTransaction | undefined
  readonly #workers = new Map<Worker, Origin>()
  readonly #starting = new Set<Promise<Worker>>()

  /**
   * @param load finds the settings, if no settings are given in code
   * @param around finds only those settings that are needed even if no store is configured
   */
  constructor(load: () => Promise<Settings>, around: () => Promise<Around> = load, configured?: Configured) {
    this.#load = load
    this.#runs = new DispatchNow(
      async () => this.#configured?.around() ?? around(),
      () => this.stepTimes,
    )
    this.#configured = configured
    this.#isFixed = configured !== undefined
  }

  /** @throws the errors of `Jobs.configure` */
  configure(config: CodeConfig): void {
    const given = new Configured(config, 'Jobs.configure()')
    given.check()
    const differences = this.#configured?.differences(given)
    if (differences?.length !== 0) {
      const isUsed = this.#opened !== undefined || this.#opening !== undefined || this.#runs.isInformed
      if (differences !== undefined && (isUsed || this.#isFixed)) {
        const message = `Jobs.configure(): Jobs was configured before, with other ${differences.join(', ')}`
        const hint =
          'Call Jobs.configure() in one module, and import this module. After Jobs.close(), it may be called with other settings.'
        throw new JobsError('ALREADY_CONFIGURED', message, { hint })
      }
      if (isUsed)
        throw new JobsError('CONFIGURED_LATE', 'Jobs.configure() was called after Jobs had been used', {
          hint: 'Call Jobs.configure() before the first dispatch and the first worker, in a module that is imported first.',
        })
    }
    this.#isFixed = true
    this.#configured = given
    this.#runs.forget()
    this.#transactions?.forget()
  }

  /** `Jobs.dispatchNow`, without the types of the payload and the result. */
  dispatchNow(job: JobLike, payload: unknown): Promise<unknown> {
    return this.#runs.run(job, payload)
  }

  /**
   * The clock for the steps of jobs that `dispatchNow` runs. If undefined, the steps use the clock of the
   * process.
   */
  protected get stepTimes(): WaitTimes | undefined {
    return undefined
  }

  /**
   * The records of the steps of a job that `dispatchNow` is running. Undefined if `dispatchNow` runs no job
   * with this id.
   */
  recordedNow(id: string): RecordedNow | undefined {
    return this.#runs.recorded(id)
  }

  /**
   * Sends a signal to a job that `dispatchNow` is running.
   *
   * @returns undefined if `dispatchNow` runs no job with this id
   */
  sentNow(id: string, signal: NewSignal): SentNow | undefined {
    return this.#runs.sent(id, signal)
  }

  /**
   * Queues one job for each payload. `Jobs.dispatch` and `Jobs.dispatchMany` call this method, and add the
   * types.
   *
   * @param options undefined, or options that name a transaction of the application
   */
  enqueue(job: JobLike, payloads: readonly unknown[], options?: unknown): Promise<boolean> {
    try {
      const made = newJobs(job, payloads)
      const tx = this.#txOf(options)
      if (tx !== undefined || this.#transactions?.isOpen) return this.#addOf(job, made, tx)
      if (this.#opened === undefined || made.records.length !== 1)
        return this.#send([made], (dispatcher) => dispatcher.many(job, made), this.enqueue)
      // Most dispatches take this path, because the store is open and there is no transaction.
      const { settings, dispatcher } = this.#opened
      checkPlace(made, settings)
      return dispatcher.one(job, made.queue, made.records[0]!)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Queues the jobs of drafts. @param options apply to all of the drafts: see `enqueue` */
  async dispatchDrafts(drafts: readonly Draft[], options?: unknown): Promise<JobHandle[]> {
    const says = drafts.map((draft) => readDraft(draft))
    const made = says.map((each) => draftedJob(each))
    const tx = this.#txOfAll(says, options)
    if (tx !== undefined || this.#transactions?.isOpen) {
      await this.#add(made, tx)
      return made.map(({ queue, records: [record] }) => {
        const { id, options } = record!
        const place = { id, queue, ...defined({ born: options?.born }) }
        return new JobHandle(this, place, undefined, true)
      })
    }
    const all = await this.#send(made, (dispatcher) => dispatcher.each(made), this.dispatchDrafts)
    return all.map(({ id, partition, rejection }, i) => {
      const { queue, records } = made[i]!
      const born = rejection === undefined ? records[0]!.options?.born : undefined
      return new JobHandle(this, { id, queue, partition, ...defined({ born }) }, rejection)
    })
  }

  /** Dispatches a flow. @param options see `enqueue` */
  async dispatchFlow(flow: FlowDraft | FlowSpec, options?: unknown): Promise<FlowHandle> {
    const end = this.#underway.begin()
    const isOpen = this.#transactions?.isOpen
    try {
      const tx = this.#txOf(options)
      const { dispatchOf } = await import('./flows/flow-dispatch.ts')
      const transaction = tx !== undefined || isOpen ? { of: this.#transacted, tx } : undefined
      return await dispatchOf(this, flow, transaction)
    } catch (error) {
      throw toldTo(callerOf(this.dispatchFlow), error)
    } finally {
      end()
    }
  }

  /** Prepares the job of a draft, so that another job can begin it as its child. */
  async readyChild(draft: ChildDraft, parent: ChildParent): Promise<ReadyChild> {
    const { readyChild } = await import('./flows/child-dispatch.ts')
    return readyChild(this, draft as Drafted, parent)
  }

  async dispatchOne(draft: Draft, options?: unknown): Promise<JobHandle> {
    const [handle] = await this.dispatchDrafts([draft], options)
    return handle!
  }

  /** Like `Jobs.transaction`. */
  transaction<T>(work: () => T | PromiseLike<T>): Promise<T> {
    return this.#transacted.run(work)
  }

  /** Like `Jobs.joinTransactions`. @throws JOB_INVALID */
  join(current: unknown): void {
    if (typeof current !== 'function')
      throw new JobsError(
        'JOB_INVALID',
        `Jobs.joinTransactions() was given ${shown(current)}; it must be a function`,
      )
    this.#joined = current as CurrentTransaction
  }

  /** The class of a job that is dispatched by key. @throws UNKNOWN_JOB */
  classOf(key: string): Promise<JobConstructor> {
    return this.#known.find(key, this.#configured?.jobs)
  }

  /** Resolves when every dispatch so far has succeeded or failed. To be called before `process.exit()`. */
  flush(): Promise<void> {
    return this.#underway.through()
  }

  /** Starts a worker like `work`, but in a process of `jobs:work`, which may have a supervisor. */
  supervisedWork(options: WorkOptions, supervised: SupervisedOptions = {}): Promise<Worker> {
    return this.work(options, supervised, undefined)
  }

  /**
   * Opens the store, unless it is open. After a failure the next call tries again.
   *
   * @param role what the process does with the store from now on. Default: the role does not change
   */
  open(role: Role = this.#role): Promise<Opened> {
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

  get byHand(): ByHand {
    return byHandOf(this.#known, this.#configured?.jobs, (said) => this.dispatchOne(new Draft(this, said)))
  }

  /** Returns the configuration with its defaults, without opening the store. */
  async settings(): Promise<Settings> {
    return this.#configured?.settings() ?? (await this.#load())
  }

  /**
   * A signal that is aborted when this instance is closed. Its reason is the error that waiting calls of
   * `result()` reject with.
   */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** The open store together with its watcher. All waits for the end of a job use this watcher. */
  async watcher(): Promise<WatchedStore> {
    const opened = await this.open()
    const { Watcher } = await import('../operate/events/watcher.ts')
    const isFull = (queue: string) => [...this.#workers.keys()].some((worker) => worker.isFull(queue))
    opened.watcher ??= new Watcher(opened.store, isFull)
    return { store: opened.store, queues: opened.settings.partitions, watcher: opened.watcher }
  }

  /** Like `Jobs.close`. */
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
    this.#transactions?.forget()
    const name = opened?.store.name ?? 'The store'
    this.#closing.abort(new JobsError('STORE_UNREACHABLE', `${name} was closed while a result was awaited`))
    this.#closing = new AbortController()
    await opened?.store.close()
  }

  /**
   * Starts a worker.
   *
   * @param evaluations for each file on the stack, the load of the file that makes this call
   *   (`evaluations.ts`). If undefined, the worker replaces no other worker
   */
  work(
    options: WorkOptions,
    supervised: SupervisedOptions,
    evaluations: Evaluations | undefined,
  ): Promise<Worker> {
    const starting = this.#start(options, supervised, evaluations, [...this.#starting])
    this.#starting.add(starting)
    return starting.finally(() => this.#starting.delete(starting))
  }

  /** @param before the promises of the workers that are already being started */
  async #start(
    given: WorkOptions,
    supervised: SupervisedOptions,
    evaluations: Evaluations | undefined,
    before: readonly Promise<Worker>[],
  ): Promise<Worker> {
    const { checkWork, replaceFormer, workerOn } = await import('./work.ts')
    checkWork(given)
    const opened = await this.open('worker')
    const newest = { ...opened, settings: { ...opened.settings, ...this.#configured?.around() } }
    const { jobs } = { jobs: this.#configured?.jobs, ...given }
    const options = { ...given, ...defined({ jobs }) }
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

  /** Makes a separate store object that is not opened. Such an object can only be inspected and closed. */
  async unopened(): Promise<Opened['store']> {
    return (await this.#make(await this.settings())).store
  }

  async #make(found: Settings): Promise<Pick<Opened, 'location' | 'store'>> {
    const { connection, prefix, durability } = found
    const options = { ...keptBy(this.#role === 'supervisor', found), durability }
    const store = await (found.connect ?? connect)(connection, prefix, { ...options, role: this.#role })
    return { location: { connection, prefix, options }, store }
  }

  async #open(): Promise<Opened> {
    Underway.watchExit()
    const found = await this.settings()
    const { partitions, bounds, telemetry } = found
    const { location, store } = await this.#make(found)
    try {
      const warnings = await store.open()
      // The role may have changed while the store was opening.
      store.become?.(this.#role)
      const buffers = new SendBuffers(store, partitions, bounds)
      const dispatcher = new Dispatcher(store, buffers, this.#underway, telemetry)
      this.#opened = { settings: found, location, store, dispatcher, warnings }
      return this.#opened
    } catch (error) {
      await store.close()
      throw error
    }
  }

  get #transacted(): Transactions {
    const opened = () => this.#opened?.settings
    this.#transactions ??= new Transactions({
      get openSettings() {
        return opened()
      },
      settings: () => this.settings(),
      send: (made) => this.#send(made, (dispatcher) => dispatcher.each(made), this.transaction),
    })
    return this.#transactions
  }

  /**
   * The transaction that a dispatch is part of.
   *
   * @throws JOB_INVALID, and errors of the function that was passed to `joinTransactions`
   */
  #txOf(options: unknown): TransactionHandle | undefined {
    return options === undefined ? (this.#joined?.() ?? undefined) : this.txOf(options)
  }

  /** The handle of the transaction that the options of a dispatch name. @throws JOB_INVALID */
  protected txOf(options: unknown): TransactionHandle | undefined {
    return txOf('dispatch()', options)
  }

  /**
   * The one transaction of all drafts in a call.
   *
   * @throws JOB_INVALID if the drafts name different transactions
   */
  #txOfAll(says: readonly Drafted[], options: unknown): TransactionHandle | undefined {
    if (options === undefined && says.every(({ transaction }) => transaction === undefined))
      return this.#txOf(undefined)
    const [first, ...others] = says.map(({ transaction = options }) => this.#txOf(transaction))
    if (others.every((each) => each === first)) return first
    const message = 'Jobs.dispatch() was given drafts that belong to different transactions'
    throw new JobsError('JOB_INVALID', message, {
      hint: 'Give the transaction to the call: Jobs.dispatch(drafts, { tx })',
    })
  }

  /** Adds the jobs of a `dispatch` or `dispatchMany` to a transaction. */
  async #addOf(job: JobLike, made: NewJobs, tx: TransactionHandle | undefined): Promise<boolean> {
    await this.#add([made], tx)
    const inside = insideOfJob(job)
    inside.ids = made.records.map(({ id }) => id)
    inside.rejection = undefined
    return true
  }

  /**
   * Adds jobs to the transaction of the handle `tx` or, without a handle, to the `Jobs.transaction()` in
   * which the caller runs.
   */
  async #add(made: readonly NewJobs[], tx: TransactionHandle | undefined): Promise<void> {
    const end = this.#underway.begin()
    try {
      await this.#transacted.add(made, tx)
    } catch (error) {
      throw toldTo(callerOf(this.#add), error)
    } finally {
      end()
    }
  }

  /**
   * Opens the store, checks that the queues and limiters of the jobs exist, and sends the jobs.
   *
   * @param below a function on the stack. The stack of an error begins with the caller of this function
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
      // If the store is open, the dispatcher gets the job before anything is awaited.
      const { settings, dispatcher } = this.#opened ?? (await this.open())
      for (const each of made) checkPlace(each, settings)
      return await send(dispatcher)
    } catch (error) {
      throw toldTo(caller ?? callerOf(this.#send), error)
    } finally {
      end()
    }
  }
}
