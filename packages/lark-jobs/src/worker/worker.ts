/**
 * The worker: claims jobs from its queues, runs them, settles how they ended.
 *
 *   new → running → quiet (takes no more, finishes what runs) → stopped
 *
 * `start`, `quiet` and `stop` may each be called again without harm. One process may hold several workers.
 *
 * Everything turns in `#turn`: it looks at what room there is, and lets the claimers of the queues ask. It is
 * called once at the end of each tick in which something changed, so that jobs which end together are settled in
 * one call, the same that claims the next.
 */
import { setMaxListeners } from 'node:events'
import { hostname } from 'node:os'
import { newNonce } from '../id.ts'
import type { LeasedJob, WorkerRecord } from '../record.ts'
import { Claimer } from './claimer.ts'
import { Emptiness } from './emptiness.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { CONCURRENCY, checkOptions, LEASE, STOP_DEADLINE, type WorkerOptions } from './options.ts'
import type { Summary } from './report.ts'
import { hearRings } from './rings.ts'
import { Slots } from './slots.ts'
import { Trouble } from './trouble.ts'
import { Turns } from './turns.ts'
import { Upkeep } from './upkeep.ts'
import { within } from './within.ts'

/** Milliseconds that the last call to the store may take. */
const LAST_CALL = 3_000

export class Worker implements AsyncDisposable {
  readonly id = newNonce()
  /** Resolves with what was done when the worker has stopped. */
  readonly done: Promise<Summary>
  readonly #options: WorkerOptions
  readonly #concurrency: number
  readonly #claimers: Claimer[]
  readonly #turns: Turns
  readonly #slots: Slots
  readonly #trouble: Trouble
  readonly #leases: LeaseKeeper
  readonly #upkeep: Upkeep
  readonly #emptiness: Emptiness
  readonly #startedAt = Date.now()
  /** Aborted when the worker lets go of the store: ends waits and the sending again of calls. */
  readonly #end = new AbortController()
  #state: 'new' | 'running' | 'quiet' | 'stopped' = 'new'
  #reserved = 0
  #claimed = 0
  #scheduled = false
  #alarm: NodeJS.Timeout | undefined
  #rings: Promise<void> | undefined
  #announced: Promise<void> | undefined
  #lastCall: NodeJS.Timeout | undefined
  #stopping: Promise<void> | undefined
  #resolveDone!: (summary: Summary) => void
  /** Set by the end of the worker, which waits for everything to be settled. */
  #allSettled: (() => void) | undefined

