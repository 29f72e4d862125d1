/**
 * The `Queue` of BullMQ on a store of Lark.
 */
import { defined } from '@s18i/lark/internal'
import { type EndedState, JobsError, type State } from '@s18i/lark-jobs'
import { memberOf, shown } from '@s18i/lark-jobs/internal'
import {
  boardRefused,
  checkOptions,
  refuseMethods,
  refuseProperties,
  unsupported,
  wrongValue,
} from '../compared/unsupported.ts'
import { BullEmitter, type IoredisListener } from '../events/emitter.ts'
import { FlowNode } from '../flow/flow-node.ts'
import { type Any, BullJob } from '../job/bull-job.ts'
import { EveryJob } from '../job/every-job.ts'
import type { JobJson, JobProgress } from '../job/job-json.ts'
import {
  type AddedJob,
  type BulkJobOptions,
  checkJobOptions,
  type DefaultJobOptions,
  type JobsOptions,
  optionsIn,
  wrongId,
} from '../job/job-options.ts'
import { type FinishedStatus, type JobState, waitsForChildren } from '../job/job-state.ts'
import { larkIds } from '../job/own-id.ts'
import { purgeJob } from '../job/purged.ts'
import { type RepeatOptions, repeatableKey } from '../job/repeat-options.ts'
import { retryAll } from '../job/retrying.ts'
import { type RateLimiterOptions, rateOf } from '../store/rate.ts'
import { type JobHome, type QueueBaseOptions, SharedStore, settleAt } from '../store/shared-store.ts'
import {
  checkTelemetry,
  MetricNames,
  SpanKind,
  type Telemetry,
  TelemetryAttributes,
  traced,
  withContext,
} from '../store/telemetry.ts'
import { JobScheduler } from './job-scheduler.ts'
import {
  type JobSchedulerJson,
  JobSchedulers,
  type JobTemplate,
  type RepeatableJob,
} from './job-schedulers.ts'
import { type Metrics, metricsOf, prometheusOf } from './queue-metrics.ts'
import { readQueue } from './queue-name.ts'

export interface BullQueueOptions extends QueueBaseOptions {
  /** The default options of each job. */
  defaultJobOptions?: DefaultJobOptions
  telemetry?: Telemetry
  // These options have no effect, because Lark does the same by itself.
  streams?: { events: { maxLen: number } }
  skipMetasUpdate?: boolean
}

export interface ObliterateOpts {
  force?: boolean
  /** This option has no effect, because the jobs are always removed in small steps. */
  count?: number
}

export type JobType = JobState | 'wait' | 'paused'

/**
 * The states of Lark that correspond to each state of BullMQ. In Lark, a job with a priority is `waiting`. In
 * BullMQ, a cancelled job counts as failed.
 */
const statesOf: Record<string, readonly State[]> = {
  waiting: ['waiting'],
  wait: ['waiting'],
  paused: [],
  prioritized: ['waiting'],
  active: ['active'],
  delayed: ['delayed'],
  'waiting-children': ['blocked'],
  completed: ['completed'],
  failed: ['failed', 'cancelled'],
}
/** For some states of BullMQ: returns whether a waiting job of Lark has this state. */
const prioritizedOf: Partial<Record<JobType, (job: BullJob) => boolean>> = {
  waiting: ({ priority }) => priority === 0,
  wait: ({ priority }) => priority === 0,
  prioritized: ({ priority }) => priority > 0,
}
const everyType = [
  'active',
  'completed',
  'delayed',
  'failed',
  'prioritized',
  'waiting',
  'waiting-children',
] as const
const ended: readonly State[] = ['completed', 'failed', 'cancelled'] satisfies EndedState[]

/** The keys that each queue of BullMQ has in Redis, in addition to the keys of its jobs. */
const keysOfQueue = [
  ...['', 'active', 'wait', 'waiting-children', 'paused', 'id', 'delayed', 'prioritized', 'stalled-check'],
  ...['completed', 'failed', 'stalled', 'repeat', 'limiter', 'meta', 'events', 'pc', 'marker', 'de'],
]

/** The time at which a delayed job is due, in milliseconds since 1970. */
function dueOf({ timestamp, delay }: BullJob): number {
  return timestamp + delay
}

