/**
 * The operations that people perform on the jobs in a store, for commands, dashboards and scripts. These are
 * the operations of `Jobs`, and operations that an application rarely needs.
 */
import type { ConfiguredDashboard } from '../config/dashboard.ts'
import { inside } from '../model/copies.ts'
import { readId } from '../model/id.ts'
import type { JobRecord } from '../model/record.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import type { JobLike } from '../options/job-class.ts'
import { erase } from '../store/connect.ts'
import type { RedisServers } from '../store/contract/connection/servers.ts'
import type { Durability, QueueRetention } from '../store/contract/store.ts'
import type { AuditOptions, AuditPage } from './audit/audit.ts'
import type { DispatchRequest } from './change/dispatch.ts'
import type { Imported, ImportOptions } from './change/import.ts'
import type { Undone, UndoOptions } from './change/undo.ts'
import { ChangeOperations } from './change-operations.ts'
import type { MonitorOptions, MonitorReport } from './doctor/monitor.ts'
import type { TailEvent, TailOptions } from './events/tail.ts'
import type { FailureBook } from './failures/failure-book.ts'
import type { FailureFilter, FailureOptions, Failures } from './failures/failures.ts'
import type { DoctorFinding } from './findings/finding-codes.ts'
import { FlowOperations } from './flow-operations.ts'
import type { Incident } from './incidents/incident.ts'
import type { IncidentFilter } from './incidents/incidents.ts'
import type { ClassInfo } from './look/classes.ts'
import { all, checkFilter, conditions, queueName } from './look/filter.ts'
import type { GroupFilter, GroupPage, PageOptions } from './look/groups.ts'
import { type CircuitStatus, circuits, type LimiterStatus, limiters } from './look/limiters.ts'
import type { ListFilter } from './look/list.ts'
import type { RecordOptions } from './look/records.ts'
import type { RunFilter, RunPage } from './look/runs.ts'
import type { SearchOptions, SearchStep } from './look/search.ts'
import type { OpenQueues } from './look/stored-jobs.ts'
import type { ClassRunsFilter, StoreClassRuns } from './measures/class-runs.ts'
import type { FigureFilter, StoreFigures } from './measures/figures.ts'
import type { HistoryFilter, StoreHistory } from './measures/history.ts'
import type { Overview, OverviewOptions } from './measures/overview.ts'
import type { RunTimes, RunTimesFilter } from './measures/run-times.ts'
import type { Operating } from './operated.ts'
import { Operations } from './operations.ts'
import { OutboxOperations } from './outbox-operations.ts'
import { StepOperations } from './step-operations.ts'
import type { JobWhy, WhyOptions } from './why/why.ts'
import { WorkerOperations } from './worker-operations.ts'

/** Where jobs are kept, according to the configuration. */
export interface StorePlace {
  /** The connection, which may contain a password. */
  connection: string | RedisServers
  /** The prefix of all keys on Redis. */
  prefix: string
  durability: Durability
}

/** Reads and changes the jobs of one store. `operate()` makes an object of this class. */
export class Operate extends Operations {
  readonly #operating: Operating

  /** @internal */
  constructor(operating: Operating) {
    super(operating)
    this.#operating = operating
  }

  /** For packages of this repository (`internal.ts`). @internal */
  get [inside](): Operating {
    return this.#operating
  }

  /** The operations on flows (chains, batches and workflows): read, cancel, retry, purge. */
  get flows(): FlowOperations {
    const { jobs, names, perform } = this.#operating
    return new FlowOperations(() => jobs.open(), names, perform)
  }