  /** @throws WORKER_INVALID */
  constructor(options: WorkerOptions) {
    checkOptions(options)
    // One listener a queue, and Node would warn of a leak from eleven on.
    setMaxListeners(0, this.#end.signal)
    const { store, concurrency = CONCURRENCY, lease = LEASE } = options
    this.#options = options
    this.#concurrency = concurrency
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve
    })
    this.#trouble = new Trouble(store.name, options.report)
    this.#slots = new Slots(options.registry, options.report, () => this.#schedule())
    const trouble = this.#trouble
    const met = (error: unknown) => trouble.met(error)
    this.#claimers = options.queues.map((queue) => new Claimer(store, queue, this.id, lease, met))
    this.#turns = new Turns(this.#claimers, options.strict ?? false, concurrency)
    this.#emptiness = new Emptiness(store, this.#claimers, options.registry)
    this.#leases = new LeaseKeeper(store, this.id, lease, this.#slots.running, met)
    this.#upkeep = new Upkeep({
      store,
      partitions: options.queues,
      lease,
      record: () => this.#record(),
      report: options.report,
      renew: () => this.#leases.catchUp(),
      trouble,
    })
  }

  /** Handlers that still run though their jobs were given back: they ignored their signal. */
  get abandoned(): number {
    return this.#slots.abandoned
  }

  get summary(): Summary {
    return this.#slots.tally.summary
  }

  /** Resolves when the worker is known to the store and serves its queues. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return
    this.#state = 'running'
    this.#leases.start()
    await this.#upkeep.start()
    this.#rings = hearRings(
      this.#options.store,
      this.id,
      this.#end.signal,
      (partition) => this.#rang(partition),
      (error) => this.#trouble.met(error),
    )
    this.#schedule()
  }

  /** Takes no more jobs. What runs goes on. */
  quiet(): void {
    if (this.#state !== 'running') return
    this.#state = 'quiet'
    this.#announced = this.#upkeep.announce().catch((error) => this.#trouble.met(error))
    this.#schedule()
  }

  /**
   * Takes no more, lets what runs end, and lets go of the store. At the deadline the handlers' signals are
   * aborted, and the jobs that still run are given back: they burn no attempt.
   *
   * @param deadline milliseconds, default 25 s; 0 gives back at once. Called again, the shorter one holds.
   */
  async stop(deadline = STOP_DEADLINE): Promise<void> {
    if (this.#state === 'new') {
      this.#state = 'stopped'
      this.#resolveDone(this.summary)
    }
    if (this.#state === 'stopped') return this.#stopping
    this.quiet()
    this.#stopping ??= this.#finish()
    const stopping = this.#stopping
    const timer = setTimeout(() => void this.#giveBack(stopping), deadline)
    await stopping
    clearTimeout(timer)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#scheduled = false
        this.#turn()
      }),
    )
  }

  #turn(): void {
    if (this.#state === 'stopped') return
    const now = performance.now()
    const { strict = false } = this.#options
    let free = this.#room()
    let wakeAt = Number.POSITIVE_INFINITY
    for (const claimer of this.#turns.next()) {
      // Strictly, a later queue waits for the answer of an earlier one: only that tells what is left for it.
      if (claimer.calling && strict) free = 0
      if (claimer.calling) continue
      const due = claimer.restUntil <= now
      // What settles asks as well: the claim costs nothing on the way.
      const want = due || claimer.hasSettlements ? Math.min(free, this.#turns.share(now)) : 0
      if (want > 0 || claimer.hasSettlements) {
        free = strict && want > 0 ? 0 : free - want
        void this.#exchange(claimer, want)
      } else if (!due) {
        wakeAt = Math.min(wakeAt, claimer.restUntil)
      }
    }
    clearTimeout(this.#alarm)
    if (wakeAt < Number.POSITIVE_INFINITY)
      this.#alarm = setTimeout(() => this.#turn(), Math.max(0, wakeAt - now))
    this.#lookWhetherDone()
  }

  /** How many more jobs may be claimed. */
  #room(): number {
    if (this.#state !== 'running') return 0
    const left = (this.#options.maxJobs ?? Number.POSITIVE_INFINITY) - this.#claimed - this.#reserved
    return Math.min(left, this.#concurrency - this.#slots.running.size - this.#reserved)
  }

  async #exchange(claimer: Claimer, want: number): Promise<void> {
    this.#reserved += want
    const reply = await claimer.exchange(want, this.#end.signal)
    this.#reserved -= want
    if (reply !== undefined) {
      this.#trouble.passed()
      for (const [i, verdict] of reply.verdicts.entries())
        if (verdict === 'lost') this.#slots.lost(reply.settled[i]!.id, reply.settled[i]!.outcome)
      for (const lease of reply.jobs) this.#begin(lease, claimer)
    }
    this.#schedule()
  }

  #begin(lease: LeasedJob, claimer: Claimer): void {
    if (this.#state === 'running') {
      this.#claimed++
      this.#slots.begin(lease, claimer)
    } else {
      claimer.settle(lease.id, lease.token, { kind: 'returned' })
    }
  }

  /** A ring is for one worker: whoever cannot answer it hands it on. */
  async #rang(partition: string): Promise<void> {
    this.#claimers.find((claimer) => claimer.partition === partition)?.ring()
    if (this.#room() <= 0) await this.#options.store.wake(partition, this.id)
    this.#schedule()
  }

  #lookWhetherDone(): void {
    if (this.#slots.running.size > 0 || this.#claimers.some((claimer) => claimer.isSettling)) return
    if (this.#claimers.some((claimer) => claimer.calling)) {
      // Only claims are under way. A store that is away must not hold the end up.
      if (this.#state === 'quiet') this.#lastCall ??= setTimeout(() => this.#letGo(), LAST_CALL)
      return
    }
    this.#allSettled?.()
    const { maxJobs, stopWhenEmpty } = this.#options
    if (this.#state !== 'running') return
    if (maxJobs !== undefined && this.#claimed >= maxJobs) void this.stop()
    else if (stopWhenEmpty) void this.#stopIfEmpty()
  }

  async #stopIfEmpty(): Promise<void> {
    if (this.#claimers.some((claimer) => claimer.restUntil <= performance.now())) return
    try {
      const empty = await this.#emptiness.look(this.#end.signal)
      if (empty && this.#slots.running.size === 0 && this.#reserved === 0) return void this.stop()
      if (empty === undefined) return
    } catch (error) {
      this.#trouble.met(error)
    }
    this.#schedule()
  }

  async #finish(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#allSettled = resolve
      this.#schedule()
    })
    this.#state = 'stopped'
    this.#letGo()
    clearTimeout(this.#alarm)
    clearTimeout(this.#lastCall)
    this.#slots.stop()
    this.#trouble.end()
    const parts = Promise.all([this.#leases.stop(), this.#upkeep.stop(), this.#rings, this.#announced])
    await within(LAST_CALL, parts)
    await within(LAST_CALL, this.#options.store.retire(this.id))
    this.#resolveDone(this.summary)
  }

  async #giveBack(stopping: Promise<void>): Promise<void> {
    await this.#slots.giveBack(stopping)
    await within(LAST_CALL, stopping)
    this.#letGo()
  }

  /** Ends waits and the sending again of calls. What was not answered for ends with its lease. */
  #letGo(): void {
    this.#end.abort()
    this.#schedule()
  }

  #record(): WorkerRecord {
    const { queues, strict = false, registry } = this.#options
    return {
      id: this.id,
      host: hostname(),
      pid: process.pid,
      queues: [...queues],
      strict,
      concurrency: this.#concurrency,
      running: this.#slots.running.size,
      keys: registry.keys,
      startedAt: this.#startedAt,
      state: this.#state === 'running' ? 'running' : 'quiet',
    }
  }
}
