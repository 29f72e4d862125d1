/**
 * A job in the form of BullMQ: in the processor of a worker, or returned by a queue that has found or added
 * the job.
 */
import { defined } from '@s18i/lark/internal'
import {
  type ClaimedJob,
  type JobDetail,
  type JobError,
  type JobOptions,
  JobsError,
  type StoredJob,
} from '@s18i/lark-jobs'
import { dispatchAll, isObject, memberOf, shown, tickOf } from '@s18i/lark-jobs/internal'
import { refuseMethods, refuseProperties, unsupported, wrongValue } from '../compared/unsupported.ts'
import { addChildren, isChild, readyTree } from '../flow/added-children.ts'
import { FlowNode } from '../flow/flow-node.ts'
import { shownId } from '../flow/flow-rules.ts'
import { idIn } from '../flow/flow-tree.ts'
import { JobChildren, restsIn } from '../flow/job-children.ts'
import { scheduleName, schedulerName } from '../queue/schedule-name.ts'
import { type EventArgs, homeOf, type JobHome } from '../store/shared-store.ts'
import {
  countsOf,
  type Dependencies,
  type DependenciesCount,
  type DependenciesOptions,
  type JobDependencies,
  pagesOf,
} from './dependencies.ts'
import { UnrecoverableError } from './ending-errors.ts'
import { EveryJob } from './every-job.ts'
import { fieldsIn, type JobJson, type JobProgress, jsonOf, optionsFromJSON } from './job-json.ts'
import {
  type AddedJob,
  checkJobOptions,
  checkUnreserved,
  draftedBy,
  type JobsOptions,
  optionsIn,
  type ParentOptions,
} from './job-options.ts'
import { type FinishedStatus, type JobState, stateOf, stateOfNode } from './job-state.ts'
import { larkIds } from './own-id.ts'
import { larkPriority } from './priority.ts'
import { purgeJob } from './purged.ts'
import { reportLine, reportProgress } from './reports.ts'
import { retryJob } from './retrying.ts'
import { runningBefore } from './running-before.ts'

// biome-ignore lint/suspicious/noExplicitAny: the default of BullMQ's own types
export type Any = any

/** What a processor may do to its job. */
export interface JobControls {
  /** @returns whether the job still exists */
  edit(data: unknown): Promise<boolean>
  progress(value: unknown): void
  info(text: string): void
  reported(progress: JobProgress): Promise<void>
}

/**
 * The JSON and the id of the next job, and two times, which are always 0: in BullMQ, no job begins before
 * these times. Empty if there is no next job, or if the caller did not ask for one.
 */
export type NextJob = [json?: JobJson, id?: string, limitUntil?: number, delayUntil?: number]

/** What the application can do with a job that `worker.getNextJob()` has handed out. */
export interface JobFinish {
  /** Ends the run. Resolves when the store has acknowledged the outcome. */
  end(outcome: { value: unknown } | { error: Error }): Promise<void>
  /** The next job, if a job is waiting already. */
  next(): Promise<BullJob | undefined>
}

/**
 * The run of a job in this process. A job that `Job.fromJSON()` made shares the run with the job object of
 * the worker.
 */
interface JobRun {
  /** Undefined if the job does not run here. */
  controls?: JobControls | undefined
  /** Present only for a job that `worker.getNextJob()` has handed out. */
  finish?: JobFinish | undefined
  /**
   * The time at which the job is due again, in milliseconds since 1970, if the application has moved the job.
   */
  movedTo?: number
  /** The children that the job waits for, if the application has moved it. */
  awaits?: JobChildren
  /** Whether children were added to the job. */
  hasChildren?: boolean
}

export interface MoveToWaitingChildrenOpts {
  /** The child to look at. Default: all children. */
  child?: ParentOptions
}

export interface RetryOptions {
  /**
   * Gives the job all its attempts again. Without this option, a job without attempts left gets one more
   * attempt.
   */
  resetAttemptsMade?: boolean
  /** `true` is refused, because Lark distinguishes the runs of a job by their numbers. */
  resetAttemptsStarted?: boolean
}

/** The part of the manual about flows. */
const bullFlows = 'bullmq-flows.md'

/** The data from which a job object is made. */
interface JobFacts {
  /** The id of the job in Lark. */
  id: string | undefined
  name: string
  data: unknown
  opts: JobsOptions
  timestamp: number
}

export class BullJob<
  DataType = Any,
  ReturnType = Any,
  NameType extends string = string,
  ProgressType extends JobProgress = JobProgress,