  /**
   * Explains why a job does not run: every reason, the most important reason first, and what helps against
   * each reason. For a job that has ended, the reason says how the job ended. Undefined if there is no such
   * job, or if it was removed. The id may also be the id of a node of a flow that has not started.
   *
   * @param options `queue`: looks only in this queue. Several queues may have a job with an id that you chose
   * @throws JOB_ID_INVALID, JOB_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE, STORE_DAMAGED
   * @example for (const { text } of (await operate().why(id))?.reasons ?? []) console.log(text)
   */
  async why(id: string, options: WhyOptions = {}): Promise<JobWhy | undefined> {
    readId(id)
    const { checkWhy, why } = await import('./why/why.ts')
    checkWhy(options)
    return why(await this.#operating.jobs.open(), id, options)
  }

  /** The operations on changes at a pace: begin, list, pause, resume, stop. */
  get changes(): ChangeOperations {
    return new ChangeOperations(this.#operating)
  }

  /**
   * Explains why the next job of a queue does not run: calls `why()` for the job that would begin first. If a
   * job waits for its group or its limiter but later jobs may begin, the answer is about the first of these
   * later jobs. If no job waits, the answer is about the first delayed job. Undefined if no job is waiting or
   * delayed.
   *
   * @throws UNKNOWN_QUEUE, FILTER_INVALID, STORE_DAMAGED
   * @example console.log((await operate().whyNext('emails'))?.reasons[0]?.text)
   */
  async whyNext(queue: string): Promise<JobWhy | undefined> {
    checkFilter('operate().whyNext()', { queue }, conditions({ queue: queueName }), { needed: ['queue'] })
    const { whyNextOf } = await import('./why/next-job.ts')
    return await whyNextOf(await this.#operating.jobs.open(), queue)
  }

  /**
   * Returns what stands still or fails now, the worst first: for each queue at most one incident, and the
   * problems of the store itself, its schedules, its limiters and its outbox. An incident says since when the
   * problem exists, why, what changed before, and the first thing to do. An incident consists of kinds and
   * values, and each surface has its own words for these.
   *
   * Nothing is stored for incidents. The call costs as much as `status()`, and more only for queues that
   * stand still or fail. The beginning and the cause of an incident are looked for only in the ten worst
   * queues. For other queues, only the kind of the incident is known. With `queue`, the call looks only at
   * this queue.
   *
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * const [worst] = await operate().incidents()
   * if (worst?.kind === 'still') page(worst.queue, worst.because?.text)
   */
  async incidents(filter: IncidentFilter = {}): Promise<Incident[]> {
    const { checkIncidents, incidentsOf } = await import('./incidents/incidents.ts')
    checkIncidents(filter, this.#operating.names)
    const open = await this.#operating.jobs.open()
    if (filter.queue === undefined) {
      const { alarms, ...found } = await this.status()
      return await incidentsOf(open, found, alarms)
    }
    const { status } = await import('./measures/status.ts')
    const { store, settings } = open
    const found = await status({ store, queues: settings.partitions }, settings.targets, filter.queue)
    return await incidentsOf(open, found, [])
  }

  /** The operations on the steps of jobs: read, send a signal, forget records. */
  get steps(): StepOperations {
    return new StepOperations(this.#operating)
  }

  /**
   * The operations on the configured outbox: read its rows, let the relay try rows again, create its table.
   */
  get outbox(): OutboxOperations {
    return new OutboxOperations(this.#operating)
  }

  /** The operations on live workers: read, quiet, resume, restart. */
  get workers(): WorkerOperations {
    const { jobs, names, perform } = this.#operating
    return new WorkerOperations(() => jobs.open(), names, perform)
  }

  /**
   * Lists the jobs that workers are running now and when each began, page by page. Jobs that a worker has
   * claimed but not begun are included. Jobs are sorted by partition, and then by id. One call reads at most
   * 1,000 jobs, so a page may have few jobs or none and still have a `cursor`.
   *
   * @param options `cursor`: the cursor of the previous page. `limit`: 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { runs } = await operate().runs({ worker: id })
   */
  async runs(filter: RunFilter = {}, options: PageOptions = {}): Promise<RunPage> {
    const { checkRuns, runs } = await import('./look/runs.ts')
    checkRuns(filter, options, this.#operating.names)
    return runs(await this.#queues(), filter, options, this.#operating.names)
  }

  /**
   * Lists the groups of a queue that have jobs or are paused, page by page: which groups may begin jobs, and
   * what the other groups wait for. Groups are sorted by partition and then by state: first `paused`, then
   * `turn` (the group whose turn is next comes first), then `asleep` (the group that wakes first comes
   * first), then `full` and `running` (sorted by name).
   *
   * @param options `cursor`: the cursor of the previous page. `limit`: the approximate number of groups on
   *   the page, 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { groups } = await operate().groups({ queue: 'shops', state: 'full' })
   */
  async groups(filter: GroupFilter, options: PageOptions = {}): Promise<GroupPage> {
    const { checkGroups, groups } = await import('./look/groups.ts')
    checkGroups(filter, options, this.#operating.names)
    return groups(await this.#queues(), filter, options, this.#operating.names)
  }

  /**
   * Returns the configured limiters and the limiters that live workers use: their limits, which workers hold
   * permits, and for how many permits workers wait. For each worker, only the 100 limiters and circuits that
   * the worker used last are known.
   */
  async limiters(): Promise<LimiterStatus[]> {
    const { store, settings } = await this.#operating.jobs.open()
    return limiters(store, settings.limiters)
  }

  /** Returns the open circuits that live workers know, and until when they are open. */
  async circuits(): Promise<CircuitStatus[]> {
    return circuits((await this.#operating.jobs.open()).store)
  }

  /**
   * Returns the keys of all job classes that any worker of this store has ever had, in alphabetical order.
   */
  async keys(): Promise<string[]> {
    return (await (await this.#operating.jobs.open()).store.keys()).sort()
  }

  /**
   * Returns the job classes whose jobs can be dispatched by hand: the classes in the option `jobs` of the
   * configuration, or else the classes in the folders of the application, which are loaded once. Jobs made by
   * `defineJob` are included if their files are imported.
   *
   * @throws JOB_KEY_TAKEN, JOB_INVALID
   * @example
   * for (const { key, queue, schema } of await operate().classes())
   *   console.log(key, queue, schema?.properties)
   */
  async classes(): Promise<ClassInfo[]> {
    const { classInfos } = await import('./look/classes.ts')
    return classInfos(await this.#operating.jobs.byHand.classes())
  }

  /**
   * Queues a job by the key of its class, as `Jobs.dispatchByKey()` does, and records the dispatch in the
   * audit. Commands cannot be dispatched this way.
   *
   * @param options settings for this job only: `queueName`, `delay`, `priority`, `tags` and others; `id`
   * @returns the id of the job; if the job was rejected, also `rejection`, with the reason
   * @throws UNKNOWN_JOB, UNKNOWN_QUEUE, PAYLOAD_NOT_JSON, PAYLOAD_INVALID, PAYLOAD_TOO_LARGE, JOB_ID_INVALID,
   *   JOB_INVALID
   * @example const { id, rejection } = await operate().dispatch('send-email', { to }, { delay: '5m' })
   */
  async dispatch(key: string, payload?: unknown, options: DispatchOptions = {}): Promise<DispatchRequest> {
    const count = ({ queued }: DispatchRequest) => (queued ? 1 : 0)
    return this.#operating.perform({ what: 'dispatch', on: `class ${key}`, count }, async () =>
      this.#operating.jobs.byHand.dispatch(key, payload, options),
    )
  }

  /**
   * Returns the figures of the queues: how long their jobs waited and ran in the last five minutes (p50, p95,
   * p99), how many jobs became due and how many ended in the last minute, and how long the oldest job has
   * waited. All times are in milliseconds.
   *
   * Workers announce these times every five seconds, and when they stop. Therefore the last seconds of a
   * worker that has died are missing.
   *
   * @param filter `queue`: only this queue
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * const { queues } = await operate().figures({ queue: 'emails' })
   * console.log(queues[0].wait.p95, queues[0].oldest)
   */
  async figures(filter: FigureFilter = {}): Promise<StoreFigures> {
    const { checkFigures, figures } = await import('./measures/figures.ts')
    checkFigures(filter, this.#operating.names)
    const { store, settings } = await this.#operating.jobs.open()
    return figures({ store, queues: settings.partitions }, settings.targets, filter)
  }

  /**
   * Returns `status()` and `figures()` of every queue together. This call asks the store only once, so it
   * suits a screen that is refreshed each second.
   *
   * @param options `keys: false`: does not look for keys that no worker knows, which is the most expensive
   *   part of the call
   * @throws FILTER_INVALID
   * @example for (const { queue, counts, oldest } of (await operate().overview()).queues) show(queue,
   *   counts.waiting, oldest)
   */
  async overview(options: OverviewOptions = {}): Promise<Overview> {
    const { checkOverview, overview } = await import('./measures/overview.ts')
    checkOverview(options)
    const { store, settings } = await this.#operating.jobs.open()
    return await overview({ store, queues: settings.partitions }, settings.targets, options)
  }

  /**
   * Returns how many runs ended, and how they ended, in each minute of the last hour, each hour of the last
   * three days, and each day of the last 90, in UTC. Minutes, hours and days in which no run ended are left
   * out.
   *
   * @param filter `queue`: only this queue. `since`: an instant, or how long ago, such as `'1d'`
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * const { queues } = await operate().history({ queue: 'emails', since: '7d' })
   * for (const { at, completed, failed } of queues[0].days) console.log(new Date(at), completed, failed)
   */
  async history(filter: HistoryFilter = {}): Promise<StoreHistory> {
    const { checkHistory, history } = await import('./measures/history.ts')
    checkHistory(filter, this.#operating.names)
    return await history(await this.#queues(), filter)
  }

  /**
   * Returns how long jobs waited and how long runs took (p50, p95, p99, in milliseconds) in each minute of
   * the last hour, each hour of the last three days, or each day of the last 90, in UTC. Minutes, hours or
   * days in which no run began or ended are left out.
   *
   * Workers announce these times every five seconds, so a run may be counted in the next minute.
   *
   * @param filter `queue`: only this queue; default: all queues together. `unit`: `'minutes'` (default),
   *   `'hours'` or `'days'`
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * const { steps } = await operate().runTimes({ queue: 'emails', unit: 'hours' })
   * for (const { at, wait } of steps) console.log(new Date(at), wait.p95)
   */
  async runTimes(filter: RunTimesFilter = {}): Promise<RunTimes> {
    const { checkRunTimes, runTimes } = await import('./measures/run-times.ts')
    checkRunTimes(filter, this.#operating.names)
    return await runTimes(await this.#queues(), filter)
  }

  /**
   * Returns how the runs of each job class ended, how long their jobs waited and how long they took, in each
   * hour of the last eight days or on each of the last 90 days (UTC), by the release of the application. With
   * the unit `'hours'`, the result also compares the last 24 hours with the 24 hours before and with the same
   * hours a week before. The class with the most runs comes first.
   *
   * Workers announce these figures every five seconds, so a run may be counted in the next hour.
   *
   * @param filter `key`: only this class. `unit`: `'hours'` (default) or `'days'`
   * @throws FILTER_INVALID
   * @example
   * const [mail] = (await operate().classRuns({ key: 'send-email' })).classes
   * console.log(mail?.compared?.last.failed, mail?.compared?.weekBefore.failed)
   */
  async classRuns(filter: ClassRunsFilter = {}): Promise<StoreClassRuns> {
    const { checkClassRuns, classRuns } = await import('./measures/class-runs.ts')
    checkClassRuns(filter, this.#operating.names)
    return await classRuns((await this.#operating.jobs.open()).store, filter)
  }

  /**
   * Compares the queues with limits, and adds the problems that the doctor finds. A queue that is not
   * configured is compared only while it has jobs that have not ended, or if a limit names it.
   *
   * @param options `maxAge`, `maxFailed`, `maxWaiting`, `minWorkers`: one limit for all queues, or a limit
   *   for each queue. Without `maxAge`, the `target` of a queue applies
   * @throws FILTER_INVALID, for example if no queue has a limit; UNKNOWN_QUEUE
   * @example
   * const { ok, checks } = await operate().monitor({ maxAge: { emails: '30s', '*': '5m' }, maxFailed: '1%' })
   * if (!ok) alert(checks.filter((check) => !check.ok))
   */
  async monitor(options: MonitorOptions = {}): Promise<MonitorReport> {
    const { checkMonitor, monitor } = await import('./doctor/monitor.ts')
    checkMonitor(options, this.#operating.names)
    return monitor(await this.#operating.jobs.open(), options, this.#operating.names)
  }

  /**
   * Groups the failed jobs by the kind of their failure, the kinds with the most jobs first. Two failures are
   * of one kind if they have the same job class, the same error name and code, the same message except for
   * numbers, ids and quoted parts, and come from the same place in the code. The name of a kind, such as
   * `3f2a`, can be used in filters: `retry({ kind: '3f2a' })`.
   *
   * The call reads all failed jobs that meet the filter. Payloads are read only if the filter has `where`. At
   * most 1,000 kinds are distinguished: jobs of further kinds are only counted.
   *
   * @param options `limit`: the maximum number of kinds, 1…1,000, default 100. `signal`: when it is aborted,
   *   the call rejects with the signal's reason. `onProgress`: called after each page with the number of
   *   failed jobs that were read and the number of all failed jobs
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * const { kinds, failed } = await operate().failures({ since: '1h' })
   * for (const { kind, count, message } of kinds) console.log(kind, `${count} of ${failed}`, message)
   */
  async failures(filter: FailureFilter = {}, options: FailureOptions = {}): Promise<Failures> {
    const by = await import('./failures/failures.ts')
    by.checkFailures(filter, options, this.#operating.names)
    return by.failures(await this.#queues(), filter, options)
  }

  /**
   * Makes a book that groups failed jobs by the kind of their failure, for screens that refresh. The book
   * remembers what it has read, so each call of `look` after the first takes milliseconds, no matter how many
   * jobs have failed. Close the book when you no longer need it.
   *
   * @example
   * await using book = await operate().failureBook()
   * const { kinds, isReading } = await book.look({ queue: 'emails' })
   */
  async failureBook(): Promise<FailureBook> {
    const { FailureBook } = await import('./failures/failure-book.ts')
    return new FailureBook(() => this.#queues())
  }

  /**
   * Searches all jobs for the jobs that meet all conditions of a filter. Every tenth of a second, the search
   * returns the jobs that it has found, and its progress. The search ends when it has looked at all jobs, or
   * has found `limit` jobs. The order is the order of `list()`. The search reads little of the jobs that do
   * not meet the filter, and uses only a part of the store's time.
   *
   * @param options `limit`: how many jobs to find; default: all. `cursor`: continues after a step of an
   *   earlier search with the same filter and order. `order`: as in `list()`. `signal`: if it is aborted, the
   *   search ends after the current step. The `cursor` of this step continues the search
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE, when the first step is requested
   * @example
   * for await (const { jobs, looked, of } of operate().search({ where: { 'order.id': 'A-77' } }))
   *   console.log(jobs, `${looked} of ${of}`)
   */
  async *search<J extends JobLike = JobLike>(
    filter: ListFilter,
    options: SearchOptions = {},
  ): AsyncGenerator<SearchStep<J>> {
    const by = await import('./look/search.ts')
    by.checkSearch(filter, options, this.#operating.names)
    yield* by.search<J>(await this.#queues(), filter, options, this.#operating.names)
  }

  /**
   * Reads the complete records of the jobs that meet a filter, in lots, so that the records can be written to
   * a file. Payloads, results and progress are JSON texts in these records, as they are stored, and no part
   * is hidden. Without conditions, the records of all jobs are read.
   *
   * @param options `signal`: aborting it ends the reading
   * @throws FILTER_INVALID, UNKNOWN_QUEUE, when the first lot is requested
   * @example
   * for await (const jobs of operate().records({ state: 'failed' }))
   *   await write(jobs.map((job) => JSON.stringify(job)))
   */
  async *records(filter: ListFilter = {}, options: RecordOptions = {}): AsyncGenerator<JobRecord[]> {
    const by = await import('./look/records.ts')
    by.checkRecords(filter, options, this.#operating.names)
    yield* by.records(await this.#queues(), filter, options)
  }

  /**
   * Restores jobs from the records that `records()` and `remove({ before })` return. Ended jobs get back the
   * state in which they ended, with their errors. Other jobs are put into their queue, with all their tries.
   * Schedules are restored from the records of `schedules.records()`. Jobs and schedules that already exist
   * are left unchanged, so a call may be repeated. Unique locks, logs and the class's `keep` settings are not
   * restored.
   *
   * @param records a list of records, or an iterable of lists, such as the parts of a large file
   * @param options `source`: a text for the audit that says where the records come from. `commands`: also
   *   accepts jobs that run commands of `lark`, for records that you trust. `signal`: aborting it ends the
   *   call before the next lot. `onProgress`: called after each lot with the number of records that were
   *   processed
   * @throws IMPORT_INVALID for a value that is not the record of a job or schedule, or for a job that runs a
   *   command, before any job of its list is restored; UNKNOWN_QUEUE, FILTER_INVALID
   * @example await operate().import(lines.map((line) => JSON.parse(line)))
   */
  async import(
    records: readonly unknown[] | AsyncIterable<readonly unknown[]>,
    options: ImportOptions = {},
  ): Promise<Imported> {
    const by = await import('./change/import.ts')
    by.checkImport(options)
    const { source, signal } = options
    const on = source === undefined ? 'jobs' : `jobs of ${source}`
    const count = ({ imported, schedules = 0 }: Imported) => imported + schedules
    return this.#operating.perform({ what: 'import', on, signal, count }, async (noted) =>
      by.importJobs(await this.#queues(), records, options, noted, this.#operating.names),
    )
  }

  /**
   * Undoes a change of jobs. Every change with the option `before` can be undone (`undoableChanges`). The
   * records are those that the change passed to `before`, or that `records()` returned before the change.
   * Jobs that have not begun since the change return to the state in their records: jobs that had ended get
   * that ended state again, and other jobs get their former due time. Jobs that have begun or were edited
   * since the change are left unchanged. No job gets lost, even if the process dies during the undo.
   *
   * @param options `of`: the change to undo. `{ of: 'remove' }` restores removed jobs, as `import()` does.
   *   For other changes, a job that no longer exists is not restored. `commands`: see `import()`
   * @throws IMPORT_INVALID for a value that is not the record of a job, before any job is changed;
   * FILTER_INVALID
   * @example
   * const records: JobRecord[] = []
   * await operate().retry({ state: 'failed' }, { before: (jobs) => records.push(...jobs) })
   * const { undone, left } = await operate().undo(records)
   */
  async undo(records: readonly unknown[], options: UndoOptions = {}): Promise<Undone> {
    const by = await import('./change/undo.ts')
    by.checkUndo(options)
    const count = ({ undone }: Undone) => undone
    return this.#operating.perform({ what: 'undo', on: 'changes of jobs', count }, async (noted) =>
      by.undo(await this.#queues(), records, options, noted),
    )
  }

  /**
   * Lists the changes that people made by hand, page by page: all changes made through `operate()`, in
   * commands, dashboards and scripts. The last change comes first. One call reads at most 1,000 changes, so a
   * page may have few entries or none and still have a `cursor`.
   *
   * Changes that an application makes with `Jobs` and with handles do not count as changes by hand, and are
   * not recorded.
   *
   * @param options `since`, `who`, `what`: only changes that meet these conditions. `limit`: 1…1,000, default
   *   100. `cursor`: the cursor of the previous page
   * @throws FILTER_INVALID, CURSOR_INVALID
   * @example const { entries } = await operate().audit({ since: '1d', what: 'remove' })
   */
  async audit(options: AuditOptions = {}): Promise<AuditPage> {
    const { audit, checkAudit } = await import('./audit/audit.ts')
    checkAudit(options, this.#operating.names)
    return audit((await this.#operating.jobs.open()).store, options, this.#operating.names)
  }

  /**
   * Examines the servers or the file of the store, its queues and its workers, and says what is wrong and
   * what to do. Each check of each subject gives a finding, even if there is no problem. The doctor changes
   * nothing.
   *
   * If the store cannot be opened, a finding says why.
   *
   * @throws CONFIG_INVALID, STORE_NOT_CONFIGURED and the other errors of a configuration
   * @example const errors = (await operate().doctor()).filter(({ level }) => level === 'error')
   */
  async doctor(): Promise<DoctorFinding[]> {
    const { doctor } = await import('./doctor/doctor.ts')
    return doctor(this.#operating.jobs)
  }

  /**
   * Follows a job until it has ended: its states, its reports by `this.progress()`, and the lines of its log.
   * The worker of a running job learns with the next renewal of the lease, after at most a third of the
   * lease, that somebody watches the job. From then on, news arrive within a quarter of a second. The loop
   * ends when the job has ended or the signal is aborted.
   *
   * @param options `queue`: needed if several queues have a job with this id. `signal`: aborting it ends the
   *   loop
   * @throws JOB_NOT_FOUND, JOB_ID_AMBIGUOUS, UNKNOWN_QUEUE, FILTER_INVALID
   * @example
   * for await (const news of operate().tail(id)) if (news.kind === 'log') console.log(news.line.text)
   */
  async *tail(id: string, options: TailOptions = {}): AsyncGenerator<TailEvent, undefined> {
    const { checkTail, tail } = await import('./events/tail.ts')
    checkTail(id, options)
    const { jobs } = this.#operating
    const closed = jobs.closing
    yield* tail(await jobs.watcher(), closed, id, options)
    return undefined
  }

  /**
   * Measures how many milliseconds the store takes to answer the smallest possible request. The time for
   * opening the store is not counted.
   */
  async ping(): Promise<number> {
    const { store } = await this.#operating.jobs.open()
    const asked = performance.now()
    await store.now()
    return performance.now() - asked
  }

  /**
   * Returns the name of the store for people: `redis://host:6379/0` or `sqlite:/path/jobs.db`, without a
   * password.
   */
  async name(): Promise<string> {
    return (await this.#operating.jobs.open()).store.name
  }

  /** Returns where the jobs are kept according to the configuration, without opening the store. */
  async place(): Promise<StorePlace> {
    const { connection, prefix, durability } = await this.#operating.jobs.settings()
    return { connection, prefix, durability }
  }

  /**
   * Returns where `lark jobs:dashboard` listens and who may use it according to the configuration, without
   * opening the store.
   */
  async dashboard(): Promise<ConfiguredDashboard> {
    return (await this.#operating.jobs.settings()).dashboard
  }

  /**
   * Returns how many ended jobs of each state a queue keeps, and for how many milliseconds, according to the
   * configuration, without opening the store.
   *
   * @param queue the name of a queue. Default: a queue without settings of its own
   */
  async retention(queue?: string): Promise<QueueRetention> {
    const { retention, retentions } = await this.#operating.jobs.settings()
    return (queue === undefined ? undefined : retentions?.[queue]) ?? retention
  }

  /**
   * Removes the store with everything in it, for the temporary store of a test: the file of an embedded
   * store, or all keys with the prefix on Redis. No process may use the store during this call, so close this
   * instance of `Jobs` first.
   *
   * @throws FILTER_INVALID without `{ all: true }`
   */
  async erase(what: { all: true }): Promise<void> {
    checkFilter('operate().erase()', what, conditions({ all }), { needed: ['all'] })
    const { connection, prefix } = await this.#operating.jobs.settings()
    await erase(connection, prefix)
  }

  async #queues(): Promise<OpenQueues> {
    const { store, settings } = await this.#operating.jobs.open()
    return { store, queues: settings.partitions }
  }
}
