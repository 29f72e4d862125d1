/**
 * The worker: claims jobs from its queues, runs them, and settles how they ended.
 *
 *   new → running ⇄ quiet (claims no more jobs, finishes those that run) → stopped
 *
 * `start`, `quiet`, `resume` and `stop` may each be called again without harm. The same is done by orders, which come with
 * the answers to its announcements (`store/contract/orders.ts`). One process may have several workers.
 *
 * This file is the life of a worker: it puts the parts together, starts them, and stops them in order.
 * `fetch/intake.ts` decides what to claim, `slots.ts` runs it, `lease/` keeps it, `maintenance/` does what every worker
 * does for all. The signals of a process (SIGTERM, SIGINT) come from `commands/workers/work-signals.ts` and
 * `supervisor/supervised.ts`.
 */
import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { FlowBook } from '../flow/flow-book.ts'
import { defined } from '../model/defined.ts'
import { newNonce } from '../model/id.ts'
import { queueOf } from '../model/partition.ts'
import type { AnnouncedWorker, WorkerState } from '../model/record.ts'
import { version } from '../model/version.ts'
import { PRESET, paces } from '../options/preset.ts'
import type { Execution } from '../run/execution.ts'
import { ScheduleBook } from '../schedule/book.ts'
import type { Bound, Settlement } from '../store/contract/store.ts'
import { within } from '../waiting/bounded-wait.ts'
import { Deferred } from '../waiting/deferred.ts'
import { readable } from '../words/duration.ts'
import { plural } from '../words/plural.ts'
import { unstoredText, watchDeath } from './death.ts'
import { Claimer } from './fetch/claimer.ts'
import { DrainCheck } from './fetch/drain-check.ts'
import { FairOrder } from './fetch/fair-order.ts'
import { Intake } from './fetch/intake.ts'
import { Prefetch } from './fetch/prefetch.ts'
import { hearRings } from './fetch/rings.ts'
import { ServedPartitions } from './fetch/served-partitions.ts'
import { sharesOf } from './fetch/weighted-shares.ts'
import { LeaseKeeper } from './lease/lease-keeper.ts'
import { LeaseThread } from './lease/lease-thread.ts'
import { Ledger } from './lease/ledger.ts'
import { Unread } from './lease/unread.ts'
import { tellCrashed } from './maintenance/crashed-jobs.ts'
import { Declarations } from './maintenance/declarations.ts'
import { Deliverer } from './maintenance/deliverer.ts'
import { Maintenance } from './maintenance/maintenance.ts'
import { startGate } from './maintenance/start-gate.ts'
import { StoreClock } from './maintenance/store-clock.ts'
import { Suspects } from './maintenance/suspects.ts'
import { Ticks } from './maintenance/ticks.ts'
import { Obedience } from './obedience.ts'
import {
  checkClasses,
  checkConcurrency,
  LEASE,
  OUTCOMES,
  STOP_DEADLINE,
  type WorkerOptions,
} from './options.ts'
import { OutageReporter } from './outage-reporter.ts'
import { ClaimPermits, limitersOf } from './permits/claim-permits.ts'
import { PermitPools } from './permits/permit-pools.ts'
import { pauseQueue } from './queue-pause.ts'
import type { Summary } from './report.ts'
import { Slots } from './slots.ts'
import { ClaimWatch, type Vitals } from './vitals.ts'

/** Milliseconds that the last calls to the store may take when the worker stops. */
const LAST_CALL = 3_000

export class Worker implements AsyncDisposable {
  readonly #done = new Deferred<Summary>()
  readonly id: string
  /** Resolves when the worker has stopped, with what it has done. */
  readonly done: Promise<Summary> = this.#done.promise
  readonly #options: WorkerOptions
  readonly #createdAt = Date.now()
  readonly #served: ServedPartitions
  readonly #order: FairOrder
  readonly #intake: Intake
  readonly #slots: Slots
  readonly #suspects: Suspects
  readonly #trouble: OutageReporter
  readonly #claimWatch = new ClaimWatch()
  readonly #permits: PermitPools
  readonly #claimPermits: ClaimPermits
  readonly #leases: LeaseKeeper
  readonly #thread: LeaseThread
  readonly #maintenance: Maintenance
  readonly #deliverer: Deliverer
  readonly #ticks: Ticks
  readonly #declarations: Declarations | undefined
  readonly #drainCheck: DrainCheck
  /** Aborted when the worker lets go of the store: then waits end, and calls are not sent again. */
  readonly #end = new AbortController()
  #state: 'new' | 'running' | 'quiet' | 'stopped' = 'new'
  #rings: Promise<void> | undefined
  #unwatch = () => {}
  #announced: Promise<unknown> | undefined
  /** What it ends for, once it stops. */
  #ends: 'stopping' | 'restarting' | undefined
  #lastCall: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined
  /** Of a quiet worker: resolves when the store has answered for all outcomes, or when the worker takes jobs again. */
  #quieted: Deferred<void> | undefined