> {
  id: string | undefined
  name: NameType
  data: DataType
  opts: JobsOptions
  progress: ProgressType = 0 as ProgressType
  returnvalue: ReturnType = null as ReturnType
  stacktrace: string[] | null = null
  /** Milliseconds. */
  delay: number
  priority: number
  /** The time at which the job was added, in milliseconds since 1970 by the clock of the store. */
  timestamp: number
  /** How often a worker has begun the job. */
  attemptsStarted = 0
  /** How many of its attempts have ended. */
  attemptsMade = 0
  /** How often a worker died while it ran the job. */
  stalledCounter = 0
  failedReason!: string
  /** This field is never set, because a job whose child has failed does not run. */
  deferredFailure!: string
  finishedOn?: number
  processedOn?: number
  /** The `name` of the worker that runs the job, if the worker has a name. */
  processedBy?: string
  deduplicationId?: string
  /** The id of the job scheduler that added the job. */
  repeatJobKey?: string
  token?: string
  /** The job of the flow that waits for this job. */
  parent?: { id: string; queueKey: string }
  parentKey?: string
  readonly queueName: string
  readonly #home: JobHome
  /** The id of the job in Lark. `id` may be a `jobId` instead. */
  readonly #larkId: string | undefined
  #run: JobRun
  #lines = 0

  /** @internal */
  constructor(home: JobHome, { id, name, data, opts, timestamp }: JobFacts, active?: JobControls) {
    this.#home = home
    this.#run = { controls: active }
    this.#larkId = id
    this.id = id && shownId(id, opts)
    this.name = name as NameType
    this.data = data as DataType
    this.opts = { attempts: 0, ...opts }
    this.delay = opts.delay ?? 0
    this.priority = opts.priority ?? 0
    this.timestamp = opts.timestamp ?? timestamp
    this.queueName = home.store.nameOf(home.queue)
    if (opts.deduplication !== undefined) this.deduplicationId = opts.deduplication.id
    if (isObject(opts.parent)) {
      const { id, queue } = opts.parent
      this.parent = { id: String(id), queueKey: String(queue) }
      this.parentKey = `${queue}:${id}`
    }
    const tick = tickOf(id ?? '')
    if (tick !== undefined) this.repeatJobKey = schedulerName(home.queue, tick.schedule)
  }

  /** The prefix and the queue of the job: `prefix:queue`. */
  get queueQualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /** Makes the job that a worker runs. @internal */
  static held(home: JobHome, claimed: ClaimedJob, data: unknown, active: JobControls): BullJob {
    const { id, key: name, queuedAt: timestamp, runs, failures, crashes, token, options } = claimed
    const job = new BullJob(home, { id, name, data, opts: optionsIn(options?.context), timestamp }, active)
    const made = failures + madeBefore(job.opts, options)
    const silent = restsIn(claimed.journal?.entries ?? []).filter(({ isSilent }) => isSilent).length
    job.#run.hasChildren = (claimed.journal?.signals.length ?? 0) > 0
    Object.assign(job, { attemptsStarted: runs - silent, attemptsMade: made, stalledCounter: crashes, token })
    Object.assign(job, { delay: 0, stacktrace: [], priority: priorityOf(job.opts, claimed.priority) })
    job.processedOn = Date.now()
    return job
  }

  /** Takes over the progress, the errors and the log of earlier runs. @internal */
  recall(found: JobDetail): void {
    const { progress, errors, log } = found
    if (progress !== undefined) this.progress = progress as ProgressType
    this.#lines = log.length
    this.stacktrace = this.#traces(errors.map(stackOf))
    const reason = lastFailure(found)
    if (reason !== undefined) this.failedReason = reason
  }

  /** Makes a job object from a job in the store. @internal */
  static found(home: JobHome, found: StoredJob | JobDetail): BullJob {
    const { id, key: name, payload: data, queuedAt: timestamp, options, state, errors } = found
    const job = new BullJob(home, { id, name, data, opts: optionsIn(options?.context), timestamp })
    job.attemptsStarted = found.runs
    job.attemptsMade = found.failures + madeBefore(job.opts, options) + (state === 'completed' ? 1 : 0)
    job.stalledCounter = found.crashes
    if (found.progress !== undefined) job.progress = found.progress as JobProgress
    if (found.result !== undefined) job.returnvalue = found.result
    job.stacktrace = job.#traces(errors.map(stackOf))
    job.delay = state === 'delayed' ? delayOf(found, job.delay) : 0
    job.priority = priorityOf(job.opts, found.priority)
    const last = state === 'completed' ? undefined : lastFailure(found)
    const reason = state === 'cancelled' ? cancelledReason(found) : last
    if (reason !== undefined) job.failedReason = reason
    if (found.finishedAt !== undefined) job.finishedOn = found.finishedAt
    if (found.claimedAt !== undefined) job.processedOn = found.claimedAt
    return job
  }

  /**
   * Makes a job object for a job of a flow. The job is not in its queue, because it waits for its children,
   * or has ended because of them.
   */
  static async #inFlow(node: FlowNode): Promise<BullJob> {
    const { home, id, name, data, opts, timestamp } = node
    const job = new BullJob(home, { id, name, data: data ?? {}, opts, timestamp })
    const end = await node.end()
    if (end === undefined) return job
    job.finishedOn = end.at
    if (end.failedReason !== undefined) job.failedReason = end.failedReason
    else job.returnvalue = end.value
    return job
  }

  /** The job of a node. Undefined if the job was removed. @internal */
  static async ofNode(node: FlowNode): Promise<BullJob | undefined> {
    const { home, id } = node
    if (node.isRemoved || node.isUnkept) return undefined
    const found = node.isQueued ? await home.store.jobs.find(id, { queue: home.queue }) : undefined
    if (found !== undefined) {
      const job = BullJob.found(home, found)
      if (node.parents.length === 0) job.#leaveParent()
      return job
    }
    return node.isQueued && node.state !== 's' ? undefined : await BullJob.#inFlow(node)
  }

  /** The job with this id. Undefined if the queue has no such job. @internal */
  static async withId(home: JobHome, id: string): Promise<BullJob | undefined> {
    const isMember = memberOf(id) !== undefined
    const own = isMember ? await FlowNode.find(home, id) : undefined
    if (own !== undefined) return await BullJob.ofNode(own)
    for (const each of larkIds(id)) {
      const found = await home.store.jobs.find(each, { queue: home.queue })
      if (found !== undefined) return BullJob.found(home, found)
    }
    const node = isMember ? undefined : await FlowNode.find(home, id)
    return node && (await BullJob.ofNode(node))
  }

  /** Adds jobs to a queue. @throws BULLMQ_UNSUPPORTED, JOB_INVALID; the errors of a dispatch @internal */
  static async added(who: string, home: JobHome, all: readonly AddedJob[]): Promise<BullJob[]> {
    if (!all.some(({ opts }) => opts.parent)) return await BullJob.#queued(who, home, all)
    const below = all.filter(({ opts }) => opts.parent)
    const ready = await Promise.all(
      below.map((job) =>
        readyTree(who, home.store, [{ ...job, queue: home.queue, children: [], parent: undefined }]),
      ),
    )
    const others = await BullJob.#queued(
      who,
      home,
      all.filter(({ opts }) => !opts.parent),
    )
    await addChildren(who, home.store, ready.filter(isChild))
    const children = below.map(({ name, data = {}, opts }, i) => {
      const id = idIn(ready[i]!.place, 0)
      return new BullJob(home, { id, name, data, opts, timestamp: Date.now() })
    })
    return all.map(({ opts }) => (opts.parent ? children : others).shift()!)
  }

  static async #queued(who: string, home: JobHome, all: readonly AddedJob[]): Promise<BullJob[]> {
    const drafted = all.map((each) => draftedBy(who, home.queue, each))
    const handles = await dispatchAll(home.store.jobs, drafted)
    const news = handles.flatMap(({ id: jobId, rejection }, i): [string, EventArgs][] => {
      const { deduplication, jobId: deduplicatedJobId = '' } = all[i]!.opts
      if (rejection?.reason === 'exists') return [['duplicated', { jobId: shownId(jobId, all[i]!.opts) }]]
      if (rejection === undefined || rejection.reason === 'full') return []
      return [['deduplicated', { jobId, deduplicationId: deduplication?.id, deduplicatedJobId }]]
    })
    for (const [event, args] of news) await home.store.hint(home.queue, event, args)
    const jobs = handles.map(async ({ id, rejection }, i) => {
      const { name, data = {}, opts } = all[i]!
      if (rejection?.reason === 'full')
        throw new JobsError('JOB_NOT_QUEUED', `${who}: the job ${name} was not added: the queue is full`)
      // As in BullMQ, the result is the running job, and not the new job that waits for its end.
      const first = opts.deduplication?.keepLastIfActive ? await runningBefore(home, id) : undefined
      return new BullJob(home, { id: first ?? id, name, data, opts, timestamp: Date.now() })
    })
    return await Promise.all(jobs)
  }

  /** Adds a job to a queue, without the default options of the queue. */
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  static async create<T = any, R = any, N extends string = string>(
    queue: object,
    name: N,
    data: T,
    opts?: JobsOptions,
  ): Promise<BullJob<T, R, N>> {
    const [job] = await BullJob.createBulk<T, R, N>(queue, [{ name, data, ...defined({ opts }) }])
    return job!
  }

  /** Adds several jobs to a queue, without the default options of the queue. */
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  static async createBulk<T = any, R = any, N extends string = string>(
    queue: object,
    jobs: readonly { name: N; data: T; opts?: JobsOptions }[],
  ): Promise<BullJob<T, R, N>[]> {
    const read = jobs.map(({ name, data, opts }) => {
      return { name, data, opts: checkJobOptions(`${queue}: the job ${shown(name)}`, opts) }
    })
    return (await BullJob.added(`${queue}`, homeOf('Job', queue), read)) as BullJob<T, R, N>[]
  }

  /** @param queue a queue or a worker */
  static async fromId(
    queue: object | { getJob(id: string): Promise<BullJob | undefined> },
    id: string,
  ): Promise<BullJob | undefined> {
    return await ('getJob' in queue ? queue.getJob(id) : BullJob.withId(homeOf('Job', queue), id))
  }

  /**
   * Makes a job from JSON, without adding the job to a queue.
   *
   * @param id the id of the job, if the JSON contains no id
   */
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  static fromJSON<T = any, R = any, N extends string = string>(
    queue: object,
    json: JobJson,
    id?: string,
  ): BullJob<T, R, N> {
    const { name, opts = {}, timestamp } = json
    const data = JSON.parse(json.data || '{}')
    const facts = { id: json.id || id, name, data, opts, timestamp }
    const home = homeOf('Job', queue)
    const job = Object.assign(new BullJob<T, R, N>(home, facts), fieldsIn(json))
    const held = job.id === undefined ? undefined : job.#heldOut()
    if (held !== undefined) {
      job.#run = held.#run
      Object.assign(job, defined({ token: held.token }))
    }
    return job
  }

  /** Reads the options of a job from the text that BullMQ stores. */
  static optsFromJSON(text?: string, names?: Readonly<Record<string, string>>): JobsOptions {
    return optionsFromJSON(text, names)
  }

  /** Writes a line that is kept with a job. @returns how many lines the log has */
  static async addJobLog(queue: object, id: string, row: string, keepLogs?: number): Promise<number> {
    const home = homeOf('Job', queue)
    const running = home.store.running.get(home.queue, id)
    if (running !== undefined) return await (running as BullJob).#write(row, keepLogs)
    const job = await BullJob.withId(home, id)
    if (job === undefined) throw new Error(`Missing key for job ${id}. addLog`)
    return await job.#write(row, keepLogs)
  }

  /** Reports the progress of the job, which may be any JSON of at most 4 KiB. */
  async updateProgress(progress: ProgressType): Promise<void> {
    const { controls } = this.#run
    if (controls === undefined) await reportProgress(this.#home, this.#id(), progress)
    else controls.progress(progress)
    this.progress = progress
    if (controls !== undefined) await controls.reported(progress)
    else await this.#home.store.hint(this.#home.queue, 'progress', { jobId: this.id, data: progress })
  }

  /**
   * Writes a line that is kept with the job.
   *
   * @returns how many lines the log has: at most 100 lines of earlier runs and all lines of this run, or at
   *   most `keepLogs` lines
   */
  async log(row: string): Promise<number> {
    return await this.#write(row, this.opts.keepLogs)
  }

  async #write(row: string, most = this.opts.keepLogs): Promise<number> {
    const { controls } = this.#run
    controls?.info(String(row))
    this.#lines = controls === undefined ? await reportLine(this.#home, this.#id(), row) : this.#lines + 1
    return Math.min(this.#lines, most || Number.POSITIVE_INFINITY)
  }

  async getState(): Promise<JobState | 'unknown'> {
    const node = await this.#node()
    if (node?.isRemoved || node?.isUnkept) return 'unknown'
    const isQueued = node?.isQueued ?? true
    const status = isQueued ? await this.#handle(node).status() : undefined
    if (status !== undefined) return stateOf(status.state, status.priority, status.suspended)
    if (await this.#isNextTick()) return 'delayed'
    // The job of a started node may be on its way to its queue. The job of a node that has ended was removed
    // from its queue.
    return node === undefined || (isQueued && node.state !== 's') ? 'unknown' : stateOfNode[node.state]
  }

  isCompleted(): Promise<boolean> {
    return this.#isIn('completed')
  }

  isFailed(): Promise<boolean> {
    return this.#isIn('failed')
  }

  isDelayed(): Promise<boolean> {
    return this.#isIn('delayed')
  }

  isActive(): Promise<boolean> {
    return this.#isIn('active')
  }

  isWaiting(): Promise<boolean> {
    return this.#isIn('waiting')
  }

  isWaitingChildren(): Promise<boolean> {
    return this.#isIn('waiting-children')
  }

  /**
   * The values that the children have returned, by the keys of the children: `prefix:queue:id`.
   *
   * @throws RESULT_DROPPED if a value was not kept
   */
  // biome-ignore lint/suspicious/noExplicitAny: as in BullMQ
  async getChildrenValues<T = any>(): Promise<Record<string, T>> {
    return (await this.#dependencies()).processed as Record<string, T>
  }

  /** The reasons of the failures that this job ignores, by the keys of the failed children. */
  async getIgnoredChildrenFailures(): Promise<Record<string, string>> {
    return (await this.#dependencies()).ignored
  }

  /** The same as `getIgnoredChildrenFailures()`. */
  getFailedChildrenValues(): Promise<Record<string, string>> {
    return this.getIgnoredChildrenFailures()
  }

  /**
   * The children by their outcome.
   *
   * @param opts which children, and which page of these children. Default: all children
   */
  async getDependencies(opts: DependenciesOptions = {}): Promise<JobDependencies> {
    return pagesOf(await this.#dependencies(), opts)
  }

  /** The number of children of each outcome. @param opts which outcomes. Default: all outcomes */
  async getDependenciesCount(
    opts: { [Kind in keyof Dependencies]?: boolean } = {},
  ): Promise<DependenciesCount> {
    return countsOf(await this.#dependencies(), opts)
  }

  /**
   * Waits until the job has ended.
   *
   * @param _queueEvents is not needed
   * @param ttl the maximum number of milliseconds to wait. Default: no limit
   * @returns what the processor returned, or `null` if it returned nothing
   * @throws an error with the reason of the failure
   */
  async waitUntilFinished(_queueEvents?: unknown, ttl?: number): Promise<ReturnType> {
    try {
      const result = await (memberOf(this.#larkId ?? '') === undefined
        ? this.#handle().result(ttl ? { timeout: ttl } : {})
        : FlowNode.result(this.#home, this.#id(), ttl || undefined))
      return (result ?? null) as ReturnType
    } catch (error) {
      if (JobsError.is(error, 'RESULT_TIMEOUT'))
        throw new Error(
          `Job wait ${this.name} timed out before finishing, no finish notification arrived after ${ttl}ms (id=${this.id})`,
          { cause: error },
        )
      if (JobsError.is(error, 'JOB_FAILED') && error.cause instanceof Error)
        throw new Error(error.cause.message, { cause: error.cause })
      throw error
    }
  }

  /**
   * Removes the job and the jobs that it waits for. Jobs that no longer exist cause no error.
   *
   * @param opts `removeChildren: false` is possible only for a job without children
   * @throws JOB_NOT_REMOVABLE if the job runs; for a job of a flow, an Error if this job or a job below it
   *   runs
   */
  async remove({ removeChildren = true }: { removeChildren?: boolean } = {}): Promise<void> {
    const { jobs } = this.#home.store
    const node = await this.#node()
    if (node !== undefined) return await this.#removeFrom(node, removeChildren)
    if (await this.#isNextTick())
      throw new Error(`Job ${this.id} belongs to a job scheduler and cannot be removed directly. removeJob`)
    if (this.opts.deduplication !== undefined && (await purgeJob(this.#home, this.#id())) !== 'refused')
      return
    await jobs.remove([this.#id()], { queue: this.#home.queue }).catch((error: unknown) => {
      if (!JobsError.is(error, 'JOB_NOT_FOUND')) throw error
    })
  }

  async #removeFrom(node: FlowNode, removeChildren: boolean): Promise<void> {
    if (node.state === 'b' && !removeChildren) {
      const what = 'remove() without the children that the job waits for'
      throw unsupported(`Job ${this.id}`, what, '`Jobs.flow(id)`', bullFlows)
    }
    if (!node.isQueued && node.state !== 'b') throw this.#hasNoJob('remove()', '`Jobs.flow(id)`')
    await node.remove(removeChildren)
  }

  /**
   * Makes the parent stop waiting for this job. This job itself goes on.
   *
   * @returns whether the parent waited for this job
   */
  async removeChildDependency(): Promise<boolean> {
    const node = await this.#node()
    if (node === undefined || node.isRemoved) await this.#mustBeThere('removeChildDependency')
    const parents = node?.parents ?? []
    if (parents.length === 0 || parents.some(({ isRemoved }) => isRemoved))
      throw new Error(`Missing key for parent job ${this.parentKey}. removeChildDependency`)
    const isDone = (await node?.leaveParents()) ?? false
    if (isDone) this.#leaveParent()
    return isDone
  }

  #leaveParent(): void {
    delete this.parent
    delete this.parentKey
  }

  /** Removes the jobs below this job that have not begun. */
  async removeUnprocessedChildren(): Promise<void> {
    await (await this.#node())?.removeUnprocessed()
  }

  /**
   * Adds the ended job to its queue again.
   *
   * @param state the state that the job must have
   * @throws JOB_NOT_RETRIABLE if another job has its `deduplication.id`
   */
  async retry(state: FinishedStatus = 'failed', options: RetryOptions = {}): Promise<void> {
    const { resetAttemptsMade = false, resetAttemptsStarted = false } = options
    if (resetAttemptsStarted)
      throw unsupported(
        `Job ${this.id}`,
        'the option resetAttemptsStarted of retry()',
        'the number of a run, which is never reset',
        'operating-jobs.md',
      )
    const now = await this.getState()
    if (now === 'unknown') throw new Error(`Missing key for job ${this.id}. reprocessJob`)
    if (now !== state) throw new Error(`Job ${this.id} is not in the ${state} state. reprocessJob`)
    const node = await this.#node()
    if (node?.isQueued === false)
      throw this.#hasNoJob('retry()', 'retry its child, or `Jobs.flow(id).retry()`')
    if (state === 'completed' && node?.isAwaited)
      throw unsupported(
        `Job ${this.id}`,
        'retry() of a completed child for which its parent waits no longer',
        '`Jobs.flow(id).retry()` starts the jobs that did not complete',
        bullFlows,
      )
    const only = state === 'failed' ? (['failed', 'cancelled'] as const) : (['completed'] as const)
    await retryJob(this.#home, node?.id ?? this.#id(), { keepsFailures: !resetAttemptsMade, only })
    Object.assign(this, { failedReason: null, processedOn: null, finishedOn: null, returnvalue: null })
    if (resetAttemptsMade) this.attemptsMade = 0
  }

  /** Makes a delayed job due now. */
  async promote(): Promise<void> {
    // Without this check, Lark would also make a job due that waits for its children.
    const isDone = !(await this.isWaitingChildren()) && (await this.#handle().runNow())
    if (!isDone && this.repeatJobKey === undefined)
      throw new Error(`Job ${this.id} is not in the delayed state. promote`)
    // The job of the scheduler's next tick is not in the queue yet, so a job is made for it now.
    if (!isDone)
      await this.#home.store.jobs.schedules.runNow(scheduleName(this.#home.queue, this.repeatJobKey!))
    this.delay = 0
    await this.#home.store.hint(this.#home.queue, 'waiting', { jobId: this.id, prev: 'delayed' })
  }

  /** @param delay milliseconds from now */
  async changeDelay(delay: number): Promise<void> {
    // Without this check, Lark would also delay a waiting job.
    if (!(await this.isDelayed()) || !(await this.#handle().reschedule(delay)))
      throw new Error(`Job ${this.id} is not in the delayed state. changeDelay`)
    this.delay = delay
  }

  async changePriority(opts: { priority?: number; lifo?: boolean }): Promise<void> {
    const { priority = 0 } = checkJobOptions(`Job ${this.id}: changePriority()`, opts)
    const handle = this.#handle()
    if (!(await handle.prioritize(larkPriority(priority)))) await this.#mustBeThere('changePriority')
    // As in BullMQ, the job comes after the jobs that already have this priority.
    else if (['waiting', 'prioritized'].includes(await this.getState())) await handle.reschedule(0)
    this.priority = priority
  }

  /**
   * Replaces the data. If a processor calls this method, the next attempt gets the new data.
   *
   * @throws BULLMQ_UNSUPPORTED if another process runs the job
   */
  async updateData(data: DataType): Promise<void> {
    checkUnreserved(`${this}: updateData()`, 'the name', this.name)
    const isDone = await (this.#run.controls?.edit(data) ??
      this.#handle(await this.#node()).edit(data as never, { force: true }))
    if (!isDone) {
      await this.#mustBeThere('updateData')
      const what = 'updateData() outside of the processor that runs the job'
      throw unsupported(`Job ${this.id}`, what, '`handle.edit()` while it does not run', 'handles.md')
    }
    this.data = data
  }

  /**
   * Makes the job run again at a time. A processor calls this method, and then throws a `DelayedError`.
   *
   * @param timestamp milliseconds since 1970
   */
  async moveToDelayed(timestamp: number, token?: string): Promise<void> {
    if (typeof timestamp !== 'number' || Number.isNaN(timestamp))
      throw wrongValue(`Job ${this.id}`, 'moveToDelayed()', timestamp, 'milliseconds since 1970')
    const delay = Math.max(0, timestamp - Date.now())
    if (this.#joins(token)) {
      await this.#runAgain(timestamp)
    } else if (!(await this.#handle().reschedule(delay)))
      throw new Error(`Job ${this.id} cannot be delayed: it runs or has ended`)
    this.delay = delay
  }

  /** Makes the job run again. A processor calls this method, and then throws a `WaitingError`. */
  async moveToWait(token?: string): Promise<void> {
    if (!this.#joins(token)) this.#running('moveToWait()')
    await this.#runAgain(0)
  }

  /**
   * Makes the job run again when the children that were added to it have ended. A processor calls this
   * method, and then throws a `WaitingChildrenError`.
   *
   * @returns whether there are such children. If there are none, the processor goes on
   * @throws UnrecoverableError if a child has failed with `failParentOnFailure`
   */
  async moveToWaitingChildren(token?: string, { child }: MoveToWaitingChildrenOpts = {}): Promise<boolean> {
    if (!this.#joins(token)) {
      const what = token === this.token ? 'Missing lock for job' : 'Job'
      const rest = token === this.token ? '' : ' is not in the active state'
      throw new Error(`${what} ${this.id}${rest}. moveToWaitingChildren`)
    }
    const children = await JobChildren.of(this.#home, this.#id())
    this.#mustNotFail(children, 'moveToWaitingChildren')
    const isAsked = ({ key }: { key: string }) => child === undefined || key === `${child.queue}:${child.id}`
    if (!children.pending.some(isAsked)) return false
    this.#run.awaits = children
    await this.#finishRun()
    await this.#home.store.hint(this.#home.queue, 'waiting-children', { jobId: this.id })
    return true
  }

  #mustNotFail({ failed }: JobChildren, command: string): void {
    if (failed === undefined) return
    const what = `Cannot complete job ${this.id} because it has at least one failed child. ${command}`
    throw new UnrecoverableError(what)
  }

  /**
   * As in BullMQ, a job does not complete before the children that were added to it.
   *
   * @throws Error @internal
   */
  async mustBeAlone(): Promise<void> {
    if (!this.#run.hasChildren) return
    const children = await JobChildren.of(this.#home, this.#id())
    this.#mustNotFail(children, 'moveToFinished')
    if (children.pending.length > 0)
      throw new Error(`Job ${this.id} has pending dependencies. moveToFinished`)
  }

  /** Called when this process adds children to the job while it runs. @internal */
  gotChildren(): void {
    this.#run.hasChildren = true
  }

  async #runAgain(at: number): Promise<void> {
    this.#run.movedTo = at
    await this.#finishRun()
  }

  /** Ends the run of a job that `worker.getNextJob()` has handed out. */
  async #finishRun(): Promise<void> {
    const run = this.#run
    if (run.finish === undefined) return
    await run.finish.end({ value: undefined })
    run.controls = undefined
    run.finish = undefined
  }

  /**
   * Completes a job that `worker.getNextJob()` has handed out.
   *
   * @param fetchNext whether the result contains the next job, for `Job.fromJSON()`
   * @throws BULLMQ_UNSUPPORTED for a job that a processor runs; Error if another worker has the job now
   */
  async moveToCompleted(returnValue: ReturnType, token?: string, fetchNext = true): Promise<NextJob> {
    const finish = this.#handedOut(token, 'moveToCompleted()', 'the end of `handle()`')
    await this.mustBeAlone()
    await finish.end({ value: returnValue })
    this.returnvalue = returnValue
    return await this.#moved(finish, fetchNext)
  }

  /**
   * Fails a job that `worker.getNextJob()` has handed out. The job runs again if it has attempts left.
   *
   * @param fetchNext whether the result contains the next job, for `Job.fromJSON()`
   * @throws BULLMQ_UNSUPPORTED for a job that a processor runs; Error if another worker has the job now
   */
  async moveToFailed(error: Error, token?: string, fetchNext = false): Promise<NextJob> {
    const { attempts = 0 } = this.opts
    const wouldRetry = this.attemptsMade + 1 < attempts && !(error instanceof UnrecoverableError)
    if (!this.#joins(token) && wouldRetry)
      throw new Error(`Job ${this.id} is not in the active state. retryJob`)
    const finish = this.#handedOut(token, 'moveToFailed()', '`this.fail()`')
    await finish.end({ error })
    this.failedReason = error.message
    // As in BullMQ, a job that waits for its next attempt is not taken at once.
    const waits = this.finishedOn === undefined && this.delay === 0
    return await this.#moved(finish, fetchNext && !waits)
  }

  async #moved(finish: JobFinish, fetchNext: boolean): Promise<NextJob> {
    this.#run.finish = undefined
    const next = fetchNext ? await finish.next() : undefined
    return next === undefined ? [] : [next.asJSON(), next.id!, 0, 0]
  }

  /**
   * Whether the job runs in this process. A job that was read from the queue shares the run of the job that
   * `worker.getNextJob(token)` has handed out, if it is given the same token.
   */
  #joins(token: string | undefined): boolean {
    const held = this.#run.controls === undefined ? this.#heldOut() : undefined
    if (held !== undefined && held.token === token) this.#run = held.#run
    return this.#run.controls !== undefined
  }

  /** The object with which `worker.getNextJob()` has handed this job out in this process. */
  #heldOut(): BullJob | undefined {
    const running = this.#home.store.running.get(this.#home.queue, this.#id())
    return running instanceof BullJob && running.#run.finish !== undefined ? running : undefined
  }

  #handedOut(token: string | undefined, method: string, inLark: string): JobFinish {
    this.#joins(token)
    if (this.#run.finish !== undefined) return this.#run.finish
    if (this.#run.controls !== undefined)
      throw unsupported(`Job ${this.id}`, `${method} in a processor`, inLark, 'creating-jobs.md')
    const isOthers = token !== undefined && this.#heldOut() !== undefined
    throw new Error(
      isOthers
        ? `Lock mismatch for job ${this.id}. Cmd moveToFinished from active`
        : `Missing lock for job ${this.id}. moveToFinished`,
    )
  }

  /** Called when `worker.getNextJob()` hands the job out. @internal */
  handOut(finish: JobFinish): void {
    this.#run.finish = finish
  }

  /** Does nothing, because Lark renews leases by itself. */
  async extendLock(_token?: string, _duration?: number): Promise<number> {
    return 1
  }

  toString(): string {
    return `Job ${this.id}`
  }

  asJSON(): JobJson {
    return jsonOf({ ...(this as object) })
  }

  toJSON(): object {
    const { token: _, ...shown } = this
    return shown
  }

  /** The id of the job in Lark. (`id` is the `jobId` if the application has chosen one.) @internal */
  get larkId(): string {
    return this.#id()
  }

  /** Whether the processor has delayed the job, or has decided to wait for its children. @internal */
  get isMoved(): boolean {
    return this.movedFor !== undefined || this.awaits !== undefined
  }

  /** The children that the processor has decided to wait for. @internal */
  get awaits(): JobChildren | undefined {
    return this.#run.awaits
  }

  /** Milliseconds by which the processor has delayed the job; undefined if it has not. @internal */
  get movedFor(): number | undefined {
    const { movedTo } = this.#run
    return movedTo === undefined ? undefined : Math.max(0, movedTo - Date.now())
  }

  /**
   * Called when the run has ended.
   *
   * @param what `retryIn`: milliseconds until the next attempt. Undefined if
   *   there is no next attempt @internal
   */
  ended(what: { value: ReturnType } | { error: Error; retryIn: number | undefined }): void {
    this.#run.controls = undefined
    this.attemptsMade++
    if ('value' in what) this.returnvalue = what.value
    else {
      this.failedReason = what.error.message
      this.stacktrace = this.#traces([...(this.stacktrace ?? []), what.error.stack ?? what.error.message])
      this.delay = what.retryIn ?? 0
      if (what.retryIn !== undefined) return
    }
    this.finishedOn = Date.now()
  }

  /** The newest stack traces, up to the number that the job keeps. */
  #traces(all: string[]): string[] {
    const { stackTraceLimit: limit = all.length } = this.opts
    return limit <= 0 ? [] : all.slice(-limit)
  }

  /** Whether the job is the job of a job scheduler's next tick, which is not in the queue yet. */
  async #isNextTick(): Promise<boolean> {
    const tick = this.repeatJobKey === undefined ? undefined : tickOf(this.#id())
    return tick !== undefined && (await this.#home.store.jobs.schedules.get(tick.schedule))?.next === tick.at
  }

  #running(method: string): JobControls {
    if (this.#run.controls !== undefined) return this.#run.controls
    throw unsupported(
      `Job ${this.id}`,
      `${method} outside of its processor`,
      '`this.progress()`, `this.info()`',
      'results.md#progress',
    )
  }

  async #mustBeThere(method: string): Promise<void> {
    if ((await this.getState()) === 'unknown') throw new Error(`Missing key for job ${this.id}. ${method}`)
  }

  async #isIn(state: JobState): Promise<boolean> {
    return (await this.getState()) === state
  }

  #id(): string {
    if (this.#larkId === undefined) throw new Error(`The job ${this.name} has no id`)
    return this.#larkId
  }

  /** @param node the node of the job. If the node was started again meanwhile, it has another job */
  #handle(node?: FlowNode) {
    const { store, queue } = this.#home
    return store.jobs.handle(EveryJob, node?.id ?? this.#id(), { queue })
  }

  /** The node of the job. Undefined if the job is in no flow. */
  async #node(): Promise<FlowNode | undefined> {
    const id = this.#id()
    return memberOf(id) === undefined ? undefined : await FlowNode.find(this.#home, id)
  }

  async #dependencies(): Promise<Dependencies> {
    const node = await this.#node()
    const added = (await JobChildren.of(this.#home, node?.id ?? this.#id())).dependencies
    if (node === undefined) return added
    const { processed, unprocessed, ignored, failed } = await node.dependencies()
    return {
      processed: { ...processed, ...added.processed },
      unprocessed: [...unprocessed, ...added.unprocessed],
      ignored: { ...ignored, ...added.ignored },
      failed: [...failed, ...added.failed],
    }
  }

  #hasNoJob(method: string, inLark: string): Error {
    const what = `${method} of a job that has ended because of its children`
    return unsupported(`Job ${this.id}`, what, inLark, bullFlows)
  }
}
refuseMethods(BullJob.prototype, 'methods of Job')
refuseProperties(BullJob.prototype, 'properties of Job')

/**
 * How many attempts BullMQ had made when the job was imported. In Lark, the job has only the remaining
 * attempts.
 */
function madeBefore({ attempts }: JobsOptions, options: Pick<JobOptions, 'tries'> | undefined): number {
  return Math.max(0, (attempts || 1) - (options?.tries ?? 1))
}

/** The priority with which the job was added, unless it was changed since then. */
function priorityOf({ priority = 0 }: JobsOptions, now: number): number {
  return larkPriority(priority) === now ? priority : Math.max(0, -now)
}

/** The length of the last delay of a job. After a failed attempt, this is the pause before the retry. */
function delayOf({ dueAt, errors, runs }: StoredJob | JobDetail, added: number): number {
  const failed = errors.at(-1)
  const isRetry = dueAt !== undefined && failed?.at !== undefined && failed.run === runs
  return isRetry ? Math.max(0, dueAt - failed.at!) : added
}

/** The message of the last error. As in BullMQ, a job that was retried by hand has no such message. */
function lastFailure({ errors, queuedAt, state }: StoredJob | JobDetail): string | undefined {
  const last = errors.at(-1)
  const isRetried = state !== 'failed' && last?.at !== undefined && last.at <= queuedAt
  return isRetried ? undefined : last?.message
}

function stackOf({ stack, name, message }: JobError): string {
  return stack ?? `${name}: ${message}`
}

function cancelledReason({ reason, because }: Pick<StoredJob, 'reason' | 'because'>): string {
  return `cancelled: ${because ?? reason ?? 'the reason is not known'}`
}
