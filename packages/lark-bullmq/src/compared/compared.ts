/**
 * The features of BullMQ, and Lark's answer to each. This table decides which options `@s18i/lark-bullmq`
 * takes and refuses. `lark jobs:check-bullmq` reports its answers, and the tables of the manual
 * (docs/bullmq-names.md) are generated from it.
 */

export const verdicts = {
  /** Lark does the same. */
  same: 'the same',
  /** Lark does the same in a safer way, or does more. */
  better: 'better',
  /** Lark does nearly the same, and the text says what differs. */
  differs: 'differs',
  /** The name is accepted and has no effect, because Lark does the same without it. */
  needless: 'not needed',
  /** Applications may listen for the event, but the event never comes. */
  silent: 'never comes',
  /** Using the name throws BULLMQ_UNSUPPORTED. */
  missing: 'not there',
} as const

export type Compatibility = keyof typeof verdicts

/** The verdict, what corresponds to the name in Lark, and the page of the manual with its anchor. */
export type Comparison = readonly [verdict: Compatibility, inLark: string, page?: string]

type Topic = Readonly<Record<string, Comparison>>

const errors = 'retries.md#retries'
const unique = 'unique-jobs.md#options'
const workers = 'queue-workers.md'
const schedules = 'schedules.md'
const operating = 'operating-jobs.md'
const flows = 'flows.md'
const bullFlows = 'bullmq-flows.md'
const bullNextJob = 'bullmq-differences.md#jobs-without-a-processor'
const keep = 'retention.md'
const hooks = 'middleware.md#hooks'
const handles = 'handles.md#handles'
const events = 'events.md'
const redis = 'redis.md'
const nestPage = 'bullmq-nest.md#nest'
const boardPage = 'bullmq-nest.md#bull-board'

const connection: Comparison = ['same', '`connection`; without it, the store of `lark.config`', redis]
const prefix: Comparison = [
  'differs',
  '`prefix`, without its braces: Lark places keys in a cluster itself',
  redis,
]
const telemetry = [
  'differs',
  '`telemetry: otel()` in `lark.config`. Spans of what adds, cleans and runs jobs, and the metrics of jobs',
  'opentelemetry.md',
] as const
/** A type that `@s18i/lark-bullmq` exports under the same name. */
const taken: Comparison = ['same', 'a type of the same name in `@s18i/lark-bullmq`', 'from-bullmq.md']
const nest: Comparison = ['same', 'the same name in `@s18i/lark-bullmq/nest`', nestPage]
const board: Comparison = ['missing', 'the dashboard: `dashboard()`, `toNode()`', boardPage]
const noBackend: Comparison = ['missing', 'nothing: Lark has other keys', redis]
const noTrace: Comparison = ['missing', '`telemetry: otel()` in `lark.config`', 'opentelemetry.md']
/** The properties that say where BullMQ keeps its data in Redis. */
const noKeys = {
  client: ['missing', 'a connection of your own', redis],
  keys: noBackend,
  toKey: noBackend,
  backend: noBackend,
  qualifiedName: ['same', 'the name of the queue', redis],
} as const
const noClose: Comparison = ['silent', 'calls reject, and a worker emits `error`', 'errors.md']
const needlessConnecting = {
  skipVersionCheck: ['needless', 'the server is checked once', redis],
  skipWaitingForReady: ['needless', 'a dispatch fails after 5 s if the store does not answer', redis],
  blockingConnection: ['needless', 'Lark opens the connections that it needs', redis],
} as const

