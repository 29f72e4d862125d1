/**
 * The worker claims jobs from its queues, runs them, and settles their outcomes.
 *
 *   new → running ⇄ quiet (claims no more jobs, finishes those that run) → stopped
 *
 * `start`, `quiet`, `resume` and `stop` may each be called again without harm. Orders to the worker call the
 * same methods; orders come with the answers to its announcements (`store/contract/orders.ts`). One process
 * may have several workers.
 *
 * This file has the lifecycle of a worker. `parts.ts` makes the parts of the worker, and lists them in the
 * order in which they start and stop. `fetch/intake.ts` decides which jobs to claim, `slots.ts` runs them,
 * `lease/` keeps their leases, and `maintenance/` does the work that every worker does for the whole store.
 * `commands/workers/work-signals.ts` and `supervisor/supervised.ts` handle the signals of the process
 * (SIGTERM, SIGINT).
 *
 * A worker stops in these steps:
 *
 *   1. The worker becomes quiet: it claims no more jobs, and gives back jobs that have not begun. Running
 *      jobs go on.
 *   2. At the deadline, the signals of the handlers are aborted, and a second later their jobs are given
 *      back.
 *   3. The worker sends all outcomes, and waits until the store has acknowledged them. During an outage it
 *      waits for at most `outcomes`.
 *   4. The worker disconnects from the store: waits end, and calls are not sent again. Outcomes that the
 *      store has not acknowledged are reported.
 *   5. All parts stop. Finally the store removes the worker from its lists.
 */
import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { defined } from '@s18i/lark/internal'
import { newNonce } from '../model/id.ts'
import type { AnnouncedWorker, WorkerState } from '../model/record.ts'
import { version } from '../model/version.ts'
import type { Execution } from '../run/execution.ts'
import type { Settlement } from '../store/contract/store.ts'
import { within } from '../waiting/bounded-wait.ts'
import { Deferred } from '../waiting/deferred.ts'
import { readable } from '../words/duration.ts'
import { plural } from '../words/plural.ts'
import { unstoredText } from './death.ts'
import { startGate } from './maintenance/start-gate.ts'
import {
  checkClasses,
  checkConcurrency,
  LEASE_MS,
  OUTCOMES,
  STOP_DEADLINE,
  type WorkerOptions,
} from './options.ts'
import { wire } from './parts.ts'
import type { WorkerSummary } from './report.ts'
import type { Vitals } from './vitals.ts'

/** Milliseconds that the last calls to the store may take when the worker stops. */
const LAST_CALL = 3_000

export class Worker implements AsyncDisposable {
  readonly #done = new Deferred<WorkerSummary>()
  readonly id: string
  /** Resolves when the worker has stopped, with a summary of what it has done. */
  readonly done: Promise<WorkerSummary> = this.#done.promise
  readonly #options: WorkerOptions
  readonly #createdAt = Date.now()
  readonly #parts: ReturnType<typeof wire>
  /**
   * Aborted when the worker disconnects from the store. This ends all waits, and calls are not sent again.
   */
  readonly #end = new AbortController()
  #mode: 'new' | 'running' | 'quiet' | 'stopped' = 'new'
  /** Why the worker ends. Undefined until it stops. */
  #ends: 'stopping' | 'restarting' | undefined
  #lastCall: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined
  /**
   * While the worker is quiet, a promise that resolves when the store has acknowledged all outcomes, or when
   * the worker takes jobs again.
   */
  #quieted: Deferred<void> | undefined

  /** @internal @throws UNKNOWN_LIMITER, JOB_INVALID */
  constructor(options: WorkerOptions) {
    checkClasses(options)
    // Each partition adds a listener. With more than ten listeners, Node would warn of a leak.
    setMaxListeners(0, this.#end.signal)
    this.id = options.id ?? newNonce()
    this.#options = options
    this.#parts = wire(options, {
      ...{ id: this.id, signal: this.#end.signal, obeying: this },
      record: () => this.#record(),
      turned: () => this.#lookWhetherDone(),
    })
  }

  /** How many handlers still run although their jobs were given back, because they ignored their signal. */
  get abandoned(): number {
    return this.#parts.slots.abandoned
  }

  /** The runs that have not ended. @internal */
  get running(): ReadonlySet<Execution> {
    return this.#parts.slots.running
  }

  /** Whether the worker has nothing to do now, apart from the running jobs. @internal */
  get isAtRest(): boolean {
    const { intake, order, deliverer, ticks } = this.#parts
    const isClaiming = this.#mode === 'running' && (intake.isBusy || order.isBusy)
    return !isClaiming && !order.isSettling && !deliverer.isBusy && !ticks.isBusy
  }

  /**
   * Drops all jobs and the store, as if the process were killed. The outcomes of the jobs do not count.
   * @internal
   */
  die(): void {
    this.#parts.slots.forget()
    this.#letGo()
  }

