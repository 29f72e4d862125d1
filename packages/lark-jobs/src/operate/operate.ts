/**
 * What people do to the jobs in a store, for commands, dashboards and scripts: the operations that `Jobs`
 * has, and those that an application rarely needs.
 */
import type { ConfiguredDashboard } from '../config/dashboard.ts'
import { inside } from '../model/copies.ts'
import { readId } from '../model/id.ts'
import type { JobRecord } from '../model/record.ts'
import type { DispatchOptions } from '../options/dispatch-options.ts'
import { erase } from '../store/connect.ts'
import type { RedisServers } from '../store/contract/connection/servers.ts'
import type { Durability, QueueRetention } from '../store/contract/store.ts'
import type { AuditOptions, AuditPage } from './audit/audit.ts'
import type { DispatchRequest } from './change/dispatch.ts'
import type { Imported, ImportOptions } from './change/import.ts'
import type { Undone, UndoOptions } from './change/undo.ts'
import type { MonitorOptions, MonitorReport } from './doctor/monitor.ts'
import type { TailEvent, TailOptions } from './events/tail.ts'
import type { FailureBook } from './failures/failure-book.ts'
import type { FailureFilter, FailureOptions, Failures } from './failures/failures.ts'
import type { DoctorFinding } from './findings/finding.ts'
import { FlowOperations } from './flow-operations.ts'
import type { ClassInfo } from './look/classes.ts'
import { all, checkFilter, conditions } from './look/filter.ts'
import type { GroupFilter, GroupPage, PageOptions } from './look/groups.ts'
import { type CircuitStatus, circuits, type LimiterStatus, limiters } from './look/limiters.ts'
import type { ListFilter } from './look/list.ts'
import type { RecordOptions } from './look/records.ts'
import type { RunFilter, RunPage } from './look/runs.ts'
import type { OpenQueues } from './look/stored-jobs.ts'
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

/** Where jobs are kept, by the configuration. */
export interface StorePlace {
  /** May contain a password. */
  connection: string | RedisServers
  /** The beginning of the keys on Redis. */
  prefix: string
  durability: Durability
}