export const compared = {
  exports: {
    Queue: ['same', '`job.dispatch()`, `Jobs`', 'dispatching-jobs.md'],
    Worker: ['same', '`lark jobs:work`, `Jobs.work()`', workers],
    Job: ['same', 'a class that extends `Job`; a handle', 'creating-jobs.md'],
    QueueEvents: ['same', '`handle.result()`, `Jobs.events()`', events],
    FlowProducer: ['same', '`workflow()`, `chain()`, `batch()`', flows],
    QueueEventsProducer: ['same', 'a job, or a channel of your own', events],
    JobScheduler: ['same', '`Jobs.schedules`', schedules],
    UnrecoverableError: ['same', '`this.fail()`, `NonRetryableError`', errors],
    DelayedError: ['same', '`this.release(delay)`', 'retries.md#not-yet'],
    WaitingError: ['same', '`this.release()`', 'retries.md#not-yet'],
    RateLimitError: [
      'same',
      '`this.pauseQueue(delay)`, after which the job comes behind those that wait',
      'retries.md#pausing-the-queue',
    ],
    WaitingChildrenError: ['same', '`this.runJob()`', 'child-jobs.md#child-jobs'],
    SpanKind: ['same', '`telemetry: otel()`', 'opentelemetry.md'],
    TelemetryAttributes: [
      'differs',
      'attributes of OpenTelemetry. Only those that are used',
      'opentelemetry.md',
    ],
    MetricNames: ['same', '`telemetry: otel()`', 'opentelemetry.md'],
    MetricsTime: ['needless', '`operate().history()`, Prometheus', 'monitoring.md'],
  },
  types: {
    ...{ JobsOptions: taken, DefaultJobOptions: taken, QueueOptions: taken, WorkerOptions: taken },
    ...{ QueueEventsOptions: taken, QueueEventsListener: taken, QueueListener: taken, WorkerListener: taken },
    ...{ Processor: taken, JobState: taken, JobType: taken, JobProgress: taken, FinishedStatus: taken },
    ...{
      RepeatOptions: taken,
      RepeatableJob: taken,
      JobSchedulerJson: taken,
      BackoffOptions: taken,
      BackoffStrategy: taken,
    },
    ...{ DeduplicationOptions: taken, KeepJobs: taken, ConnectionOptions: taken, RedisOptions: taken },
    ...{
      QueueBaseOptions: taken,
      MoveToWaitingChildrenOpts: taken,
      QueueEventsProducerOptions: taken,
      BulkJobOptions: taken,
      RateLimiterOptions: taken,
      JobJson: taken,
    },
    ...{ GetNextJobOptions: taken, MetricsOptions: taken, AdvancedOptions: taken, ParentOptions: taken },
    ...{ RetryOptions: taken, ObliterateOpts: taken, IoredisListener: taken, SandboxedJobProcessor: taken },
    ...{ JobSchedulerTemplateOptions: taken, JobSchedulerTemplateJson: taken, FlowQueuesOpts: taken },
    ...{ FlowChildJob: taken },
    Metrics: taken,
    ...{ FlowJob: taken, FlowOpts: taken, JobNode: taken, NodeOpts: taken, FlowProducerOptions: taken },
    FlowProducerListener: taken,
    SandboxedJob: taken,
    ...{ Telemetry: taken, Tracer: taken, Span: taken, SpanOptions: taken, ContextManager: taken },
    ...{ Meter: taken, Counter: taken, Histogram: taken, Gauge: taken, Attributes: taken, Time: taken },
  },
  Nest: {
    BullModule: nest,
    InjectQueue: nest,
    InjectFlowProducer: nest,
    getQueueToken: nest,
    getSharedConfigToken: nest,
    Processor: nest,
    WorkerHost: nest,
    OnWorkerEvent: nest,
    OnQueueEvent: nest,
    QueueEventsListener: nest,
    QueueEventsHost: nest,
  },
  'bull-board': {
    BullMQAdapter: board,
    BullAdapter: board,
    createBullBoard: board,
    ExpressAdapter: board,
    FastifyAdapter: board,
    HonoAdapter: board,
    KoaAdapter: board,
    HapiAdapter: board,
    H3Adapter: board,
    BullBoardModule: board,
    InjectBullBoard: board,
  },
  'options of Queue': {
    connection,
    prefix,
    defaultJobOptions: ['same', 'the fields of the job class', 'creating-jobs.md#settings'],
    streams: ['needless', 'events are written only while somebody listens, 10,000 of each partition', events],
    skipMetasUpdate: ['needless', 'a queue that only reads writes nothing', operating],
    settings: ['missing', '`cron()`, `every()`, `daily()`', schedules],
    telemetry,
    ...needlessConnecting,
  },
  'options of a job': {
    attempts: ['same', '`tries`', errors],
    backoff: ['same', '`backoff`', errors],
    delay: ['same', '`delay`', 'dispatching-jobs.md#delayed-jobs'],
    priority: [
      'differs',
      '`priority`, higher first. 1 to 100 are exact; above, steps of 7 %',
      'creating-jobs.md#settings',
    ],
    jobId: ['same', '`withId(id)`', 'handles.md#ids-of-your-own'],
    deduplication: ['same', '`unique()`', unique],
    removeOnComplete: ['better', '`keep`. An age counts by the clock, not when the next job ends', keep],
    removeOnFail: ['better', '`keep`. An age counts by the clock, not when the next job ends', keep],
    sizeLimit: ['same', 'payloads have at most 512 KiB', 'payloads.md'],
    lifo: ['missing', '`priority`', 'creating-jobs.md#settings'],
    timestamp: ['same', 'a field of the payload', 'payloads.md'],
    keepLogs: ['differs', 'the last 100 lines are kept, or fewer if it says so', keep],
    stackTraceLimit: ['differs', 'the last 10 errors are kept, or fewer if it says so', errors],
    repeat: ['same', '`Jobs.schedules.set()`; `upsertJobScheduler()`, as in BullMQ 6', schedules],
    parent: ['differs', '`this.runJob()`. The parent runs, or waits in its queue', bullFlows],
    telemetry: ['same', 'the trace of a dispatch is passed on by itself', 'opentelemetry.md'],
    failParentOnFailure: [
      'differs',
      "`ifFailed: 'fail'`. No `Worker` emits `failed` for the parent, only `QueueEvents`",
      bullFlows,
    ],
    continueParentOnFailure: ['same', "`ifFailed: 'run'`, which waits for all children", flows],
    ignoreDependencyOnFailure: ['same', "`ifFailed: 'run'`", flows],
    removeDependencyOnFailure: ['same', "`ifFailed: 'run'`", flows],
    debounce: ['missing', '`deduplication`, as in BullMQ 6', unique],
  },
  'options of deduplication': {
    id: ['same', 'what `unique()` returns', unique],
    ttl: ['same', "`throttle` with `until: 'queued'`", unique],
    extend: ['differs', '`debounce`: together with `replace` and `ttl`', unique],
    replace: ['better', '`replace`: also a job that waits, not only one that is delayed', unique],
    keepLastIfActive: [
      'differs',
      '`keepLast`. The job that waits has an id of its own, which `add()` returns',
      unique,
    ],
    reschedule: ['missing', '`debounce`', unique],
  },
  'options of backoff': {
    type: ['same', 'a duration, `exponential()`, or a function', errors],
    delay: ['same', 'a duration, or `from`', errors],
    jitter: ['same', '`jitter`', errors],
  },
  'options of Worker': {
    connection,
    prefix,
    concurrency: ['same', '`concurrency`', workers],
    autorun: ['same', '`Jobs.work()` starts it', workers],
    limiter: [
      'better',
      '`rate` of the queue. It holds in any period, not in windows',
      'queue-settings.md#limits',
    ],
    lockDuration: [
      'better',
      '`lease`. A thread renews it, so a busy event loop loses no job',
      'reliability.md',
    ],
    settings: ['same', '`backoff()` of the class', errors],
    removeOnComplete: ['better', '`keep` of the queue', keep],
    removeOnFail: ['better', '`keep` of the queue', keep],
    lockRenewTime: ['needless', 'a third of the lease', 'reliability.md'],
    stalledInterval: ['needless', 'a dead worker is found within a second after its lease', 'reliability.md'],
    drainDelay: ['needless', 'the store wakes an idle worker', workers],
    maximumRateLimitDelay: ['needless', 'an idle worker knows when a job may begin', workers],
    runRetryDelay: ['needless', 'calls are sent again until the store answers', 'reliability.md'],
    metrics: ['needless', 'each queue counts its ended jobs by minute', 'monitoring.md'],
    maxStalledCount: [
      'differs',
      '`maxCrashes` of the class, 3 or 10 if not set, which holds in any case',
      'creating-jobs.md#settings',
    ],
    maxStartedAttempts: ['same', '`maxCrashes`, `retryUntil`', 'creating-jobs.md#settings'],
    skipStalledCheck: ['missing', 'every worker looks for jobs of dead workers', 'reliability.md'],
    skipLockRenewal: ['missing', 'every lease is renewed', 'reliability.md'],
    name: [
      'differs',
      'a worker is shown with its host and process. `processedBy` has the name while the worker has the job',
      workers,
    ],
    useWorkerThreads: ['differs', 'a processor in a file always runs in a process', 'isolation.md'],
    workerForkOptions: [
      'differs',
      'a process has the flags and the environment of its worker. Only `execArgv`, with other flags',
      'isolation.md',
    ],
    workerThreadsOptions: [
      'differs',
      'processes: `isolated()`. As in BullMQ, without effect, and refused with `useWorkerThreads`',
      'isolation.md',
    ],
    telemetry,
    ...needlessConnecting,
  },
  'options of limiter': {
    max: ['same', '`limit` of a `rate`', 'queue-settings.md#limits'],
    duration: ['same', '`per` of a `rate`', 'queue-settings.md#limits'],
    groupKey: ['missing', '`group()` with a rate', 'groups.md'],
  },
  'options of settings': {
    backoffStrategy: ['same', '`backoff()` of the class', errors],
    repeatStrategy: ['missing', '`cron()`, `every()`, `daily()`', schedules],
    repeatKeyHashAlgorithm: ['missing', 'a schedule has the id that you choose', schedules],
  },
  'options of QueueEvents': {
    connection,
    prefix,
    autorun: ['same', 'listening begins with the first listener, or with `waitUntilReady()`', events],
    blockingTimeout: ['needless', 'the store wakes whoever listens', events],
    lastEventId: ['missing', '`since`, the cursor of an event', events],
    ...needlessConnecting,
  },
  'options of FlowProducer': {
    connection,
    prefix,
    telemetry,
    ...needlessConnecting,
  },
  'options of a job scheduler': {
    pattern: ['same', '`cron(expression)`', schedules],
    every: [
      'differs',
      '`every(time)`, from 1 s. After the first tick, which comes at once, aligned to the clock',
      schedules,
    ],
    tz: ['differs', '`timezone`. Without it, that of the configuration, not that of the process', schedules],
    startDate: ['same', '`from`', schedules],
    endDate: ['same', '`until`', schedules],
    limit: ['same', '`limit`', schedules],
    immediately: ['differs', '`Jobs.schedules.runNow()`. This job does not count for `limit`', schedules],
    offset: ['missing', '`cron()` with seconds', schedules],
    count: ['missing', '`limit`', schedules],
    key: ['same', 'the id of the schedule, of a repeatable job', schedules],
    jobId: ['same', 'part of the key of a repeatable job', schedules],
    prevMillis: ['missing', 'the store keeps the next instant', schedules],
  },
  'methods of Queue': {
    add: ['same', '`draft.dispatch()`', 'dispatching-jobs.md'],
    addBulk: [
      'better',
      '`Jobs.dispatch(drafts)`: up to 1,000 jobs are queued whole or not at all',
      'handles.md#several-classes-in-one-call',
    ],
    getJob: ['same', '`Jobs.find(id)`, `Jobs.handle()`', operating],
    getJobs: ['same', '`Jobs.list()`', operating],
    getJobState: ['same', '`handle.status()`', handles],
    getJobCounts: [
      'differs',
      '`Jobs.status()`, which counts jobs with a priority as `waiting`. Cancelled ones count as `failed`',
      operating,
    ],
    getJobCountByTypes: ['differs', '`Jobs.status()`, as `getJobCounts`', operating],
    count: ['same', '`Jobs.status()`', operating],
    getWaiting: ['same', '`Jobs.list()`', operating],
    getActive: ['same', '`Jobs.list()`', operating],
    getDelayed: ['same', '`Jobs.list()`', operating],
    getCompleted: ['same', '`Jobs.list()`', operating],
    getFailed: ['same', '`Jobs.list()`', operating],
    getWaitingChildren: ['same', '`Jobs.flows()`', flows],
    getWaitingCount: ['same', '`Jobs.status()`, where jobs with a priority are `waiting`, too', operating],
    getActiveCount: ['same', '`Jobs.status()`', operating],
    getDelayedCount: ['same', '`Jobs.status()`', operating],
    getCompletedCount: ['same', '`Jobs.status()`', operating],
    getFailedCount: ['differs', '`Jobs.status()`, as `getJobCounts`', operating],
    getWaitingChildrenCount: ['same', '`Jobs.flows()`', flows],
    getJobLogs: ['same', '`Jobs.find(id)`', operating],
    pause: ['same', '`Jobs.pause({ queue })`', operating],
    resume: ['same', '`Jobs.resume({ queue })`', operating],
    isPaused: ['same', '`Jobs.status()`', operating],
    remove: ['same', '`Jobs.remove(id)`', operating],
    drain: ['same', '`Jobs.remove({ queue, state })`', operating],
    clean: ['same', '`Jobs.remove(filter)`', operating],
    obliterate: ['better', '`Jobs.remove({ queue })`: in small steps, so no other client waits', operating],
    retryJobs: ['same', '`Jobs.retry(filter)`, after which a job has all its attempts again', operating],
    promoteJobs: ['same', '`Jobs.runNow(filter)`', operating],
    rateLimit: ['same', '`Jobs.pause({ queue, for })`', operating],
    upsertJobScheduler: [
      'better',
      '`Jobs.schedules.set()`: the store keeps the next instant, so no lost job stops it',
      schedules,
    ],
    removeJobScheduler: ['same', '`Jobs.schedules.remove()`', schedules],
    getJobScheduler: ['same', '`Jobs.schedules.get()`', schedules],
    getJobSchedulers: ['same', '`Jobs.schedules.list()`', schedules],
    getJobSchedulersCount: ['same', '`Jobs.schedules.list()`', schedules],
    close: ['same', '`Jobs.close()`', 'web-servers.md'],
    waitUntilReady: ['same', 'the first call opens the store', 'web-servers.md'],
    disconnect: ['same', '`Jobs.close()`', 'web-servers.md'],
    getWorkers: [
      'differs',
      '`operate().workers`. The name of a worker, and one that does not run, are known in its process only',
      operating,
    ],
    getWorkersCount: ['differs', '`operate().workers`', operating],
    getMetrics: [
      'differs',
      '`operate().history()`. The last minutes that are kept, and as `count` the jobs of 90 days',
      'monitoring.md',
    ],
    exportPrometheusMetrics: ['same', '`metrics()`', 'monitoring.md'],
    recordJobCountsMetric: ['same', '`otel()`', 'opentelemetry.md'],
    setGlobalConcurrency: ['same', '`concurrency` of the queue', 'queue-settings.md#limits'],
    removeGlobalConcurrency: ['same', '`concurrency` of the queue', 'queue-settings.md#limits'],
    getGlobalConcurrency: ['same', '`concurrency` of the queue', 'queue-settings.md#limits'],
    setGlobalRateLimit: ['same', '`rate` of the queue', 'queue-settings.md#limits'],
    removeGlobalRateLimit: ['same', '`rate` of the queue', 'queue-settings.md#limits'],
    getGlobalRateLimit: ['same', '`rate` of the queue', 'queue-settings.md#limits'],
    removeRateLimitKey: ['same', '`Jobs.resume({ queue })`', operating],
    getRateLimitTtl: [
      'differs',
      '`lark jobs:why`. It is above 0 only while no job may begin; a `limiter` counts in the process of its worker',
      operating,
    ],
    isMaxed: ['same', '`lark jobs:why`, which says of a job that waits that its queue is full', operating],
    getPrioritized: ['same', '`Jobs.list()`: jobs with a priority are `waiting`', operating],
    getPrioritizedCount: ['same', '`Jobs.status()`: jobs with a priority are `waiting`', operating],
    getCountsPerPriority: ['same', '`Jobs.list()`', operating],
    getDependencies: ['same', '`Jobs.flow(id).status()`', flows],
    getDeduplicationJobId: ['missing', 'the id of the handle that a dispatch returns', unique],
    removeDeduplicationKey: ['missing', 'a job that ends or is removed frees it', unique],
    getDebounceJobId: ['missing', 'the id of the handle that a dispatch returns', unique],
    removeDebounceKey: ['missing', 'a job that ends or is removed frees it', unique],
    updateJobProgress: ['same', '`this.progress()`, in the job that runs', 'results.md#progress'],
    addJobLog: ['same', '`this.info()`, in the job that runs', 'creating-jobs.md'],
    getRanges: ['missing', '`Jobs.list()`', operating],
    getMeta: ['missing', '`Jobs.status()`', operating],
    getVersion: ['missing', '`lark jobs:doctor`', operating],
    getQueueEvents: ['missing', 'Lark keeps no list of listeners', events],
    trimEvents: ['missing', 'events are bounded', events],
    removeOrphanedJobs: ['needless', 'there are none', 'reliability.md'],
    removeDeprecatedPriorityKey: ['missing', 'there is none', redis],
    getRepeatableJobs: ['same', '`Jobs.schedules.list()`; `getJobSchedulers()`, as in BullMQ 6', schedules],
    removeRepeatable: [
      'same',
      '`Jobs.schedules.remove()`; `removeJobScheduler()`, as in BullMQ 6',
      schedules,
    ],
    removeRepeatableByKey: [
      'same',
      '`Jobs.schedules.remove()`; `removeJobScheduler()`, as in BullMQ 6',
      schedules,
    ],
    getBackend: [
      'missing',
      'nothing: Lark has other keys; the dashboard of Lark, in the place of bull-board',
      boardPage,
    ],
    trace: noTrace,
  },
  'methods of Worker': {
    run: ['same', '`Jobs.work()`', workers],
    pause: ['same', '`worker.quiet()`', workers],
    resume: ['same', '`worker.resume()`', workers],
    isPaused: ['same', '`worker.quiet()`', workers],
    isRunning: ['same', '`worker.done`', workers],
    close: ['same', '`worker.stop(deadline)`', workers],
    rateLimit: ['same', '`this.pauseQueue(delay)`', 'retries.md#pausing-the-queue'],
    cancelJob: ['same', '`Jobs.cancel(id)`, from any process', operating],
    cancelAllJobs: ['same', '`Jobs.cancel(filter)`, from any process', operating],
    waitUntilReady: ['same', '`Jobs.work()` resolves', workers],
    disconnect: ['same', '`worker.stop(0)`', workers],
    getNextJob: [
      'differs',
      'a worker with `maxJobs`. The lease is renewed until the job is moved or the worker closed',
      bullNextJob,
    ],
    processJob: ['missing', '`job.dispatchNow()`', 'dispatching-jobs.md'],
    extendJobLocks: ['missing', 'leases are renewed', 'reliability.md'],
    startStalledCheckTimer: ['needless', 'every worker looks for jobs of dead workers', 'reliability.md'],
    delay: ['missing', '`this.release(delay)`', 'retries.md#not-yet'],
    getBackend: noBackend,
    trace: noTrace,
  },
  'methods of Job': {
    updateProgress: ['same', '`this.progress()`', 'results.md#progress'],
    log: ['same', '`this.info()`', 'creating-jobs.md'],
    getState: ['differs', '`handle.status()`. A cancelled job is `failed`', handles],
    isCompleted: ['same', '`handle.status()`', handles],
    isFailed: ['same', '`handle.status()`', handles],
    isDelayed: ['same', '`handle.status()`', handles],
    isActive: ['same', '`handle.status()`', handles],
    isWaiting: ['same', '`handle.status()`', handles],
    isWaitingChildren: ['same', '`handle.status()` of a flow', flows],
    getChildrenValues: ['same', 'results in the payload, `this.flow.result()`', flows],
    getFailedChildrenValues: ['same', '`this.flow.failures()`', flows],
    getIgnoredChildrenFailures: ['same', '`this.flow.failures()`', flows],
    getDependencies: ['same', '`this.flow.status()`', flows],
    getDependenciesCount: ['same', '`this.flow.status()`', flows],
    removeUnprocessedChildren: ['same', '`handle.remove()`', flows],
    waitUntilFinished: [
      'better',
      '`handle.result({ timeout })`: even if the job is removed, and without QueueEvents',
      'results.md',
    ],
    remove: ['same', '`handle.remove()`', handles],
    retry: [
      'differs',
      '`Jobs.retry(id)`, after which a job has all its attempts again. No `resetAttemptsStarted`',
      operating,
    ],
    promote: ['same', '`handle.runNow()`', handles],
    changeDelay: ['same', '`handle.reschedule(delay)`', handles],
    changePriority: ['same', '`handle.prioritize(priority)`', handles],
    updateData: ['differs', '`handle.edit(payload)`. In a processor, or while the job does not run', handles],
    moveToDelayed: ['same', '`this.release(delay)`', 'retries.md#not-yet'],
    moveToWait: ['same', '`this.release()`', 'retries.md#not-yet'],
    extendLock: ['needless', 'leases are renewed', 'reliability.md'],
    toJSON: ['same', 'a record', handles],
    asJSON: ['same', 'a record', handles],
    asJSONSandbox: ['missing', '`asJSON()`', handles],
    addJob: ['missing', '`draft.dispatch()`', 'dispatching-jobs.md'],
    toFlowEntry: ['missing', '`workflow()`', flows],
    clearLogs: ['missing', '`keep({ log })`', keep],
    discard: ['missing', '`this.fail()`, as `UnrecoverableError` in BullMQ 6', errors],
    moveToCompleted: [
      'differs',
      'the end of `handle()`. Of a job that `getNextJob()` has returned',
      bullNextJob,
    ],
    moveToFailed: ['differs', '`this.fail()`. Of a job that `getNextJob()` has returned', bullNextJob],
    moveToWaitingChildren: ['same', '`this.runJob()`', 'child-jobs.md#child-jobs'],
    removeChildDependency: ['same', "`ifFailed: 'run'`", flows],
    removeDeduplicationKey: ['missing', 'a job that ends or is removed frees it', unique],
  },
  'static methods of Job': {
    create: ['same', '`draft.dispatch()`', 'dispatching-jobs.md'],
    createBulk: ['same', '`Jobs.dispatch(drafts)`', 'handles.md#several-classes-in-one-call'],
    fromId: ['same', '`Jobs.find(id)`', operating],
    fromJSON: ['same', 'a record', handles],
    optsFromJSON: ['same', 'a record', handles],
    addJobLog: ['same', '`this.info()`, in the job that runs', 'creating-jobs.md'],
  },
  'static methods of Worker': {
    RateLimitError: ['same', '`this.pauseQueue(delay)`', 'retries.md#pausing-the-queue'],
  },
  'methods of JobScheduler': {
    upsertJobScheduler: ['same', '`Jobs.schedules.set()`', schedules],
    removeJobScheduler: ['same', '`Jobs.schedules.remove()`', schedules],
    isJobScheduler: ['same', '`Jobs.schedules.get()`', schedules],
    getScheduler: ['same', '`Jobs.schedules.get()`', schedules],
    getJobSchedulers: ['same', '`Jobs.schedules.list()`', schedules],
    getSchedulersCount: ['same', '`Jobs.schedules.list()`', schedules],
    waitUntilReady: ['same', 'the first call opens the store', 'web-servers.md'],
    close: ['same', '`Jobs.close()`', 'web-servers.md'],
    disconnect: ['same', '`Jobs.close()`', 'web-servers.md'],
    getBackend: noBackend,
    trace: noTrace,
  },
  'methods of FlowProducer': {
    add: ['differs', '`workflow()`. No `jobId` of a child, no `deduplication`', bullFlows],
    addBulk: [
      'differs',
      'one `workflow()` each. Each flow is added in a step of its own, not all in one',
      bullFlows,
    ],
    getFlow: ['same', '`Jobs.flow(id).status()`', flows],
    waitUntilReady: ['same', 'the first call opens the store', 'web-servers.md'],
    close: ['same', '`Jobs.close()`', 'web-servers.md'],
    disconnect: ['same', '`Jobs.close()`', 'web-servers.md'],
    getBackend: noBackend,
  },
  'methods of QueueEvents': {
    waitUntilReady: ['same', '`events.ready()`', events],
    close: ['same', 'the end of the loop', events],
    disconnect: ['same', 'the end of the loop', events],
    run: ['same', 'listening begins with the first listener, or with `waitUntilReady()`', events],
    getBackend: noBackend,
    trace: noTrace,
  },
  'methods of QueueEventsProducer': {
    publishEvent: ['differs', 'a job, or a channel of your own. An event has at most 4 KiB', events],
    waitUntilReady: ['same', 'the first call opens the store', 'web-servers.md'],
    close: ['same', '`Jobs.close()`', 'web-servers.md'],
    disconnect: ['same', '`Jobs.close()`', 'web-servers.md'],
    getBackend: noBackend,
    trace: noTrace,
  },
  'properties of Queue': {
    name: ['same', 'the name of the queue', 'queue-workers.md'],
    opts: ['same', '`lark.config`', 'configuration.md'],
    defaultJobOptions: ['same', 'the fields of the job class', 'creating-jobs.md#settings'],
    jobsOpts: ['same', 'the fields of the job class', 'creating-jobs.md#settings'],
    closing: ['same', '`Jobs.close()`', 'web-servers.md'],
    jobScheduler: ['same', '`Jobs.schedules`', schedules],
    repeat: ['missing', '`upsertJobScheduler()`', schedules],
    metaValues: ['missing', '`Jobs.status()`; the dashboard of Lark, in the place of bull-board', boardPage],
    token: ['missing', 'nothing: each claim has a token of its own', 'reliability.md'],
    ...noKeys,
    toKey: ['differs', 'nothing: Lark has other keys. It takes the id of a job only', redis],
  },
  'properties of Worker': {
    name: ['same', 'the name of the queue', 'queue-workers.md'],
    opts: ['same', '`lark.config`', 'configuration.md'],
    id: ['same', '`worker.id`', workers],
    concurrency: ['same', '`worker.concurrency`', workers],
    closing: ['same', '`worker.done`', workers],
    jobScheduler: ['same', '`Jobs.schedules`', schedules],
    minimumBlockTimeout: ['missing', 'the store wakes an idle worker', workers],
    maximumBlockTimeout: ['missing', 'the store wakes an idle worker', workers],
    blockingConnection: ['missing', 'a connection of your own', redis],
    ...noKeys,
  },
  'properties of Job': {
    id: ['same', '`handle.id`', handles],
    name: ['same', 'the key of the class', handles],
    data: ['same', 'the payload', 'payloads.md'],
    opts: ['same', 'the fields of the class', 'creating-jobs.md#settings'],
    progress: ['same', '`progress` of a record', 'results.md#progress'],
    returnvalue: ['same', '`result` of a record', 'results.md'],
    stacktrace: ['same', '`errors` of a record', handles],
    delay: ['same', '`delay`', 'dispatching-jobs.md#delayed-jobs'],
    priority: ['same', '`priority`', 'creating-jobs.md#settings'],
    timestamp: ['same', '`queuedAt` of a record', handles],
    attemptsStarted: ['same', '`runs` of a record', handles],
    attemptsMade: ['same', '`failures` of a record', handles],
    stalledCounter: ['same', '`crashes` of a record', handles],
    failedReason: ['same', '`errors` of a record', handles],
    finishedOn: ['same', '`finishedAt` of a record', handles],
    processedOn: ['same', '`claimedAt` of a record', handles],
    parent: ['same', 'the nodes of a flow', flows],
    parentKey: ['same', 'the nodes of a flow', flows],
    deduplicationId: ['same', 'what `unique()` returns', unique],
    repeatJobKey: ['same', '`schedule` of a record', schedules],
    token: ['same', 'nothing: a worker keeps it', 'reliability.md'],
    queueName: ['same', '`queue` of a record', handles],
    processedBy: ['differs', 'the worker in `lark jobs:show`, while the job runs', operating],
    deferredFailure: ['needless', 'a job whose child has failed does not run', flows],
    prefix: ['missing', 'nothing: Lark has other keys', redis],
    queueQualifiedName: ['same', '`queue` of a record', handles],
  },
  'properties of QueueEvents': {
    name: ['same', 'the name of the queue', events],
    opts: ['same', '`lark.config`', 'configuration.md'],
    closing: ['same', 'the end of the loop', events],
    ...noKeys,
  },
  'properties of FlowProducer': {
    opts: ['same', '`lark.config`', 'configuration.md'],
    closing: ['same', '`Jobs.close()`', 'web-servers.md'],
    ...{ client: noKeys.client, keys: noKeys.keys, toKey: noKeys.toKey },
  },
  'properties of JobScheduler': {
    name: ['same', 'the name of the queue', schedules],
    opts: ['same', '`lark.config`', 'configuration.md'],
    closing: ['same', '`Jobs.close()`', 'web-servers.md'],
    ...noKeys,
  },
  'events of Queue': {
    error: ['same', 'calls reject', 'errors.md'],
    waiting: ['same', 'the dispatch resolves', 'dispatching-jobs.md'],
    paused: ['same', 'the call resolves', operating],
    resumed: ['same', 'the call resolves', operating],
    removed: ['same', 'the call resolves', operating],
    cleaned: ['same', 'the call resolves', operating],
    progress: [
      'differs',
      '`handle.result({ onProgress })`. It comes of `queue.updateJobProgress()`, not of `job.updateProgress()`',
      'results.md#progress',
    ],
    'ioredis:close': noClose,
  },
  'events of Worker': {
    active: ['same', 'the hook `started`', hooks],
    completed: ['same', 'the hook `completed`', hooks],
    failed: ['same', 'the hook `failed`; `failed()` of the class', hooks],
    progress: ['same', '`handle.result({ onProgress })`', 'results.md#progress'],
    error: ['same', '`report` of the worker', workers],
    stalled: ['same', 'the hook `crashed`', hooks],
    ready: ['same', '`Jobs.work()` resolves', workers],
    paused: ['same', '`worker.quiet()`', workers],
    resumed: ['same', '`worker.resume()`', workers],
    closing: ['same', '`worker.stop()`', workers],
    closed: ['same', '`worker.done`', workers],
    drained: ['same', '`stopWhenEmpty`, `Jobs.status()`', workers],
    lockRenewalFailed: [
      'differs',
      'its `signal` is aborted. The event comes when the outcome of the job is refused',
      'reliability.md',
    ],
    locksRenewed: ['silent', 'leases are renewed by a thread', 'reliability.md'],
    'ioredis:close': noClose,
  },
  'events of FlowProducer': {
    error: ['same', 'calls reject', 'errors.md'],
    'ioredis:close': noClose,
  },
  'events of QueueEvents': {
    added: ['differs', 'the event `queued`. `name` is empty if the job is gone already', events],
    waiting: [
      'differs',
      'the events `queued`, `retrying`, `released` and `returned`. Of a delayed job, if the listener heard of it before it was due',
      events,
    ],
    active: [
      'differs',
      'the event `started`. A worker may give a job back that it has not run: then it is `waiting` again',
      events,
    ],
    completed: [
      'differs',
      'the event `completed`. `returnvalue` is undefined if the job is not kept',
      events,
    ],
    failed: ['differs', 'the event `failed`. `failedReason` is empty if the job is not kept', events],
    removed: ['same', 'the event `removed`', events],
    stalled: ['same', 'the event `crashed`', events],
    error: ['same', 'the loop throws', events],
    progress: [
      'differs',
      '`handle.result({ onProgress })`. In its first second a listener may miss some',
      'results.md#progress',
    ],
    delayed: ['differs', 'the events `queued`, `retrying` and `released`, if the job is due later', events],
    drained: ['same', '`Jobs.status()`', operating],
    deduplicated: [
      'differs',
      '`handle.rejection`. `deduplicatedJobId` is empty without a `jobId`, because nothing is added',
      unique,
    ],
    duplicated: ['same', '`handle.rejection`', unique],
    paused: ['differs', '`Jobs.status()`. It comes of `queue.pause()`, not of a command of Lark', operating],
    resumed: [
      'differs',
      '`Jobs.status()`. It comes of `queue.resume()`, not of a command of Lark',
      operating,
    ],
    cleaned: ['same', 'the event `removed`', events],
    'retries-exhausted': ['same', 'the event `failed` comes only then', events],
    'waiting-children': ['same', '`Jobs.flows()`', flows],
    'ioredis:close': noClose,
  },
} satisfies Record<string, Topic>

/**
 * Options that `@nestjs/bullmq` adds to the options of every class, and of every object that is registered
 * under a name.
 */
const everywhere = ['sharedConnection']
const registered = [...everywhere, 'name', 'configKey', 'forceDisconnectOnShutdown']
/**
 * Options that BullMQ ignores. An application does not write these options, but `@nestjs/bullmq` passes them
 * to BullMQ.
 */
export const ofNest: Readonly<Record<string, readonly string[]>> = {
  'options of Queue': [...registered, 'processors'],
  'options of FlowProducer': [...registered, 'defaultJobOptions'],
  'options of Worker': everywhere,
  'options of QueueEvents': everywhere,
}

export type ComparedTopic = keyof typeof compared

/** Lark's answer to a name of BullMQ. Undefined for a name that BullMQ does not have. */
export function comparisonOf(topic: ComparedTopic, name: string): Comparison | undefined {
  const all: Topic = compared[topic]
  return Object.hasOwn(all, name) ? all[name] : undefined
}