  /** Whether the worker serves the queue and has no free slot. @internal */
  isFull(queue: string): boolean {
    return this.#options.queues.includes(queue) && this.#parts.slots.free <= 0
  }

  get summary(): WorkerSummary {
    return this.#parts.slots.tally.summary
  }

  /** The signs of life of the worker at present. @internal */
  get vitals(): Vitals {
    const now = performance.now()
    const { free, concurrency, running } = this.#parts.slots
    if (free <= 0 || this.#mode !== 'running') this.#parts.claimWatch.settled()
    else if (this.#parts.order.isCalling) this.#parts.claimWatch.wanted()
    return {
      state: this.#mode === 'new' ? 'starting' : this.#mode,
      starting: this.#mode === 'new' ? Date.now() - this.#createdAt : 0,
      slots: concurrency,
      running: running.size,
      answered: now - this.#parts.trouble.answeredAt,
      isAway: this.#parts.trouble.isOn,
      unclaimed: this.#parts.claimWatch.unclaimed,
      unrenewed: running.size === 0 ? 0 : Date.now() - this.#parts.thread.pulse.renewedAt,
      leaseMs: this.#options.lease ?? LEASE_MS,
    }
  }

  /**
   * How many jobs the worker runs at a time. A larger value applies at once. After a smaller value is set,
   * running jobs go on, and no job starts until fewer jobs run.
   */
  get concurrency(): number {
    return this.#parts.slots.concurrency
  }

  /** @throws WORKER_INVALID, without any change */
  set concurrency(value: number) {
    checkConcurrency(value)
    this.#parts.slots.concurrency = value
    this.#parts.intake.freed()
  }

  /** Resolves when the store knows the worker, and the worker serves its queues. */
  async start(): Promise<void> {
    if (this.#mode !== 'new') return
    this.#mode = 'running'
    for (const part of this.#parts.all) await part.start()
  }

  /**
   * Claims no more jobs.
   *
   * @returns a promise that resolves when the running jobs have ended and the store has acknowledged their
   * outcomes, or after `resume` or `stop`
   */
  async quiet(): Promise<void> {
    if (this.#mode !== 'running') return this.#quieted?.promise
    this.#mode = 'quiet'
    this.#quieted = new Deferred()
    void this.#parts.maintenance.announce()
    for (const part of this.#parts.all) void part.quiet()
    return this.#quieted.promise
  }

  /** Claims jobs again, after `quiet`. It has no effect after `stop`. */
  resume(): void {
    if (this.state !== 'quiet') return
    this.#mode = 'running'
    this.#quieted?.resolve()
    void this.#parts.maintenance.announce()
    for (const part of this.#parts.all) part.resume()
    // Jobs may have come without a ring.
    for (const claimer of this.#parts.served.claimers) claimer.ring()
  }

  /** The state of the worker, as it announces itself. @internal */
  get state(): WorkerState {
    return this.#ends ?? (this.#mode === 'running' ? 'running' : 'quiet')
  }

  /**
   * Stops the worker. Until it has stopped, lists show the worker as restarting. The supervisor or service
   * manager of its process starts it again. @internal
   */
  restart(deadline?: number): Promise<void> {
    return this.#stop('restarting', deadline)
  }

  /**
   * Claims no more jobs, waits until the running jobs have ended, and disconnects from the store. At the
   * deadline, the signals of the handlers that still run are aborted, and their jobs are given back without
   * using up an attempt. If the store does not answer, the worker keeps sending the outcomes of its jobs.
   * Outcomes that never reach the store are reported.
   *
   * @param deadline how long running jobs may go on, in milliseconds; default 25 s; 0 gives them back at
   *   once. If `stop` is called several times, the earliest deadline counts
   * @param outcomes for how many milliseconds the worker keeps sending outcomes after all handlers have ended
   *   or their jobs were given back. Default: the option of the worker
   */
  stop(deadline?: number, outcomes?: number): Promise<void> {
    return this.#stop('stopping', deadline, outcomes)
  }

  async #stop(
    ends: 'stopping' | 'restarting',
    deadline = STOP_DEADLINE,
    outcomes = this.#options.outcomes ?? OUTCOMES,
  ): Promise<void> {
    if (this.#mode === 'new') {
      this.#mode = 'stopped'
      this.#done.resolve(this.summary)
    }
    if (this.#mode === 'stopped') return this.#stopping
    const wasQuiet = this.state === 'quiet'
    this.#ends ??= ends
    if (wasQuiet) void this.#parts.maintenance.announce()
    this.#stopping ??= this.#finish()
    const stopping = this.#stopping
    const timer = setTimeout(() => void this.#giveBack(stopping, outcomes), deadline)
    await stopping
    clearTimeout(timer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** The record with which the worker announces itself. */
  #record(): AnnouncedWorker {
    const { queues, strict = false, registry } = this.#options
    const { slots } = this.#parts
    const now = performance.now()
    return {
      ...{ id: this.id, host: hostname(), pid: process.pid, queues: [...queues], strict },
      startedAt: this.#createdAt,
      seenAt: Date.now(),
      concurrency: this.#parts.slots.concurrency,
      running: this.#parts.slots.running.size,
      ...defined({ alone: startGate.alone }),
      ...this.#parts.slots.blockedLoops.record,
      keys: registry.keys,
      version,
      ...defined({ release: this.#options.release }),
      state: this.state,
      ...(this.#options.onRestart && { restarts: true }),
      ...(this.#options.onStuck && { supervised: true }),
      ...this.#parts.permits.used,
      ...this.#parts.declarations?.record,
      ...defined({ runs: slots.runs.record(now, slots.clock.at(now)) }),
    }
  }

  #lookWhetherDone(): void {
    if (this.#mode === 'stopped') return
    if (this.#parts.slots.running.size > 0 || this.#parts.intake.held > 0) return
    // After the worker has disconnected from the store, no more outcomes are acknowledged.
    if (this.#parts.order.isSettling && !this.#end.signal.aborted) return
    if (this.#parts.order.isCalling) {
      // No outcomes are left, so only claims are under way. A store that does not answer must not delay the
      // end of the worker.
      if (this.#ends !== undefined) this.#lastCall ??= setTimeout(() => this.#letGo(), LAST_CALL)
      return
    }
    if (this.#mode === 'quiet') this.#quieted?.resolve()
    const { maxJobs, stopWhenEmpty } = this.#options
    if (this.#mode !== 'running') return
    if (maxJobs !== undefined && this.#parts.intake.isSated) void this.stop()
    else if (stopWhenEmpty) void this.#stopIfEmpty()
  }

  async #stopIfEmpty(): Promise<void> {
    if (this.#parts.order.isBusy) return
    try {
      const empty = await this.#parts.drainCheck.look(this.#end.signal)
      if (empty && this.#parts.slots.running.size === 0 && !this.#parts.intake.isBusy) return void this.stop()
      if (empty === undefined) return
    } catch (error) {
      this.#parts.trouble.met(error)
    }
    this.#parts.intake.schedule()
  }

  async #finish(): Promise<void> {
    const { all, intake } = this.#parts
    intake.schedule()
    await this.quiet()
    this.#mode = 'stopped'
    this.#letGo()
    this.#reportUnstored()
    clearTimeout(this.#lastCall)
    const stopped = Promise.all(all.toReversed().map((part) => part.stop()))
    // A part of the store, such as a node of a cluster, may not answer. The worker is still removed from the
    // other parts.
    await within(
      LAST_CALL,
      within(LAST_CALL / 2, stopped).then(() => this.#retire()),
    )
    this.#done.resolve(this.summary)
  }

  /** Announces the counts of the last runs, and removes the worker from the store's lists. */
  async #retire(): Promise<void> {
    if (this.summary.took > 0) await this.#parts.maintenance.announce()
    await this.#options.store.retire(this.id)
  }

  async #giveBack(stopping: Promise<void>, outcomes: number): Promise<void> {
    await this.#parts.slots.giveBack(stopping)
    const { report, onDelivering } = this.#options
    const { isAway, unstored } = this.#parts.served
    const many = unstored.filter(isReached).length
    // If the store answers, `LAST_CALL` is enough. During an outage, the worker waits only for the outcomes
    // of jobs that have ended, because jobs that were given back run again in any case.
    const patience = Math.max(isAway ? 0 : LAST_CALL, many > 0 ? outcomes : Math.min(outcomes, LAST_CALL))
    if (this.#parts.order.isSettling && patience > 0) {
      onDelivering?.(patience)
      if (isAway && many > 0)
        report.warn(
          `Waits up to ${readable(outcomes)} for the store, to tell it how ${plural(many, 'job')} ended`,
        )
    }
    await within(patience, stopping)
    this.#letGo()
  }

  #reportUnstored(): void {
    const { served, slots } = this.#parts
    const { unstored } = served
    if (unstored.length === 0) return
    for (const { outcome } of unstored) slots.tally.unstored(outcome)
    this.#options.report.warn(unstoredText(unstored))
  }

  /**
   * Disconnects from the store: waits end, and calls are not sent again. Jobs whose outcome the store has not
   * acknowledged stay leased until their leases run out.
   */
  #letGo(): void {
    this.#end.abort()
    this.#parts.intake.schedule()
  }
}

/**
 * Whether the outcome must reach the store, because the job has ended or is due later. A job that was given
 * back runs again in any case.
 */
function isReached({ outcome }: Settlement): boolean {
  return outcome.kind !== 'released' || outcome.in > 0
}