  /** @internal @throws UNKNOWN_LIMITER, JOB_INVALID */
  constructor(options: WorkerOptions) {
    checkClasses(options)
    // Each partition adds a listener. From eleven listeners on, Node would warn of a leak.
    setMaxListeners(0, this.#end.signal)
    const { store, place, lease = LEASE, id = newNonce(), preset = PRESET, onStuck } = options
    const pace = paces[preset]
    const { signal } = this.#end
    const warn = (text: string) => options.report.warn(text)
    this.id = id
    this.#options = options
    const isAway = () => [...this.#served.claimers].some((claimer) => claimer.isAway)
    this.#trouble = new OutageReporter(store.name, options.report, isAway)
    const watched = place && { place, caller: id, lease, window: pace.window, kills: onStuck !== undefined }
    this.#thread = new LeaseThread(watched, warn, () => {
      for (const claimer of this.#served.claimers) claimer.askAnew()
    })
    const ledger = new Ledger((page) => this.#thread.add(page))
    const clock = new StoreClock()
    const met = (error: unknown) => this.#trouble.met(error)
    this.#permits = new PermitPools({
      ...{ store, holder: id, lease, limiters: options.limiters, trouble: met, signal },
      holds: (limiter, isHeld) => this.#thread.hold(limiter, isHeld),
      met: () => this.#announce(),
      isAfterOutage: () => this.#maintenance.isAfterOutage,
    })
    const limiters = limitersOf(options)
    this.#claimPermits = new ClaimPermits({ permits: this.#permits, limiters, warn, signal })
    this.#slots = new Slots(options, ledger, clock, this.#permits, {
      changed: (took) => this.#intake.freed(took),
      reported: (running) => this.#leases.reported(running),
      paused: (own, outcome) => {
        const giveBack = (claimer: Claimer) => this.#intake.giveBack(claimer)
        pauseQueue(store, this.#served.claimers, own, outcome, giveBack, warn)
      },
      turnedAt: () => this.#thread.pulse.beat,
    })
    const { strict = false, maxJobs = Number.POSITIVE_INFINITY, registry, report } = options
    this.#order = new FairOrder(strict, this.#slots, sharesOf(options, this.#slots))
    this.#suspects = new Suspects({
      ...{ store, caller: id, lease, slots: this.#slots, signal, trouble: met },
      changed: () => this.#intake.freed(),
      returned: () => this.#intake.returned(),
      shown: () => this.#state === 'new' || this.#announce(),
    })
    this.#intake = new Intake({
      order: this.#order,
      slots: this.#slots,
      suspects: this.#suspects,
      pace,
      maxJobs,
      lease,
      isHere: !store.isRemote,
      stoodStill: () => this.#maintenance.standstill.length,
      signal,
      answered: () => {
        this.#claimWatch.settled()
        this.#thread.beat()
        this.#trouble.passed()
      },
      holds: () => this.#thread.wake(),
      turned: () => this.#lookWhetherDone(),
    })
    const foreseen = (partition: string, ms: number) => {
      const isOurs = this.#served.of(partition)?.foresee(ms) === true && this.#intake.room > 0
      if (isOurs && ms === 0) this.#claimWatch.wanted()
      return isOurs
    }
    const { schedules, bounds = new Map<string, Bound>() } = options
    const ticksIn = (partition: string, ms: number) => this.#ticks.foresee(partition, ms)
    const boundOf = (partition: string) => bounds.get(queueOf(partition))
    const book = new ScheduleBook(store, boundOf)
    const common = { store, book, registry, report, met }
    const flows = new FlowBook({ store, boundOf, keys: () => this.#ticks.keys() })
    this.#ticks = new Ticks({ ...common, flows, bounds, foreseen, isOff: schedules === undefined })
    if (schedules !== undefined) {
      const hasOthers = () => this.#ticks.hasHeard
      this.#declarations = new Declarations({ ...common, ...schedules, hasOthers })
    }
    const { make } = options
    const delivering = { store, registry, report, clock, make, lease, met, flows }
    this.#deliverer = new Deliverer({ ...delivering, dueIn: ticksIn })
    this.#served = new ServedPartitions(
      options.queues,
      options.partitions ?? new Map(),
      (partition, rank, index) => {
        const prefetch = new Prefetch(ledger, index, pace)
        const changed = (each: Claimer) => this.#intake.changed(each)
        const queue = queueOf(partition)
        const unread = new Unread(this.#thread.pulse.unread)
        const claimer = new Claimer({
          ...{ store, partition, rank, caller: id, lease, prefetch, unread, trouble: met, changed },
          weight: options.weights?.get(queue),
          terms: {
            limits: options.limits?.get(queue),
            aging: options.agings?.get(queue),
          },
          permits: this.#claimPermits,
          deliverer: this.#deliverer,
          ticksIn,
        })
        this.#thread.serve(partition, unread)
        this.#intake.changed(claimer)
        return claimer
      },
    )
    const advances = () => this.#deliverer.isCounting || this.#ticks.isBusy
    this.#drainCheck = new DrainCheck(store, this.#served, registry, advances)
    const obedience = new Obedience(this, options)
    const { running } = this.#slots
    this.#leases = new LeaseKeeper({
      ...{ store, caller: id, lease, running, permits: this.#permits, trouble: met },
      settling: () => this.#served.claimers,
      pulse: this.#thread.pulse,
    })
    this.#maintenance = new Maintenance({
      store,
      partitions: this.#served.partitions,
      met: (partitions) => this.#served.meet(partitions),
      lease,
      record: () => this.#record(),
      clock,
      rests: (partition) => this.#intake.isOpen && this.#served.of(partition)?.rests === true,
      foreseen,
      owes: (partition) => this.#deliverer.look(partition),
      ticksIn,
      ordered: (order) => obedience.hear(order),
      recovered: (partition, recovery) => {
        this.#slots.runs.crashed(queueOf(partition), recovery.crashed?.length ?? 0)
        const { hooks } = this.#slots
        void tellCrashed(store, registry, hooks, partition, recovery, options.telemetry).catch(met)
      },
      report,
      renew: () => {
        this.#thread.beat()
        return this.#leases.catchUp()
      },
      trouble: this.#trouble,
    })
  }

  /** How many handlers still run although their jobs were given back, because they ignored their signal. */
  get abandoned(): number {
    return this.#slots.abandoned
  }

  /** The runs that go on. @internal */
  get running(): ReadonlySet<Execution> {
    return this.#slots.running
  }

  /** Whether there is nothing to do now, but for the runs that go on. @internal */
  get isAtRest(): boolean {
    const isClaiming = this.#state === 'running' && (this.#intake.isBusy || this.#order.isBusy)
    return !isClaiming && !this.#order.isSettling && !this.#deliverer.isBusy && !this.#ticks.isBusy
  }

  /** Forgets its jobs and the store, as if its process were killed: how they end does not count. @internal */
  die(): void {
    this.#slots.forget()
    this.#letGo()
  }

  /** Whether it serves a queue, and all its slots are taken. @internal */
  isFull(queue: string): boolean {
    return this.#options.queues.includes(queue) && this.#slots.free <= 0
  }

  get summary(): Summary {
    return this.#slots.tally.summary
  }

  /** The signs of its life now. @internal */
  get vitals(): Vitals {
    const now = performance.now()
    const { free, concurrency, running } = this.#slots
    if (free <= 0 || this.#state !== 'running') this.#claimWatch.settled()
    else if (this.#order.isCalling) this.#claimWatch.wanted()
    return {
      state: this.#state === 'new' ? 'starting' : this.#state,
      starting: this.#state === 'new' ? Date.now() - this.#createdAt : 0,
      slots: concurrency,
      running: running.size,
      answered: now - this.#trouble.answeredAt,
      isAway: this.#trouble.isOn,
      unclaimed: this.#claimWatch.unclaimed,
      unrenewed: running.size === 0 ? 0 : Date.now() - this.#thread.pulse.renewedAt,
      lease: this.#options.lease ?? LEASE,
    }
  }

  /** Jobs at a time. A larger value applies at once. With a smaller one, running jobs go on and fewer jobs start. */
  get concurrency(): number {
    return this.#slots.concurrency
  }

  /** @throws WORKER_INVALID; then nothing has changed */
  set concurrency(value: number) {
    checkConcurrency(value)
    this.#slots.concurrency = value
    this.#intake.freed()
  }

  /** Resolves when the store knows the worker, and the worker serves its queues. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'running'
    this.#leases.start()
    this.#thread.start()
    this.#unwatch = watchDeath({
      ...{ running: this.#slots.running, report: this.#options.report, thread: this.#thread },
      unstored: () => [...this.#served.claimers].map(({ partition, unstored }) => [partition, unstored]),
      onEnding: this.#options.onEnding,
    })
    await this.#maintenance.start()
    await this.#declarations?.start()
    this.#rings = hearRings(this.#options.store, this.id, this.#end.signal, {
      rang: (partition) => this.#rang(partition),
      noticed: (partition) => this.#noticed(partition),
      trouble: (error) => this.#trouble.met(error),
    })
    this.#intake.open()
  }

  /**
   * Claims no more jobs.
   *
   * @returns resolves when the store has the outcomes of those that run, or after `resume` or `stop`
   */
  async quiet(): Promise<void> {
    if (this.#state !== 'running') return this.#quieted?.promise
    this.#state = 'quiet'
    this.#quieted = new Deferred()
    this.#announce()
    this.#claimPermits.shut()
    this.#intake.shut()
    return this.#quieted.promise
  }

  /** Claims jobs again, after `quiet`. Once it stops, it does not. */
  resume(): void {
    if (this.state !== 'quiet') return
    this.#state = 'running'
    this.#quieted?.resolve()
    this.#announce()
    this.#claimPermits.open()
    this.#intake.open()
    // Jobs may have come without a ring.
    for (const claimer of this.#served.claimers) claimer.ring()
  }

  /** As others see it. @internal */
  get state(): WorkerState {
    return this.#ends ?? (this.#state === 'running' ? 'running' : 'quiet')
  }

  /** As `stop`, and is listed as restarting meanwhile: what started its process starts it again. @internal */
  restart(deadline?: number): Promise<void> {
    return this.#stop('restarting', deadline)
  }

  /**
   * Claims no more jobs, waits until the running ones have ended, and lets go of the store. At the deadline, the
   * signals of the handlers that still run are aborted, and their jobs are given back without using up an attempt. If
   * the store is away, the worker goes on to tell it how its jobs ended. What it cannot tell is reported.
   *
   * @param deadline milliseconds, default 25 s; 0 gives back at once. Of several calls, the earliest deadline counts
   * @param outcomes milliseconds after that for which it goes on to tell the store. Default: the option of the worker
   */
  stop(deadline?: number, outcomes?: number): Promise<void> {
    return this.#stop('stopping', deadline, outcomes)
  }

  async #stop(
    ends: 'stopping' | 'restarting',
    deadline = STOP_DEADLINE,
    outcomes = this.#options.outcomes ?? OUTCOMES,
  ): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'stopped'
      this.#done.resolve(this.summary)
    }
    if (this.#state === 'stopped') return this.#stopping
    const wasQuiet = this.state === 'quiet'
    this.#ends ??= ends
    if (wasQuiet) this.#announce()
    this.#stopping ??= this.#finish()
    const stopping = this.#stopping
    const timer = setTimeout(() => void this.#giveBack(stopping, outcomes), deadline)
    await stopping
    clearTimeout(timer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  /** What it makes known of itself. */
  #record(): AnnouncedWorker {
    const { queues, strict = false, registry } = this.#options
    return {
      ...{ id: this.id, host: hostname(), pid: process.pid, queues: [...queues], strict },
      startedAt: this.#createdAt,
      seenAt: Date.now(),
      concurrency: this.#slots.concurrency,
      running: this.#slots.running.size,
      ...defined({ alone: startGate.alone }),
      keys: registry.keys,
      version,
      ...defined({ release: this.#options.release }),
      state: this.state,
      ...(this.#options.onRestart && { restarts: true }),
      ...(this.#options.onStuck && { supervised: true }),
      ...this.#permits.used,
      ...this.#declarations?.record,
      ...defined({ runs: this.#slots.runs.record(performance.now()) }),
    }
  }

  /** Makes its state known now. Before it retires, it waits for this. */
  #announce(): void {
    const announcing = this.#maintenance.announce().catch((error) => this.#trouble.met(error))
    this.#announced = Promise.all([this.#announced, announcing])
  }

  /** A ring is for one worker. A worker without a free slot passes it on to another. */
  async #rang(partition: string): Promise<void> {
    this.#served.of(partition)?.ring()
    if (this.#intake.room <= 0) await this.#options.store.wake(partition, this.id)
    this.#intake.schedule()
  }

  /** Jobs that have not begun go back, because one of them may be the job that is to be cancelled. */
  #noticed(partition: string): void {
    const claimer = this.#served.of(partition)
    if (claimer !== undefined) this.#intake.giveBack(claimer)
    this.#leases.look(partition)
    this.#deliverer.look(partition)
  }

  #lookWhetherDone(): void {
    if (this.#state === 'stopped') return
    if (this.#slots.running.size > 0 || this.#intake.held > 0) return
    // Once the worker has let go of the store, the store answers for no more outcomes.
    if (this.#order.isSettling && !this.#end.signal.aborted) return
    if (this.#order.isCalling) {
      // Only claims are under way. A store that does not answer must not delay the end.
      if (this.#ends !== undefined) this.#lastCall ??= setTimeout(() => this.#letGo(), LAST_CALL)
      return
    }
    if (this.#state === 'quiet') this.#quieted?.resolve()
    const { maxJobs, stopWhenEmpty } = this.#options
    if (this.#state !== 'running') return
    if (maxJobs !== undefined && this.#intake.isSated) void this.stop()
    else if (stopWhenEmpty) void this.#stopIfEmpty()
  }

  async #stopIfEmpty(): Promise<void> {
    if (this.#order.isBusy) return
    try {
      const empty = await this.#drainCheck.look(this.#end.signal)
      if (empty && this.#slots.running.size === 0 && !this.#intake.isBusy) return void this.stop()
      if (empty === undefined) return
    } catch (error) {
      this.#trouble.met(error)
    }
    this.#intake.schedule()
  }

  async #finish(): Promise<void> {
    this.#intake.schedule()
    await this.quiet()
    this.#state = 'stopped'
    this.#letGo()
    this.#reportUnstored()
    this.#intake.stop()
    for (const claimer of this.#served.claimers) claimer.stop()
    clearTimeout(this.#lastCall)
    this.#slots.stop()
    this.#suspects.stop()
    this.#unwatch()
    this.#trouble.end()
    const parts = Promise.all([
      this.#leases.stop(),
      this.#permits.stop(),
      this.#maintenance.stop(),
      this.#deliverer.stop(),
      this.#ticks.stop(),
      this.#declarations?.stop(),
      this.#rings,
      this.#announced,
      this.#thread.stop(),
    ])
    // A part of the store may not answer, such as the node of a cluster. The worker leaves the others all the same.
    await within(
      LAST_CALL,
      within(LAST_CALL / 2, parts).then(() => this.#retire()),
    )
    this.#done.resolve(this.summary)
  }

  /** The last runs are made known too. */
  async #retire(): Promise<void> {
    if (this.summary.took > 0) await this.#maintenance.announce().catch(() => {})
    await this.#options.store.retire(this.id)
  }

  async #giveBack(stopping: Promise<void>, outcomes: number): Promise<void> {
    await this.#slots.giveBack(stopping)
    const { report, onDelivering } = this.#options
    const isAway = [...this.#served.claimers].some((claimer) => claimer.isAway)
    const many = this.#unstored.filter(isReached).length
    // A store that is there only needs the time to answer. One that is away is waited for only to tell it of jobs that
    // have ended: those that are given back run again in any case.
    const patience = Math.max(isAway ? 0 : LAST_CALL, many > 0 ? outcomes : Math.min(outcomes, LAST_CALL))
    if (this.#order.isSettling && patience > 0) {
      onDelivering?.(patience)
      if (isAway && many > 0)
        report.warn(
          `Waits up to ${readable(outcomes)} for the store, to tell it how ${plural(many, 'job')} ended`,
        )
    }
    await within(patience, stopping)
    this.#letGo()
  }

  /** The outcomes of jobs that began, for which the store has not answered. */
  get #unstored(): Settlement[] {
    return [...this.#served.claimers].flatMap((claimer) => claimer.unstored)
  }

  #reportUnstored(): void {
    const unstored = this.#unstored
    if (unstored.length === 0) return
    for (const { outcome } of unstored) this.#slots.tally.unstored(outcome)
    this.#options.report.warn(unstoredText(unstored))
  }

  /**
   * Ends waits, and calls are not sent again. Jobs for which the store has not answered keep their leases until these
   * end.
   */
  #letGo(): void {
    this.#end.abort()
    this.#intake.schedule()
  }
}

/** Whether a job has ended, or is due later. One that was given back runs again in any case. */
function isReached({ outcome }: Settlement): boolean {
  return outcome.kind !== 'released' || outcome.in > 0
}