/** The events of a queue. An object emits events only for what it has done itself. */
export interface BullQueueEvents extends IoredisListener {
  error: (error: Error) => void
  waiting: (job: BullJob) => void
  paused: () => void
  resumed: () => void
  removed: (jobId: string) => void
  cleaned: (jobIds: string[], type: string) => void
  progress: (jobId: string, progress: JobProgress) => void
}

/**
 * Adds jobs to a queue, and reads its jobs.
 *
 * @example
 * const queue = new Queue('emails', { connection: { host: 'localhost', port: 6379 } })
 * await queue.add('welcome', { to: 'ada@example.com' }, { attempts: 3, backoff: { type: 'exponential', delay: 1_000 } })
 */
export class BullQueue<DataType = Any, ResultType = Any, NameType extends string = string>
  extends BullEmitter<BullQueueEvents>
  implements AsyncDisposable
{
  readonly name: string
  readonly opts: BullQueueOptions
  readonly #home: JobHome
  readonly #schedulers: JobSchedulers
  #scheduler: Promise<JobScheduler> | undefined
  #closing: Promise<void> | undefined

  /** @throws BULLMQ_UNSUPPORTED for an option that Lark does not have, JOB_INVALID for a wrong value */
  constructor(name: string, opts: BullQueueOptions = {}) {
    const who = `Queue ${shown(name)}`
    super(who, 'events of Queue')
    const queue = readQueue(who, name)
    this.name = name
    this.opts = checkOptions(who, 'options of Queue', opts)
    checkJobOptions(`${who}: defaultJobOptions`, this.opts.defaultJobOptions)
    checkTelemetry(who, this.opts.telemetry)
    this.#home = settleAt(this, { store: SharedStore.of(who, this.opts, queue, name), queue })
    this.#schedulers = new JobSchedulers(who, this.#home)
  }

  get defaultJobOptions(): DefaultJobOptions {
    return { ...this.opts.defaultJobOptions }
  }

  /** The same as `defaultJobOptions`. */
  get jobsOpts(): DefaultJobOptions {
    return this.defaultJobOptions
  }

  /** The prefix and the name of the queue: `prefix:queue`. @throws Error if the prefix is not known yet */
  get qualifiedName(): string {
    return this.#home.store.qualifiedName(this.#home.queue)
  }

  /**
   * The key of a job, as `job.getChildrenValues()` names it.
   *
   * @param id the id of a job. Names of other keys that a queue of BullMQ has, such as `meta`, are refused
   */
  toKey(id: string): string {
    if (!keysOfQueue.includes(id)) return `${this.qualifiedName}:${id}`
    throw unsupported(`${this}`, `the key ${shown(id)}`, 'nothing: Lark has other keys', 'redis.md')
  }

  /** @throws BULLMQ_UNSUPPORTED */
  get metaValues(): never {
    throw boardRefused(`${this}`)
  }

  /** The promise that `close()` has returned. Undefined before `close()` was called. */
  get closing(): Promise<void> | undefined {
    return this.#closing
  }

  /** An object that has only the methods for the job schedulers of the queue. */
  get jobScheduler(): Promise<JobScheduler> {
    this.#scheduler ??= Promise.resolve(this.#makeScheduler())
    return this.#scheduler
  }

  #makeScheduler(): JobScheduler {
    const { connection, prefix } = this.opts
    const scheduler = new JobScheduler(this.name, defined({ connection, prefix }))
    return scheduler.on('error', (error) => this.tell('error', error))
  }

  /**
   * Adds a job.
   *
   * @param name the name of the job, which the processor can read. It is also the key of the job in Lark
   * @param data the data of the job, as JSON. Default: `{}`
   * @returns the job. If the queue already has a job with this `jobId` or `deduplication.id`, the returned
   *   job has the id of the existing job
   * @throws BULLMQ_UNSUPPORTED, JOB_INVALID; the errors of a dispatch
   */
  async add(
    name: NameType,
    data: DataType,
    opts?: JobsOptions,
  ): Promise<BullJob<DataType, ResultType, NameType>> {
    const { repeat, ...own } = opts ?? {}
    return await this.#traced(SpanKind.PRODUCER, 'add', `${this.name}.${name}`, async (span, metadata) => {
      const id = own.jobId
      if (id === '0' || id?.startsWith('0:'))
        throw wrongId(`${this}`, id, "JobId cannot be '0' or start with '0:'")
      const added = this.#read(name, data, opts && own, metadata)
      if (repeat)
        return (await this.#schedulers.addRepeatable(added, repeat)) as BullJob<
          DataType,
          ResultType,
          NameType
        >
      const [job] = await this.#add([added])
      span?.setAttributes({
        [TelemetryAttributes.JobName]: name,
        [TelemetryAttributes.JobId]: job!.id,
      })
      return job!
    })
  }

  /**
   * Adds several jobs, up to 1,000 jobs in one atomic step. All jobs are checked before the first job is
   * sent.
   */
  async addBulk(
    jobs: readonly { name: NameType; data: DataType; opts?: BulkJobOptions }[],
  ): Promise<BullJob<DataType, ResultType, NameType>[]> {
    return await this.#traced(SpanKind.PRODUCER, 'addBulk', this.name, async (span, metadata) => {
      span?.setAttributes({
        [TelemetryAttributes.BulkNames]: jobs.map(({ name }) => name),
        [TelemetryAttributes.BulkCount]: jobs.length,
      })
      return await this.#add(jobs.map(({ name, data, opts }) => this.#read(name, data, opts, metadata)))
    })
  }

  /** Makes a call within a span, if the queue has `telemetry`. */
  #traced<T>(
    kind: SpanKind,
    operation: string,
    on: string,
    call: Parameters<typeof traced<T>>[2],
  ): Promise<T> {
    return traced(this.opts.telemetry, { kind, queue: this.name, operation, on }, call)
  }

  /** @param metadata the context in which the job is added */
  #read(name: string, data: unknown, opts: JobsOptions | undefined, metadata: string | undefined): AddedJob {
    const own = checkJobOptions(`${this}: the job ${shown(name)}`, opts)
    return { name, data, opts: withContext({ ...this.opts.defaultJobOptions, ...own }, metadata) }
  }

  async #add(added: readonly AddedJob[]): Promise<BullJob<DataType, ResultType, NameType>[]> {
    const jobs = await BullJob.added(`${this}`, this.#home, added)
    for (const job of jobs) this.tell('waiting', job)
    return jobs as BullJob<DataType, ResultType, NameType>[]
  }

  async getJob(id: string): Promise<BullJob<DataType, ResultType, NameType> | undefined> {
    const job = (await BullJob.withId(this.#home, id)) ?? (await this.#schedulers.nextWith(id))
    return job as BullJob<DataType, ResultType, NameType> | undefined
  }

  async getJobState(id: string): Promise<JobState | 'unknown'> {
    const [first] = larkIds(id)
    const state = await new BullJob(this.#home, {
      id: first,
      name: '',
      data: {},
      opts: {},
      timestamp: 0,
    }).getState()
    // The application may have chosen the id for a job of a flow.
    return state === 'unknown' ? ((await (await this.getJob(id))?.getState()) ?? 'unknown') : state
  }

  /**
   * Reads jobs in some states, one state after the other.
   *
   * @param start the index of the first job in each state, from 0
   * @param end the index of the last job in each state. -1 means the last job. Default: all jobs
   * @param asc whether the oldest job comes first. Default: the newest job comes first
   */
  async getJobs(
    types: readonly JobType[] | JobType = everyType,
    start = 0,
    end = -1,
    asc = false,
  ): Promise<BullJob<DataType, ResultType, NameType>[]> {
    const all: BullJob[] = []
    const named = ([types].flat() as JobType[]).map((type) => (type === 'wait' ? 'waiting' : type))
    for (const type of new Set(named)) {
      const is = prioritizedOf[type] ?? (() => true)
      const found: BullJob[] = type === 'waiting-children' ? await this.#blocked(asc) : []
      for (const state of this.#states(type)) found.push(...(await this.#list(state, end, asc, is)))
      if (type === 'waiting-children') found.push(...(await this.#resting(asc)))
      if (type === 'delayed') {
        const next = await this.#schedulers.next()
        if (next.length > 0) found.push(...next)
        if (next.length > 0) found.sort((one, other) => (asc ? 1 : -1) * (dueOf(one) - dueOf(other)))
      }
      all.push(
        ...(end < 0 ? found.slice(start, end === -1 ? undefined : end + 1) : found.slice(start, end + 1)),
      )
    }
    return all as BullJob<DataType, ResultType, NameType>[]
  }

  #states(type: JobType): readonly State[] {
    const states = statesOf[type]
    if (states !== undefined) return states
    throw wrongValue(`${this}`, 'the state of jobs', type, Object.keys(statesOf).join(', '))
  }

  /** The jobs that wait for their children. Only their flows contain these jobs. */
  async #blocked(asc: boolean): Promise<BullJob[]> {
    const found: (BullJob | undefined)[] = []
    for await (const node of FlowNode.blocked(this.#home)) found.push(await BullJob.ofNode(node))
    const jobs = found.filter((job) => job !== undefined)
    return asc ? jobs.reverse() : jobs
  }

  /** The jobs that wait for children that were added to them. */
  async #resting(asc: boolean): Promise<BullJob[]> {
    const { suspended } = await this.#home.store.standing(this.#home.queue)
    return suspended === 0 ? [] : await this.#list('delayed', -1, asc, () => true, waitsForChildren)
  }

  /** Reads the jobs in a state. It reads no more than needed if the store has them in the wanted order. */
  async #list(
    state: State,
    end: number,
    asc: boolean,
    is: (job: BullJob) => boolean,
    suspends = (suspended?: readonly string[]) => !waitsForChildren(suspended),
  ): Promise<BullJob[]> {
    const { jobs } = this.#home.store
    const isNatural = asc || ended.includes(state)
    const found: BullJob[] = []
    let cursor: string | undefined
    do {
      const order = ended.includes(state) ? { order: asc ? ('oldest' as const) : ('newest' as const) } : {}
      const page = await jobs.list(
        { queue: this.#home.queue, state },
        { limit: 1_000, ...order, ...(cursor && { cursor }) },
      )
      const those = page.jobs.filter(({ suspended }) => suspends(suspended))
      found.push(...those.map((job) => BullJob.found(this.#home, job)).filter(is))
      cursor = page.cursor
    } while (cursor !== undefined && !(isNatural && end >= 0 && found.length > end))
    return isNatural ? found : found.reverse()
  }

  getWaiting = (start?: number, end?: number) => this.getJobs('waiting', start, end, true)
  getPrioritized = (start?: number, end?: number) => this.getJobs('prioritized', start, end, true)
  getActive = (start?: number, end?: number) => this.getJobs('active', start, end, true)
  getDelayed = (start?: number, end?: number) => this.getJobs('delayed', start, end, true)
  getCompleted = (start?: number, end?: number) => this.getJobs('completed', start, end, false)
  getFailed = (start?: number, end?: number) => this.getJobs('failed', start, end, false)
  getWaitingChildren = (start?: number, end?: number) => this.getJobs('waiting-children', start, end, true)

  /**
   * Counts the jobs in each state. Cancelled jobs are `failed`. To count `waiting-children`, all kept flows
   * are read.
   */
  async getJobCounts(...types: JobType[]): Promise<Record<string, number>> {
    const { counts, suspended } = await this.#home.store.standing(this.#home.queue)
    const all = types.length > 0 ? types : everyType
    let blocked = 0
    if (all.includes('waiting-children')) for await (const _ of FlowNode.blocked(this.#home)) blocked++
    const isAsked = all.some((type) => prioritizedOf[type] !== undefined)
    const prioritized = isAsked ? await this.#home.store.prioritized(this.#home.queue) : 0
    const next = all.includes('delayed') ? await this.#schedulers.nextCount() : 0
    const waiting = Math.max(0, counts.waiting - prioritized)
    const areAsked = all.includes('delayed') || all.includes('waiting-children')
    const resting = areAsked && suspended > 0 ? (await this.#resting(true)).length : 0
    const delayed = counts.delayed - resting + next
    const kept = { ...counts, blocked: blocked + resting, waiting, delayed }
    return Object.fromEntries(
      all.map((type) => [
        type,
        type === 'prioritized'
          ? prioritized
          : this.#states(type).reduce((sum, state) => sum + (kept[state as never] ?? 0), 0),
      ]),
    )
  }

  /**
   * The workers of the queue, with `id`, `addr` (host and process), `name` and `rawname`. A worker that does
   * not run, and the `name` of a worker in `rawname`, are known only in the process of the worker.
   */
  getWorkers(): Promise<Record<string, string>[]> {
    return this.#home.store.workersOf(this.#home.queue)
  }

  async getWorkersCount(): Promise<number> {
    return (await this.getWorkers()).length
  }

  /**
   * How many jobs have ended in each minute.
   *
   * @param start the first minute that is returned; 0 is the last minute that is over
   * @param end the last minute that is returned; -1 is the oldest
   */
  getMetrics(type: 'completed' | 'failed', start = 0, end = -1): Promise<Metrics> {
    return metricsOf(this.#home, type, start, end)
  }

  /** The counts of the queue as a text for Prometheus. @param variables further labels of each line */
  async exportPrometheusMetrics(variables?: Record<string, string>): Promise<string> {
    const [counts, completed, failed] = await Promise.all([
      this.getJobCounts(),
      this.getMetrics('completed'),
      this.getMetrics('failed'),
    ])
    const ended = { completed: completed.meta.count, failed: failed.meta.count }
    return prometheusOf(this.name, counts, ended, variables)
  }

  /**
   * Reads a page of the children of a job: those that have completed, or those that the job still waits for.
   */
  async getDependencies(
    parentId: string,
    type: 'processed' | 'pending',
    start: number,
    end: number,
  ): Promise<{ items: { id: string; v?: unknown }[]; jobs: JobJson[]; total: number }> {
    const parent = await this.getJob(parentId)
    const { processed = {}, unprocessed = [] } = (await parent?.getDependencies()) ?? {}
    const all =
      type === 'processed'
        ? Object.entries(processed).map(([id, v]) => ({ id, v }))
        : unprocessed.map((id) => ({ id }))
    const items = all.slice(start, end < 0 ? all.length + end + 1 : end + 1)
    const found = await Promise.all(items.map(({ id }) => this.#withKey(id)))
    const jobs = found
      .filter((job) => job !== undefined)
      .map((job) => ({ ...job.asJSON(), delay: job.delay, priority: job.priority }))
    return { items, jobs, total: all.length }
  }

  /** @param key `prefix:queue:id` */
  async #withKey(key: string): Promise<BullJob | undefined> {
    const { store } = this.#home
    const { prefix } = await store.settings()
    const [, queue, id] = /^([^:]*):(.*)$/s.exec(key.slice(prefix.length + 1)) ?? []
    return queue === undefined ? undefined : await BullJob.withId({ store, queue }, id!)
  }

  /**
   * Records the counts of `getJobCounts()` with the meter of `telemetry`, if there is one.
   *
   * @returns the counts
   */
  async recordJobCountsMetric(...types: JobType[]): Promise<Record<string, number>> {
    const counts = await this.getJobCounts(...types)
    const about = { description: 'Number of jobs in the queue by state', unit: '{jobs}' }
    const gauge = this.opts.telemetry?.meter?.createGauge(MetricNames.QueueJobsCount, about)
    for (const [state, count] of Object.entries(counts))
      gauge?.record(count, {
        [TelemetryAttributes.QueueName]: this.name,
        [TelemetryAttributes.QueueJobsState]: state,
      })
    return counts
  }

  async getJobCountByTypes(...types: JobType[]): Promise<number> {
    return Object.values(await this.getJobCounts(...types)).reduce((sum, count) => sum + count, 0)
  }

  /**
   * Counts the jobs that wait, by priority. All waiting jobs are read.
   *
   * @param priorities the priorities to count. The result has one key for each of them
   */
  async getCountsPerPriority(priorities: number[]): Promise<Record<string, number>> {
    const counts = Object.fromEntries(priorities.map((priority) => [priority, 0]))
    for (const { priority } of await this.getJobs(['waiting', 'prioritized']))
      if (priority in counts) counts[priority]! += 1
    return counts
  }

  /** The jobs that have not begun. */
  count = () => this.getJobCountByTypes('waiting', 'delayed', 'prioritized', 'waiting-children')
  getPrioritizedCount = () => this.getJobCountByTypes('prioritized')
  getWaitingCount = () => this.getJobCountByTypes('waiting')
  getActiveCount = () => this.getJobCountByTypes('active')
  getDelayedCount = () => this.getJobCountByTypes('delayed')
  getCompletedCount = () => this.getJobCountByTypes('completed')
  getFailedCount = () => this.getJobCountByTypes('failed')
  getWaitingChildrenCount = () => this.getJobCountByTypes('waiting-children')

  async getJobLogs(id: string, start = 0, end = -1, asc = true): Promise<{ logs: string[]; count: number }> {
    const { jobs } = this.#home.store
    const [first, other] = larkIds(id)
    const found =
      (await jobs.find(first!, { queue: this.#home.queue })) ??
      (other === undefined ? undefined : await jobs.find(other, { queue: this.#home.queue }))
    const { keepLogs } = optionsIn(found?.options?.context)
    const all = (found?.log ?? []).map(({ text }) => text).slice(-(keepLogs || 0))
    const ordered = asc ? all : all.toReversed()
    return { logs: ordered.slice(start, end < 0 ? undefined : end + 1), count: all.length }
  }

  /** Reports the progress of a job, which may be any JSON of at most 4 KiB. */
  async updateJobProgress(id: string, progress: JobProgress): Promise<void> {
    const job = await this.getJob(id)
    if (job === undefined) throw new Error(`Missing key for job ${id}. updateProgress`)
    await job.updateProgress(progress)
    this.tell('progress', id, progress)
  }

  /** See `Job.addJobLog()`. */
  addJobLog(id: string, row: string, keepLogs?: number): Promise<number> {
    return BullJob.addJobLog(this, id, row, keepLogs)
  }

  /** Pauses the queue: no job begins in any process, and running jobs go on. */
  async pause(): Promise<void> {
    await this.#home.store.jobs.pause({ queue: this.#home.queue })
    this.tell('paused')
    await this.#home.store.hint(this.#home.queue, 'paused', {})
  }

  async resume(): Promise<void> {
    await this.#home.store.jobs.resume({ queue: this.#home.queue })
    this.tell('resumed')
    await this.#home.store.hint(this.#home.queue, 'resumed', {})
  }

  async isPaused(): Promise<boolean> {
    return await this.#home.store.isPaused(this.#home.queue)
  }

  /** Pauses the queue for some milliseconds. During this time no job begins. */
  async rateLimit(ms: number): Promise<void> {
    if (typeof ms !== 'number' || !(ms >= 0)) throw wrongValue(`${this}`, 'rateLimit()', ms, 'milliseconds')
    await this.#home.store.pauseFor(this.#home.queue, ms)
  }

  /**
   * For how many milliseconds no job begins because of a rate limit.
   *
   * @param maxJobs if a job may begin, the result is 0 with this argument, and -2 without it
   */
  async getRateLimitTtl(maxJobs?: number): Promise<number> {
    const left = await this.#home.store.limitedFor(this.#home.queue)
    if (left > 0) return Math.ceil(left)
    return maxJobs ? 0 : -2
  }

  /**
   * Limits how many jobs of the queue run at a time, on all workers together. The limit is stored, and also
   * applies to workers of Lark.
   */
  async setGlobalConcurrency(concurrency: number): Promise<void> {
    this.#mustBeWhole('setGlobalConcurrency()', concurrency)
    await this.#home.store.setLimits(`${this}`, this.#home.queue, { concurrency })
  }

  async removeGlobalConcurrency(): Promise<void> {
    await this.#home.store.setLimits(`${this}`, this.#home.queue, { concurrency: undefined })
  }

  /** The limit of `setGlobalConcurrency()`. Null if there is no such limit. */
  async getGlobalConcurrency(): Promise<number | null> {
    return (await this.#home.store.limitsOf(this.#home.queue)).concurrency ?? null
  }

  /** Whether as many jobs run as the limit of `setGlobalConcurrency()` allows. */
  async isMaxed(): Promise<boolean> {
    const most = await this.getGlobalConcurrency()
    return most !== null && (await this.getActiveCount()) >= most
  }

  /**
   * Limits how many jobs of the queue begin within a time, on all workers together. The limit is stored, and
   * replaces the option `limiter` of a worker.
   *
   * @param duration milliseconds
   */
  async setGlobalRateLimit(max: number, duration: number): Promise<void> {
    this.#mustBeWhole('setGlobalRateLimit()', max)
    this.#mustBeWhole('setGlobalRateLimit()', duration)
    await this.#home.store.setLimits(`${this}`, this.#home.queue, { rate: rateOf({ max, duration }) })
  }

  async removeGlobalRateLimit(): Promise<void> {
    await this.#home.store.setLimits(`${this}`, this.#home.queue, { rate: undefined })
  }

  /** The limit of `setGlobalRateLimit()`. Null if there is no such limit. */
  async getGlobalRateLimit(): Promise<RateLimiterOptions | null> {
    const { rate } = await this.#home.store.limitsOf(this.#home.queue)
    return rate === undefined ? null : { max: rate.limit, duration: rate.per }
  }

  #mustBeWhole(method: string, value: number): void {
    if (!Number.isInteger(value) || value < 1)
      throw wrongValue(`${this}`, method, value, 'a whole number from 1')
  }

  /** Ends the pause of `rateLimit()`. @returns 1, or 0 if there was no such pause */
  async removeRateLimitKey(): Promise<number> {
    return (await this.#home.store.endLimit(this.#home.queue)) ? 1 : 0
  }

  /** Removes a job and the jobs that it waits for. @returns 1, or 0 if one of these jobs runs */
  async remove(id: string): Promise<number> {
    const job = await this.getJob(id)
    try {
      await job?.remove()
    } catch (error) {
      if ((error as Error).message.includes('is locked') || JobsError.is(error, 'JOB_NOT_REMOVABLE')) return 0
      throw error
    }
    if (job !== undefined) this.tell('removed', id)
    return 1
  }

  async #remove({ id, larkId, opts }: BullJob): Promise<boolean> {
    const handle = this.#home.store.jobs.handle(EveryJob, larkId, { queue: this.#home.queue })
    const isUnique = opts.deduplication !== undefined
    const isRemoved = isUnique ? (await purgeJob(this.#home, larkId)) === 'done' : await handle.remove()
    if (isRemoved) this.tell('removed', id!)
    return isRemoved
  }

  /** Removes the waiting jobs. @param delayed whether to remove delayed jobs, too */
  async drain(delayed = false): Promise<void> {
    const state = delayed ? (['waiting', 'delayed'] as const) : 'waiting'
    await FlowNode.drain(this.#home, delayed)
    await this.#home.store.jobs.remove({ queue: this.#home.queue, state })
  }

  /**
   * Removes the jobs in a state that are old enough.
   *
   * @param grace the minimum age in milliseconds, counted from the end of a job or, if the job has not ended,
   *   from its addition
   * @param limit the maximum number of jobs to remove. 0 means all jobs
   * @returns the ids of the removed jobs
   */
  async clean(grace: number, limit: number, type: JobType = 'completed'): Promise<string[]> {
    return await this.#traced(SpanKind.INTERNAL, 'clean', this.name, async (span) => {
      const ids = await this.#clean(grace, limit, type)
      span?.setAttributes({
        [TelemetryAttributes.QueueGrace]: grace,
        [TelemetryAttributes.JobType]: type,
        [TelemetryAttributes.QueueCleanLimit]: limit,
        [TelemetryAttributes.QueueCleanCount]: ids.length,
      })
      return ids
    })
  }

  async #clean(grace: number, limit: number, type: JobType): Promise<string[]> {
    const before = Date.now() - grace
    const found = await this.getJobs(type, 0, -1, true)
    const old = found.filter(({ finishedOn, timestamp }) => (finishedOn ?? timestamp) <= before)
    const chosen = limit > 0 ? old.slice(0, limit) : old
    const members = chosen.map(({ larkId }) => larkId).filter((id) => memberOf(id) !== undefined)
    const gone = new Set(await FlowNode.clear(this.#home, members))
    const ids: string[] = []
    for (const job of chosen) {
      const { id, larkId } = job
      if (gone.has(larkId)) this.tell('removed', id!)
      else if (memberOf(larkId) !== undefined || !(await this.#remove(job))) continue
      ids.push(id!)
    }
    this.tell('cleaned', ids, type === 'waiting' ? 'wait' : type)
    await this.#home.store.hint(this.#home.queue, 'cleaned', { count: String(ids.length) })
    return ids
  }

  /**
   * Removes all jobs of the queue.
   *
   * @param opts `force`: cancels running jobs. Without `force`, the call throws an error if a job runs
   */
  async obliterate({ force = false }: ObliterateOpts = {}): Promise<void> {
    const { jobs } = this.#home.store
    await jobs.pause({ queue: this.#home.queue })
    const active = await this.getActiveCount()
    if (active > 0 && !force) throw new Error('Cannot obliterate queue with active jobs')
    if (active > 0) await jobs.cancel({ queue: this.#home.queue, state: 'active' })
    await jobs.remove({ queue: this.#home.queue })
    await this.#home.store.setLimits(`${this}`, this.#home.queue, { concurrency: undefined, rate: undefined })
    await jobs.resume({ queue: this.#home.queue })
  }

  /**
   * Adds all failed or all completed jobs again.
   *
   * @param opts `timestamp`: only jobs that ended before or at this time, in milliseconds since 1970. `count`
   *   has no effect, because the jobs are always retried in small steps
   */
  async retryJobs(opts: { count?: number; state?: FinishedStatus; timestamp?: number } = {}): Promise<void> {
    const { state = 'failed', timestamp } = opts
    await retryAll(this.#home, statesOf[state] as EndedState[], timestamp)
  }

  /** Removes nothing, because Lark has no parts of jobs that are not in a queue. @returns 0 */
  async removeOrphanedJobs(_count?: number, _limit?: number): Promise<number> {
    return 0
  }

  /** Makes all delayed jobs due now. */
  async promoteJobs(_opts: { count?: number } = {}): Promise<void> {
    await this.#home.store.jobs.runNow({ queue: this.#home.queue, state: 'delayed' })
  }

  /**
   * Makes a job scheduler, or changes an existing job scheduler.
   *
   * @returns the job of its next tick. The job is not in the queue before the tick
   * @throws BULLMQ_UNSUPPORTED, SCHEDULE_INVALID
   */
  async upsertJobScheduler(
    id: string,
    repeat: RepeatOptions,
    template: JobTemplate<DataType, NameType> = {},
  ): Promise<BullJob<DataType, ResultType, NameType>> {
    const { delay: _, ...defaults } = this.opts.defaultJobOptions ?? {}
    const on = `${this.name}.${template.name ?? id}`
    return await this.#traced(SpanKind.PRODUCER, 'add', on, async (span, metadata) => {
      const opts = withContext(template.opts ?? {}, metadata)
      const job = await this.#schedulers.upsert(id, repeat, { ...template, opts }, defaults)
      span?.setAttributes({
        [TelemetryAttributes.JobSchedulerId]: id,
        [TelemetryAttributes.JobId]: job.id,
      })
      return job as BullJob<DataType, ResultType, NameType>
    })
  }

  /** @returns whether the job scheduler existed */
  removeJobScheduler(id: string): Promise<boolean> {
    return this.#schedulers.remove(id)
  }

  getJobScheduler(id: string): Promise<JobSchedulerJson | undefined> {
    return this.#schedulers.get(id)
  }

  getJobSchedulers(start = 0, end = -1, asc = true): Promise<JobSchedulerJson[]> {
    return this.#schedulers.page(start, end, asc)
  }

  async getJobSchedulersCount(): Promise<number> {
    return (await this.#schedulers.list()).length
  }

  /** The repeatable jobs and the job schedulers, in the form of BullMQ 5. */
  getRepeatableJobs(start = 0, end = -1, asc = false): Promise<RepeatableJob[]> {
    return this.#schedulers.repeatable(start, end, asc)
  }

  /**
   * @param jobId the `jobId` with which the repeatable job was added
   * @returns whether the repeatable job existed
   */
  removeRepeatable(name: NameType, repeat: RepeatOptions, jobId?: string): Promise<boolean> {
    const { jobId: _, ...said } = repeat
    return this.#schedulers.remove(repeatableKey(name, { ...said, ...defined({ jobId }) }))
  }

  removeRepeatableByKey(key: string): Promise<boolean> {
    return this.#schedulers.remove(key)
  }

  /** Resolves when the store is open. */
  async waitUntilReady(): Promise<void> {
    await this.#home.store.standing(this.#home.queue)
  }

  /** Waits until the added jobs are in the store. The store is closed with its last user in this process. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await (await this.#scheduler)?.close()
    await this.#home.store.leave()
  }

  disconnect(): Promise<void> {
    return this.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
refuseMethods(BullQueue.prototype, 'methods of Queue')
refuseProperties(BullQueue.prototype, 'properties of Queue')
