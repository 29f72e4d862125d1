/**
 * The jobs that a worker runs now. A claimed job gets a slot and is run there (`run/runner.ts`). When the run
 * ends, the job leaves the slot, and the claimer of its partition (`fetch/claimer.ts`) sends the outcome to
 * the store.
 *
 * A job whose lease is lost keeps its slot until its handler ends, and its outcome is not sent. A job that is
 * given back leaves its slot at once, even if its handler goes on.
 */

import { setTimeout as pause } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import type { Journal } from '../model/journal.ts'
import type { JobError, LogLine, Outcome } from '../model/record.ts'
import { timedOut } from '../model/run/run.ts'
import type { RunCounts } from '../model/run/run-counts.ts'
import { tickOf } from '../model/tick.ts'
import type { JobClass } from '../options/job-class.ts'
import type { Middleware } from '../options/middleware.ts'
import { Deadline } from '../run/deadline.ts'
import { Execution, type Isolation, limitOf, type RunEnvironment } from '../run/execution.ts'
import { HookCalls } from '../run/hooks.ts'
import type { Make } from '../run/made-job.ts'
import type { Permits } from '../run/middleware/permits.ts'
import { retryIn } from '../run/retry-policy.ts'
import { conclude, runJob, stopped } from '../run/runner.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import { isResendable } from '../store/contract/store.ts'
import { within } from '../waiting/bounded-wait.ts'
import { BlockedLoops, NOTED } from './blocked-loops.ts'
import { warnsOfDropped } from './dropped-jobs.ts'
import type { Claimer } from './fetch/claimer.ts'
import { type HeldJob, type Ledger, NEVER, TOLD } from './lease/ledger.ts'
import { watchLoop } from './lease/loop-witness.ts'
import { LongRuns } from './long-runs.ts'
import { startGate } from './maintenance/start-gate.ts'
import type { StoreClock } from './maintenance/store-clock.ts'
import { CONCURRENCY, type WorkerOptions } from './options.ts'
import { Part } from './part.ts'
import type { EndedRun, RunningJob } from './report.ts'
import { RunTally, SLOW } from './run-tally.ts'
import { kindOf, Tally } from './tally.ts'

/** Milliseconds that handlers get to react to their signal before their jobs are given back. */
const LAST_WORDS = 1_000

/** A run in a slot, with its place in the ledger and the claimer that settles the job. */
export class SlotExecution extends Execution {
  readonly held: HeldJob
  declare readonly claimer: Claimer
  /** The counts to which the run belongs. Undefined if this process has no class for the job. */
  counts: RunCounts | undefined

  constructor(
    held: HeldJob,
    claimer: Claimer,
    jobClass: JobClass | undefined,
    environment: RunEnvironment,
    startedAt: number,
  ) {
    super(held.job, claimer, jobClass, environment, startedAt)
    this.held = held
  }
}

/** If the store did not answer, a journal is read again after this many milliseconds. */
const READ_PAUSE = 100

type SlotsOptions = Pick<
  WorkerOptions,
  | 'registry'
  | 'report'
  | 'concurrency'
  | 'middleware'
  | 'hooks'
  | 'make'
  | 'telemetry'
  | 'release'
  | 'owner'
  | 'onStuck'
  | 'stepTimes'
  | 'isolation'
  | 'store'
>

/** The parts and functions of the worker that its slots need. */
export interface SlotsAround {
  /** The id of the worker. */
  id: string
  /** Called when a slot is free again, with the milliseconds for which the slot was taken. */
  changed(took: number): void
  /** Called when a job reports progress. */
  reported?(running: Execution): void
  /** Called when steps of a job should be recorded. */
  records?(running: Execution): void
  /** Called when a job has paused its queue. */
  paused?(own: Claimer, outcome: Outcome & { kind: 'released' }): void
  /** The last known time at which the event loop turned, by `performance.now()`. */
  turnedAt?(): number
}