/** Looks at the jobs of one store and changes them. Made by `operate()`. */
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

  /** Flows, which are chains, batches and workflows: look, cancel, retry. */
  get flows(): FlowOperations {
    const { jobs, names, perform } = this.#operating
    return new FlowOperations(() => jobs.open(), names, perform)
  }

  /**
   * Why a job does not run: every reason, the most important first, with what would end it; or what became of
   * the job. Undefined if there is no such job, or if it was removed. A node of a flow that has not started
   * has reasons, too.
   *
   * @param options `queue`: looks only there. Several queues may have a job with an id that you chose
   * @throws JOB_ID_INVALID, JOB_ID_AMBIGUOUS, FILTER_INVALID, UNKNOWN_QUEUE, STORE_DAMAGED
   * @example for (const { text } of (await operate().why(id))?.reasons ?? []) console.log(text)
   */
  async why(id: string, options: WhyOptions = {}): Promise<JobWhy | undefined> {
    readId(id)
    const { checkWhy, why } = await import('./why/why.ts')
    checkWhy(options)
    return why(await this.#operating.jobs.open(), id, options)
  }

  /** The steps of jobs: look, send a signal, forget records. */
  get steps(): StepOperations {
    return new StepOperations(this.#operating)
  }

  /** The outbox of the configuration: look, take rows again, create its table. */
  get outbox(): OutboxOperations {
    return new OutboxOperations(this.#operating)
  }

  /** The live workers: look, quiet, resume, restart. */
  get workers(): WorkerOperations {
    const { jobs, names, perform } = this.#operating
    return new WorkerOperations(() => jobs.open(), names, perform)
  }

  /**
   * A page of the jobs that workers run now, and since when. Jobs that a worker has claimed and not begun are
   * shown, too. Order: by partition, then by id. One call looks at no more than 1,000 jobs, so a page may be
   * short, or empty, and yet have a `cursor`.
   *
   * @param options `cursor`: of the page before. `limit`: 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { runs } = await operate().runs({ worker: id })
   */
  async runs(filter: RunFilter = {}, options: PageOptions = {}): Promise<RunPage> {
    const { checkRuns, runs } = await import('./look/runs.ts')
    checkRuns(filter, options, this.#operating.names)
    return runs(await this.#queues(), filter, options, this.#operating.names)
  }

  /**
   * A page of the groups of a queue that have jobs or are paused: which of them may begin jobs, and what the
   * others wait for. Order: by partition, then state by state: paused, turn (the next first), asleep (the
   * first to wake first), then by name those that are full or whose last jobs run.
   *
   * @param options `cursor`: of the page before. `limit`: about how many, 1…1,000, default 100
   * @throws FILTER_INVALID, CURSOR_INVALID, UNKNOWN_QUEUE
   * @example const { groups } = await operate().groups({ queue: 'shops', state: 'full' })
   */
  async groups(filter: GroupFilter, options: PageOptions = {}): Promise<GroupPage> {
    const { checkGroups, groups } = await import('./look/groups.ts')
    checkGroups(filter, options, this.#operating.names)
    return groups(await this.#queues(), filter, options, this.#operating.names)
  }

  /**
   * The limiters of the configuration, and those that live workers use: what they grant, which workers hold
   * permits, and who waits for how many. For each worker, the 100 limiters and circuits that it used last are
   * known.
   */
  async limiters(): Promise<LimiterStatus[]> {
    const { store, settings } = await this.#operating.jobs.open()
    return limiters(store, settings.limiters)
  }

  /** The open circuits that live workers know, and until when they are open. */
  async circuits(): Promise<CircuitStatus[]> {
    return circuits((await this.#operating.jobs.open()).store)
  }

  /** The keys of all job classes that any worker of this store ever had, in alphabetical order. */
  async keys(): Promise<string[]> {
    return (await (await this.#operating.jobs.open()).store.keys()).sort()
  }

  /**
   * The job classes whose jobs can be dispatched by hand: those that the option `jobs` of the configuration
   * in code names, or those in the folders of the application, which are loaded once; and defined jobs that
   * are imported.
   *
   * @throws JOB_KEY_TAKEN, JOB_INVALID
   * @example for (const { key, queue, schema } of await operate().classes()) console.log(key, queue, schema?.properties)
   */
  async classes(): Promise<ClassInfo[]> {
    const { classInfos } = await import('./look/classes.ts')
    return classInfos(await this.#operating.jobs.byHand.classes())
  }

  /**
   * Queues a job by the key of its class, as `Jobs.dispatchByKey()` does, and records that in the audit.
   * Commands cannot be dispatched this way.
   *
   * @param options settings for this job only: `queueName`, `delay`, `priority`, `tags` and others; `id`
   * @returns the id of the job. A job that was rejected has `rejection`, with the reason
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
   * The figures of the queues: how long their jobs waited and ran in the last five minutes (p50, p95, p99),
   * how many came and ended in the last minute, and for how long the oldest has waited. Every time is in
   * milliseconds.
   *
   * Workers announce these times every five seconds, and when they end. So the last seconds of a worker that
   * has died are missing.
   *
   * @param filter `queue`: only this one
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
   * `status()` and `figures()` of every queue in one call, which asks the store once: for a screen that is
   * drawn again each second.
   *
   * @param options `keys: false`: does not look for keys that no worker knows, which costs most of the call
   * @throws FILTER_INVALID
   * @example for (const { queue, counts, oldest } of (await operate().overview()).queues) show(queue, counts.waiting, oldest)
   */
  async overview(options: OverviewOptions = {}): Promise<Overview> {
    const { checkOverview, overview } = await import('./measures/overview.ts')
    checkOverview(options)
    const { store, settings } = await this.#operating.jobs.open()
    return await overview({ store, queues: settings.partitions }, settings.targets, options)
  }

  /**
   * How many runs ended, and how: in each minute of the last hour, each hour of the last three days, and each
   * day of the last 90, in UTC. Minutes, hours and days in which none ended are left out.
   *
   * @param filter `queue`: only this one. `since`: an instant, or how long ago, such as `'1d'`
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
   * How long jobs waited and runs took (p50, p95, p99, in milliseconds): in each minute of the last hour,
   * each hour of the last three days, or each day of the last 90, in UTC. Steps in which no run began or
   * ended are left out.
   *
   * Workers announce this every five seconds, so a run may count in the minute after its own.
   *
   * @param filter `queue`: only this one; default: all together. `unit`: `'minutes'` (default), `'hours'` or
   *   `'days'`
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
   * Compares the queues with limits, and adds what the doctor finds wrong. A queue that is not configured is
   * compared while it has jobs that have not ended, or if it is named.
   *
   * @param options `maxAge`, `maxFailed`, `maxWaiting`, `minWorkers`: each for all queues, or by queue.
   *   Without `maxAge`, the `target` of a queue applies
   * @throws FILTER_INVALID, also if no queue has a limit; UNKNOWN_QUEUE
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
   * Why jobs failed for good: the kinds of their failures, those with the most jobs first. Failures are of
   * one kind if they have the same job class, the same error name and code, the same message except for
   * numbers, ids and quoted parts, and come from the same place. Its name, such as `3f2a`, is a condition of
   * filters: `retry({ kind: '3f2a' })`.
   *
   * It reads all failed jobs that meet the filter, and no payloads unless the filter has `where`. Beyond
   * 1,000 kinds, jobs are only counted.
   *
   * @param options `limit`: the most kinds, 1…1,000, default 100. `signal`: the call rejects with its reason.
   *   `onProgress`: called with each page: how many jobs were read, and how many there are
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
   * A book of why jobs failed for good, for screens that refresh: it remembers what it has read, so each look
   * after the first takes milliseconds, however many jobs have failed. Close it when you do not need it any
   * more.
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
   * The whole records of the jobs that meet a filter, some at a time: to write them to a file. Payloads,
   * results and progress are JSON texts in them, as they are stored, and nothing is hidden. Without
   * conditions, the records of all jobs.
   *
   * @param options `signal`: ends the reading when it is aborted
   * @throws FILTER_INVALID, UNKNOWN_QUEUE, when the first lot is requested
   * @example for await (const jobs of operate().records({ state: 'failed' })) await write(jobs.map((job) => JSON.stringify(job)))
   */
  async *records(filter: ListFilter = {}, options: RecordOptions = {}): AsyncGenerator<JobRecord[]> {
    const by = await import('./look/records.ts')
    by.checkRecords(filter, options, this.#operating.names)
    yield* by.records(await this.#queues(), filter, options)
  }

  /**
   * Puts jobs back from their records, as `records()` and `remove({ before })` give them: ended jobs as they
   * ended, with their errors, and other jobs into their queue, with all their tries. Schedules are restored
   * from the records of `schedules.records()`. Whatever exists already is left as it is, so a call may be
   * repeated. Locks, logs and the class's settings for keeping its jobs are not restored.
   *
   * @param records a list of them, or lists that come one after the other, such as those of a large file
   * @param options `source`: where they come from, in words, for the audit. `commands`: accepts jobs that run
   *   commands of `lark`, for records that you trust. `signal`: ends the call between two lots. `onProgress`:
   *   called with each lot: how many records the call has processed
   * @throws IMPORT_INVALID for a value that is not such a record, or runs a command, before any job of its
   *   list is put back; UNKNOWN_QUEUE, FILTER_INVALID
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
   * Undoes a change of jobs, any that has the option `before` (`undoableChanges`). Pass it the records that
   * the change passed to `before`, or that `records()` returned before the change. Jobs that have not begun
   * since then return to the state in their records: those that had ended end again as they did, and others
   * get their former due time. Jobs that have begun or were edited since stay as they are. No job is
   * missing meanwhile, whatever happens to the process.
   *
   * @param options `of`: which change. `{ of: 'remove' }` puts removed jobs back, as `import()` does; after
   *   any other change, a job that is gone stays gone. `commands`: as for `import()`
   * @throws IMPORT_INVALID for a value that is not such a record, before any job is changed; FILTER_INVALID
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
   * A page of what people changed by hand, with `operate()`: with commands, dashboards and scripts. The last
   * change comes first. One call looks at no more than 1,000 changes, so a page may be short, or empty, and
   * yet have a `cursor`.
   *
   * Changes that an application makes with `Jobs` and with handles are not changes by hand, and are not
   * recorded.
   *
   * @param options `since`, `who`, `what`: only these. `limit`: 1…1,000, default 100. `cursor`: of the page
   *   before
   * @throws FILTER_INVALID, CURSOR_INVALID
   * @example const { entries } = await operate().audit({ since: '1d', what: 'remove' })
   */
  async audit(options: AuditOptions = {}): Promise<AuditPage> {
    const { audit, checkAudit } = await import('./audit/audit.ts')
    checkAudit(options, this.#operating.names)
    return audit((await this.#operating.jobs.open()).store, options, this.#operating.names)
  }

  /**
   * Looks at the servers or the file of the store, at its queues and its workers: what is wrong, and what to
   * do. Each check of each subject is a finding, even if all is well. Nothing is changed.
   *
   * If the store cannot be opened, that is the only finding.
   *
   * @throws CONFIG_INVALID, STORE_NOT_CONFIGURED and the other errors of a configuration
   * @example
   * const errors = (await operate().doctor()).filter(({ level }) => level === 'error')
   */
  async doctor(): Promise<DoctorFinding[]> {
    const { doctor } = await import('./doctor/doctor.ts')
    return doctor(this.#operating.jobs)
  }

  /**
   * Follows a job until it has ended: its states, what it reports by `this.progress()`, and the lines of its
   * log. News of a running job arrive within a quarter of a second, once its worker knows that somebody
   * watches: that is after the next renewal of the lease, at most a third of it later. The end of the job, or
   * aborting the signal, ends the loop.
   *
   * @param options `queue`, if several have a job with this id; `signal`
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
   * How many milliseconds the store takes to answer the smallest possible question. The store is opened
   * before, and that time is not counted.
   */
  async ping(): Promise<number> {
    const { store } = await this.#operating.jobs.open()
    const asked = performance.now()
    await store.now()
    return performance.now() - asked
  }

  /** What people call the store: `redis://host:6379/0` or `sqlite:/path/jobs.db`, without a password. */
  async name(): Promise<string> {
    return (await this.#operating.jobs.open()).store.name
  }

  /** Where the jobs are kept, by the configuration. The store is not opened. */
  async place(): Promise<StorePlace> {
    const { connection, prefix, durability } = await this.#operating.jobs.settings()
    return { connection, prefix, durability }
  }

  /** Where `lark jobs:dashboard` listens, and who may look, by the configuration. The store is not opened. */
  async dashboard(): Promise<ConfiguredDashboard> {
    return (await this.#operating.jobs.settings()).dashboard
  }

  /**
   * How many ended jobs of each state a queue keeps, and for how many milliseconds, by the configuration. The
   * store is not opened.
   *
   * @param queue default: a queue without settings of its own
   */
  async retention(queue?: string): Promise<QueueRetention> {
    const { retention, retentions } = await this.#operating.jobs.settings()
    return (queue === undefined ? undefined : retentions?.[queue]) ?? retention
  }

  /**
   * Removes the store with everything in it, for the temporary store of a test: the file of an embedded
   * store, or on Redis all keys of the prefix. No process may use the store meanwhile, so close this instance
   * of `Jobs` before.
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