export class Slots extends Part implements RunEnvironment {
  readonly running = new Set<SlotExecution>()
  /**
   * How many slots there are. The number may be set at any time. If it is lowered, jobs that run in excess
   * slots go on until they end.
   */
  concurrency: number
  readonly tally = new Tally()
  readonly runs = new RunTally()
  readonly clock: StoreClock
  readonly middleware: readonly Middleware[]
  readonly make: Make | undefined
  readonly release: string | undefined
  readonly owner: object | undefined
  readonly permits: Permits
  readonly stepTimes: WaitTimes | undefined
  readonly isolation: Isolation | undefined
  /** How many handlers still run although their jobs were given back, because they ignored their signal. */
  abandoned = 0
  readonly #options: SlotsOptions
  readonly #ledger: Ledger
  readonly #around: SlotsAround
  readonly #failed: (own: Claimer) => void
  /** The hooks of the application. Undefined if the application has no hooks. */
  readonly hooks: HookCalls | undefined
  /**
   * Called when the store has acknowledged the outcome of a run. Undefined if the report has no `settled`.
   */
  readonly settled: ((id: string, isLost: boolean) => void) | undefined
  readonly #deadline = new Deadline(
    this.running,
    (running) => this.#stuck(running),
    () => this.#around.turnedAt?.() ?? performance.now(),
  )
  #unwatch = () => {}
  readonly blockedLoops = new BlockedLoops(this.running, (text) => this.#options.report.warn(text))
  readonly #longRuns = new LongRuns(this.running, (long) => this.#options.report.running?.(long.map(seen)))

  constructor(
    options: SlotsOptions,
    ledger: Ledger,
    clock: StoreClock,
    permits: Permits,
    around: SlotsAround,
  ) {
    super()
    this.#options = options
    this.concurrency = options.concurrency ?? CONCURRENCY
    this.middleware = options.middleware ?? []
    this.make = options.make
    this.release = options.release
    this.owner = options.owner
    this.hooks = options.hooks && new HookCalls(options.hooks, (text) => options.report.warn(text))
    this.settled = options.report.settled?.bind(options.report)
    this.#ledger = ledger
    this.clock = clock
    this.permits = permits
    this.stepTimes = options.stepTimes
    this.isolation = options.isolation
    this.#around = around
    this.#failed = warnsOfDropped(options.store, options.report)
  }

  /** How many slots are free; negative if `concurrency` was set below the number of running jobs. */
  get free(): number {
    return this.concurrency - this.running.size
  }

  /**
   * Starts a job.
   *
   * @param now by `performance.now()`
   * @returns false if the lease thread has already given the job back
   */
  begin(held: HeldJob, claimer: Claimer, now: number): boolean {
    const { key, unreadable } = held.job
    // A job in a newer format is put back like a job with an unknown key, because a newer worker may be able
    // to read it.
    const jobClass = unreadable?.kind === 'marked' ? undefined : this.#options.registry.find(key)
    const running = new SlotExecution(held, claimer, jobClass, this, now)
    if (!this.#ledger.begin(held, deadlineHere(running), this.#retryIn(running))) {
      claimer.permits?.ended(held.job, false)
      return false
    }
    this.tally.started(running.startedAt)
    const dueAt = held.job.dueAt ?? held.job.queuedAt
    if (jobClass !== undefined)
      running.counts = this.runs.began(claimer.queue, jobClass.key, dueAt, this.clock.at(now))
    this.running.add(running)
    startGate.entered()
    this.#deadline.watch(running)
    this.#longRuns.watch()
    if (this.#options.telemetry === undefined || jobClass === undefined) this.#run(running)
    else {
      const traced = {
        ...{ job: held.job, queue: claimer.queue, partition: claimer.partition, key: jobClass.key },
        waited: Math.max(0, this.clock.at(now) - dueAt),
      }
      running.processing = this.#options.telemetry.processing(traced)
      running.processing.within(() => this.#run(running))
    }
    return true
  }

  /**
   * Whether the handler of the job runs in an isolated process, so that the handler cannot end this process.
   */
  runsApart({ job }: HeldJob): boolean {
    return this.isolation !== undefined && this.#options.registry.find(job.key)?.isolate !== undefined
  }

  #run(running: SlotExecution): void {
    this.hooks?.started(running)
    runJob(running, this.#ended)
  }

  wrote({ job, name }: SlotExecution, line: LogLine): void {
    this.#options.report.wrote(job, name, line)
  }

  hasOthers(): boolean {
    return startGate.running > 1
  }

  reported(running: SlotExecution, progress?: string): void {
    if (progress !== undefined) this.#options.report.progressed?.(running.job, progress)
    this.#around.reported?.(running)
  }

  records(running: SlotExecution): void {
    this.#around.records?.(running)
  }

  more(running: SlotExecution, from: number): Promise<Journal | undefined> {
    const { claimer, job } = running
    return this.#read(running, () => this.#options.store.journals.read(claimer.partition, job.id, from))
  }

  async errors(running: SlotExecution): Promise<readonly JobError[]> {
    const { claimer, job } = running
    const found = await this.#read(running, () => this.#options.store.get(claimer.partition, job.id))
    return found?.errors ?? []
  }

  /** Repeats a read until the store answers, because an outage must not make the job fail. */
  async #read<T>({ run }: SlotExecution, read: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await read()
      } catch (error) {
        if (!isResendable(error)) throw run.reason ?? error
        await pause(READ_PAUSE)
        if (run.reason !== undefined) throw run.reason
      }
    }
  }

  hurries(running: SlotExecution): void {
    this.#ledger.judge(running.held, deadlineHere(running), this.#retryIn(running))
    this.#deadline.watch(running)
  }

  suspends(running: SlotExecution, outcome: Outcome): void {
    running.through()
    this.#ended(running, outcome)
  }

  goesOn(running: SlotExecution): void {
    running.goOn()
    this.#ledger.judge(running.held, running.deadline, TOLD)
    this.#deadline.watch(running)
  }

  readonly #ended = (running: SlotExecution, outcome: Outcome): void => {
    // The job may have been given back while its handler ran.
    if (!this.#leave(running)) return
    const { isLost, abandoned, startedAt, throughAt } = running
    const now = throughAt || performance.now()
    running.claimer.prefetch.ended(now - startedAt)
    this.#settle(running, outcome, now)
    if (abandoned && isLost) this.lost(running.job.id)
    this.#around.changed(now - startedAt)
  }

  /**
   * Called when the store says that the worker had lost the lease of a job.
   *
   * @param outcome the outcome under which the run was counted, if it was counted
   */
  lost(id: string, outcome?: Outcome): void {
    // The job did not begin in this worker. The worker that now holds the job will report it.
    if (outcome?.kind === 'unstarted') return
    this.tally.lost(outcome)
    this.#options.report.warn(`The lease on ${id} was lost: how it ended here does not count`)
  }

  /** Aborts the signals of all handlers, and a second later gives back the jobs that still run. */
  async giveBack(stopped: Promise<void>): Promise<void> {
    const reason = new JobsError('WORKER_STOPPED', 'The worker stops; the job is given back')
    for (const running of this.running) running.run.abort(reason)
    if (this.running.size > 0) await within(LAST_WORDS, stopped)
    for (const running of [...this.running]) this.#abandon(running, { kind: 'released', in: 0 })
  }

  /** Acts as if this process were killed: all jobs leave their slots, and their signals are not aborted. */
  forget(): void {
    for (const running of [...this.running]) {
      this.#leave(running)
      running.abandoned = true
    }
  }

  /**
   * Called when a handler ignores its signal. If the process will be replaced, the job is settled at once.
   */
  #stuck(running: SlotExecution): void {
    const { name, job, jobClass } = running
    const isReplaced = this.#options.onStuck !== undefined && jobClass !== undefined
    const then = isReplaced ? 'its process is replaced' : 'keeps its slot'
    this.#options.report.warn(
      `${name} ${job.id} is stuck: it has ignored its signal since its timeout, and ${then}`,
    )
    if (isReplaced) conclude(running, jobClass, stopped(running, jobClass), this.#replaced)
  }

  readonly #replaced = (running: SlotExecution, outcome: Outcome): void => {
    // The job may have been given back while the hook of its class was running.
    if (!this.running.has(running)) return
    this.#abandon(running, outcome)
    this.#options.onStuck?.()
  }

  /** Settles a job whose handler still runs. */
  #abandon(running: SlotExecution, outcome: Outcome): void {
    const now = performance.now()
    this.#leave(running)
    this.abandoned++
    this.#settle(running, outcome, now)
    running.abandoned = true
    this.#around.changed(now - running.startedAt)
  }

  #leave(running: SlotExecution): boolean {
    if (!this.running.delete(running)) return false
    startGate.left(running.held)
    this.#ledger.end(running.held)
    const { claimer, job, hasBegun } = running
    if (job.limiter !== undefined) claimer.permits?.ended(job, hasBegun)
    return true
  }

  /**
   * Milliseconds until the retry, if the lease thread settles the job as failed because its handler blocks
   * the event loop for too long. This happens only in a process that is replaced afterwards (`onStuck`).
   */
  #retryIn(running: SlotExecution): number {
    const { jobClass, timeout, name } = running
    if (this.#options.onStuck === undefined || jobClass === undefined || running.isIsolated) return NEVER
    // To make an error takes microseconds, so the error is made only for a class whose `retryIf` or `backoff`
    // reads the error.
    const isLookedAt = jobClass.hasRetryIf || typeof jobClass.backoff === 'function'
    const error = isLookedAt ? timedOut(name, timeout) : undefined
    return retryIn(error, running, jobClass, timeout) ?? NEVER
  }

  protected override onStart(): void {
    this.#unwatch = watchLoop({
      ...{ id: this.#around.id, running: this.running, failed: this.#blocked },
      seen: (by) => this.blockedLoops.seen(by),
    })
  }

  protected override onStop(): void {
    this.#deadline.stop()
    this.#longRuns.stop()
    this.#unwatch()
  }

  /** Passes the outcome to the claimer and reports it, unless the outcome no longer counts. */
  #settle(running: SlotExecution, outcome: Outcome, now: number): void {
    const { held, job, claimer } = running
    if (running.abandoned) {
      this.#ledger.settled(held)
      running.processing?.ended('lost', now - running.startedAt, running.run.reason)
      return
    }
    const log = running.takeLog()
    const progress = running.takeProgress()
    const steps = running.stepsIfAny?.end(running.thrown)
    const isBare = log === undefined && progress === undefined && steps === undefined
    const report = isBare ? undefined : defined({ log, progress, steps })
    const said = report === undefined ? outcome : { ...outcome, ...report }
    // The duration is stored because the history of a schedule shows it.
    const isTimed = outcome.kind === 'completed' && tickOf(job.id) !== undefined
    const told = isTimed ? { ...said, took: Math.round(now - running.startedAt) } : said
    claimer.settle(job.id, job.token, told, now, held)
    this.#tell(running, outcome, now)
  }

  /**
   * Called when the lease thread has settled a job that blocks this thread, and will soon end the process.
   * This function runs in the blocked thread, so asynchronous work in it would never be done.
   */
  readonly #blocked = (running: Execution, outcome: Outcome & { kind: 'failed' }): void => {
    running.thrown = timedOut(running.name, running.timeout)
    this.#tell(running as SlotExecution, outcome, performance.now())
  }

  /** Counts and reports the end of a run. */
  #tell(running: SlotExecution, outcome: Outcome, now: number): void {
    const { job, claimer, jobClass, name } = running
    this.tally.ended(outcome, now)
    const tries = job.options?.tries ?? jobClass?.tries
    const took = now - running.startedAt
    if (took >= SLOW) {
      if (jobClass !== undefined)
        this.runs.slow(claimer.queue, jobClass.key, job.id, took, this.clock.at(now))
      if (took >= NOTED) this.blockedLoops.ended(running, now)
    }
    running.counts?.observe('process', took)
    running.counts?.ended(kindOf(outcome))
    const ending: EndedRun = { job, name, queue: claimer.queue, outcome, took }
    if (tries !== undefined) ending.tries = tries
    // Most jobs complete, and need no further handling.
    if (outcome.kind === 'released') {
      ending.isAsked = running.run.decision?.kind === 'released'
      if (outcome.pauses === 'queue') this.#around.paused?.(claimer, outcome)
    }
    if (outcome.kind === 'failed' && outcome.retryIn === undefined) this.#failed(claimer)
    if (outcome.kind === 'failed' && jobClass !== undefined)
      ending.isTimed = limitOf(job, jobClass) !== undefined
    this.#options.report.ended(ending)
    this.hooks?.ended(running, outcome, took)
    running.processing?.ended(kindOf(outcome), took, running.thrown)
  }
}

/**
 * The time from which the lease thread may settle the job if the job blocks the event loop. An isolated job
 * cannot block the loop.
 */
function deadlineHere({ isIsolated, deadline }: Execution): number {
  return isIsolated ? Number.POSITIVE_INFINITY : deadline
}

/** A running job in the form that a report gets. */
function seen({ job, name, claimer, startedAt }: Execution): RunningJob {
  return { job, name, queue: claimer.queue, took: performance.now() - startedAt }
}
