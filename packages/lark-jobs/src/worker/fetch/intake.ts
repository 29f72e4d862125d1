/**
 * Claims jobs for a worker: keeps the worker's slots busy with as few calls to the store as possible.
 *
 *   running   claims jobs for free slots, and prefetches more
 *   quiet     only settles; prefetched jobs go back
 *
 * The intake has two tasks. `#turn` lets the claimers make their calls, and runs at the end of each tick in
 * which something has changed. So one call settles all jobs that end in a tick, and also claims the next
 * jobs. `#fill` starts prefetched jobs, and runs whenever a slot is free.
 *
 * Three files determine how many jobs a call asks for. `fair-order.ts` decides whose turn it is and how many
 * jobs a queue may ask for. `prefetch.ts` decides how many jobs a partition holds beyond the free slots.
 * `speed.ts` measures how fast the worker is.
 */

import type { Pace } from '../../options/preset.ts'
import { Coalesced } from '../../run/coalesced.ts'
import { type Claim, isSuspect } from '../../store/contract/store.ts'
import { CALL, RING, type Source } from '../lease/unread.ts'
import { startGate } from '../maintenance/start-gate.ts'
import type { Suspects } from '../maintenance/suspects.ts'
import { Part } from '../part.ts'
import type { Slots } from '../slots.ts'
import type { Answer, Claimer } from './claimer.ts'
import { type FairOrder, TURN } from './fair-order.ts'
import type { RoundRobin } from './round-robin.ts'
import { Speed } from './speed.ts'

export interface IntakeOptions {
  order: FairOrder
  slots: Slots
  suspects: Suspects
  pace: Pace
  maxJobs: number
  /** The length of a lease in milliseconds. */
  leaseMs: number
  /** Whether the store is embedded. */
  isHere: boolean
  /**
   * Returns for how many milliseconds this process was suspended just before the call
   * (`../maintenance/maintenance.ts`).
   */
  stoodStill: () => number
  /** Aborted when the worker disconnects from the store. */
  signal: AbortSignal
  /** Called when the store has answered. */
  answered: () => void
  /** Called when jobs were prefetched. */
  holds: () => void
  /** Called at the end of each `#turn`. */
  turned: () => void
}

export class Intake extends Part {
  readonly #options: IntakeOptions
  /** The claimers that have prefetched jobs. */
  readonly #holding: RoundRobin
  /** The number of free slots that calls under way are expected to fill. */
  #reserved = 0
  /** How many jobs were claimed and not given back. */
  #claimed = 0
  #held = 0
  /** How many jobs the calls under way want to prefetch. */
  #asked = 0
  readonly #speed: Speed
  /** How many more jobs may start before the event loop gets a turn. */
  #slice: number
  /** How many jobs of one queue start in a row. */
  #row = 1
  /** How many calls to an embedded store are under way. */
  #callsHere = 0
  readonly #turnSoon = new Coalesced(Coalesced.endOfTick, () => this.#turn())
  readonly #startSoon = new Coalesced(setImmediate, () => {
    this.#start()
    this.schedule()
  })
  /** Lets `#fill` start more jobs after the event loop has turned. */
  readonly #goOn = new Coalesced(setImmediate, () => {
    this.#slice = this.#options.pace.slice
    this.#fill()
    this.schedule()
  })
  #alarm: NodeJS.Timeout | undefined
  #overdue: NodeJS.Timeout | undefined

  constructor(options: IntakeOptions) {
    super()
    this.#options = options
    this.#holding = options.order.round()
    this.#speed = new Speed(options.pace, options.slots)
    this.#slice = options.pace.slice
  }

  /** How many jobs were claimed and have not begun. */
  get held(): number {
    return this.#held + this.#options.suspects.count
  }

  /** Whether a claimed job has not begun yet, or a call that may bring jobs is under way. */
  get isBusy(): boolean {
    return this.#reserved > 0 || this.held > 0
  }

  /** Whether the worker has begun `maxJobs` jobs. */
  get isSated(): boolean {
    return this.#claimed >= this.#options.maxJobs && this.held === 0
  }

  /** Whether jobs may start. */
  get #mayStart(): boolean {
    return this.isRunning && !startGate.isClosed
  }

  /** How many more jobs could start now. */
  get room(): number {
    if (!this.#mayStart) return 0
    return Math.min(this.#left, this.#free - this.#reserved - this.#held)
  }

  /** Whether claimed jobs are about to start. A call to an embedded store would delay their start. */
  get #isAboutToStart(): boolean {
    return this.#options.isHere && this.#mayStart && this.#held > 0 && this.#free > 0
  }

  /**
   * The number of slots in which jobs may start. Each suspect that waits to start keeps one slot reserved.
   */
  get #free(): number {
    const { slots, suspects } = this.#options
    return slots.free - suspects.count
  }

  protected override onStart(): void {
    this.schedule()
  }

  protected override onQuiet(): void {
    for (const claimer of this.#holding.all) this.#giveBack(claimer)
    this.schedule()
  }

  protected override onResume(): void {
    this.schedule()
  }

  protected override onStop(): void {
    clearTimeout(this.#alarm)
    clearTimeout(this.#overdue)
  }

  /**
   * Called when a slot has become free.
   *
   * @param took for how many milliseconds a job used the slot. Undefined if the slot is new because
   * `concurrency` was raised
   */
  freed(took?: number): void {
    if (took !== undefined) this.#speed.ended(took)
    this.#fill()
    this.schedule()
  }

  /** Called when a claimer is new, has become ready, or has an outcome to send. */
  changed(claimer: Claimer): void {
    this.#options.order.changed(claimer)
    this.schedule()
  }

  /** Called when a claimed job will not begin in this worker. */
  returned(): void {
    this.#claimed--
  }

  schedule(): void {
    this.#turnSoon.ask()
  }

  get #left(): number {
    return this.#options.maxJobs - this.#claimed - this.#reserved - this.#asked
  }

  /**
   * How many jobs the claimers without prefetched jobs may ask for while no slot is free and other claimers
   * have prefetched jobs. The next free slot should go to a claimer without prefetched jobs, and not to a
   * faster claimer. The number has two bounds. The first bound is the number of prefetched jobs of the other
   * claimers, because these jobs start soon. The second bound is the number of queues that can soon get a
   * slot (or a whole turn, if there are more queues than slots), plus one, minus the number of queues that
   * have prefetched jobs.
   */
  get #spare(): number {
    if (!this.#mayStart) return 0
    const seats = this.#row > 1 ? Math.ceil(this.#speed.soon / this.#row) : this.#options.slots.concurrency
    return Math.min(this.#left, this.#held, seats + 1 - this.#holding.queues) - this.#reserved
  }

  /**
   * How many more jobs a call should prefetch. The claimer's own speed determines the number. A call that
   * claims for a free slot prefetches at least a few jobs. A queue that rarely has a turn prefetches only as
   * many jobs as start in its turns.
   */
  #prefetchOf(claimer: Claimer, limit: number): number {
    const { order } = this.#options
    if (!this.#mayStart || !order.mayHold(claimer)) return 0
    const { soon } = this.#speed
    const { want, size } = claimer.prefetch
    const row = order.rowOf(claimer, this.#row)
    const own = Math.min(want, order.most(row, soon) - size)
    const few = row > 1 ? TURN : Math.min(TURN, soon - this.#held - this.#asked)
    return Math.max(0, Math.min(Math.max(own, limit > 0 ? few : 0), this.#left - limit))
  }

  #turn(): void {
    const { order, signal, turned } = this.#options
    if (!signal.aborted) {
      this.#row = order.row(this.#speed.reach)
      for (let free = this.#isAboutToStart ? 0 : this.room; free > 0; ) {
        const claimer = order.next()
        if (claimer === undefined) break
        const limit = Math.min(free, order.share(claimer, order.rowOf(claimer, this.#row)))
        void this.#exchange(claimer, limit)
        // Jobs that the call prefetches count towards `maxJobs`, too.
        free = Math.min(free - limit, this.#left)
      }
      for (let spare = this.#spare; spare > 0; spare--) {
        const claimer = order.nextHungry(this.#holding)
        if (claimer === undefined) break
        void this.#exchange(claimer, 1)
      }
      this.#press()
    }
    turned()
  }

  /**
   * Makes the calls that do not depend on free slots: calls that settle, and calls of claimers with few
   * prefetched jobs left.
   */
  #press(): void {
    const now = performance.now()
    let wakeAt = Number.POSITIVE_INFINITY
    const { order } = this.#options
    for (const claimer of order.pressing) {
      const waits = claimer.hasSettlements ? claimer.waitUntil : 0
      if (waits > now) wakeAt = Math.min(wakeAt, waits)
      else if (claimer.hasSettlements || this.#prefetchOf(claimer, 0) >= order.rowOf(claimer, this.#row))
        void this.#exchange(claimer, 0)
    }
    clearTimeout(this.#alarm)
    if (wakeAt < Number.POSITIVE_INFINITY) this.#alarm = setTimeout(() => this.#turn(), wakeAt - now)
  }

  async #exchange(claimer: Claimer, limit: number): Promise<void> {
    const { order, slots, signal, answered, maxJobs } = this.#options
    const more = this.#prefetchOf(claimer, limit)
    this.#reserved += limit
    this.#asked += more
    // With `maxJobs`, the store must not hand over jobs with a ring: several queues could get jobs in this
    // way at once, and the worker would get more than `maxJobs` jobs.
    const hand =
      maxJobs < Number.POSITIVE_INFINITY ? undefined : (claim: Claim) => this.#handed(claimer, claim)
    const answering = claimer.exchange(limit, more, signal, hand)
    order.changed(claimer)
    if (claimer.isHere) this.#callsHere++
    const reply = await answering
    if (claimer.isHere) this.#callsHere--
    this.#reserved -= limit
    this.#asked -= more
    if (reply !== undefined) this.#hold(claimer, reply, CALL)
    order.changed(claimer)
    if (reply !== undefined) {
      answered()
      for (const [i, verdict] of reply.verdicts.entries()) {
        if (verdict === 'lost') slots.lost(reply.settled[i]!.id, reply.settled[i]!.outcome)
        slots.settled?.(reply.settled[i]!.id, verdict === 'lost')
      }
      if (claimer.isHere && isCut(reply)) {
        // It takes many calls to fetch the remaining jobs, and an embedded store answers without giving the
        // event loop a turn. Without this line, the prefetched jobs could not begin during these calls, and
        // the lease thread would recall them. (Measured on 2026-11-25, 2 cores, shared, 400 jobs of 510 KB at
        // concurrency 100: without this line 15 jobs ran in 40 s, and with this line all jobs ran in 2.4 s.)
        this.#fill()
        this.#goOn.ask()
        return
      }
      // The next call is made before the jobs start, so the store's server works while this process runs the
      // jobs. An embedded store works in this process itself, so there the jobs start first.
      if (!claimer.isHere) this.#turn()
      this.#fill()
    }
    this.schedule()
  }

  /**
   * Called when the store has handed over jobs with a ring. The store hands over more jobs only after another
   * call of the claimer.
   */
  #handed(claimer: Claimer, claim: Claim): void {
    const sentAt = performance.now() - this.#options.stoodStill()
    this.#hold(claimer, { ...claim, isShort: true, sentAt }, RING)
    claimer.ring()
    this.#fill()
    this.schedule()
  }

  /**
   * Takes in claimed jobs. In three cases the worker gives the jobs back at once: the worker is quiet; a
   * handler blocked the event loop while the answer was unread, so the lease thread has recalled the jobs, or
   * their leases may have ended; or the worker gave back other jobs after the call was sent, and these jobs
   * must start first.
   */
  #hold(claimer: Claimer, claim: Claim & Pick<Answer, 'isShort' | 'sentAt'>, source: Source): void {
    const { jobs, number, isShort, sentAt } = claim
    const now = performance.now()
    const isOurs =
      claimer.unread.read(source, Math.floor(number)) && now - sentAt <= this.#options.leaseMs / 2
    // Jobs that were given back after the call was sent must start before the jobs of this claim.
    const isInOrder = sentAt >= claimer.gaveBackAt
    this.#claimed += jobs.length
    this.#held += jobs.length
    claimer.prefetch.push(number, jobs, isShort, now, sentAt + this.#options.leaseMs)
    this.#holding.set(claimer, claimer.prefetch.size > 0)
    if (jobs.length > 0 && !(this.isRunning && isOurs && isInOrder)) this.#giveBack(claimer)
    if (this.#held > 0) this.#options.holds()
  }

  /**
   * Starts prefetched jobs, but not before all answers of an embedded store are read. The lease thread does
   * not know the jobs in an unread answer, so a handler that blocks the loop would delay these jobs.
   */
  #fill(): void {
    if (this.#callsHere > 0) this.#startSoon.ask()
    else this.#start()
  }

  /**
   * Starts prefetched jobs while slots are free. In strict order, the queues are emptied one after the other;
   * in all other orders, they take turns.
   */
  #start(): void {
    const { slots, order, suspects } = this.#options
    while (this.#mayStart && this.#held > 0 && this.#free > 0) {
      if (this.#slice === 0) {
        this.#goOn.ask()
        return
      }
      const claimer = this.#holding.next((each) => order.rowOf(each, this.#row))!
      const { prefetch } = claimer
      this.#slice--
      this.#held--
      order.started(claimer)
      const job = prefetch.take()!
      if (prefetch.size === 0) this.#holding.set(claimer, false)
      // The claimer may want to prefetch more jobs now.
      const isNews = prefetch.size === 0 || (prefetch.isLow && !order.isUrgent(claimer))
      if (isNews && !claimer.calling) order.changed(claimer)
      const now = performance.now()
      // If the lease may have ended, the process was suspended after it had claimed the job.
      const isInTime = now <= job.until
      if (isSuspect(job.job)) suspects.take(job, claimer)
      else if (!isInTime || !slots.begin(job, claimer, now)) {
        this.#claimed--
        if (!isInTime) claimer.giveBackLate(job)
        // The line above or the lease thread gives the job back, and later jobs of the claimer must not start
        // before this job. So the claimer gives back all its jobs.
        this.#giveBack(claimer)
      }
    }
    if (this.#held > 0) this.#watch()
  }

  #returnOverdue(): void {
    this.#overdue = undefined
    for (const claimer of this.#holding.all) this.#giveBack(claimer, performance.now())
    if (this.#held > 0) this.#watch()
    this.schedule()
  }

  #watch(): void {
    this.#overdue ??= setTimeout(() => this.#returnOverdue(), this.#options.pace.window)
  }

  /** Gives back the jobs of a claimer that have not started. */
  giveBack(claimer: Claimer): void {
    this.#options.suspects.giveBack(claimer)
    this.#giveBack(claimer)
  }

  /**
   * Gives back prefetched jobs.
   *
   * @param by only jobs that have waited too long at this time (`performance.now()`) are given back; by
   * default all
   */
  #giveBack(claimer: Claimer, by = Number.POSITIVE_INFINITY): void {
    const before = claimer.prefetch.size
    const jobs = claimer.prefetch.overdue(by)
    const count = before - claimer.prefetch.size
    this.#holding.set(claimer, claimer.prefetch.size > 0)
    this.#held -= count
    this.#claimed -= count
    claimer.giveBack(jobs)
    // The time is noted even if `jobs` is empty. The lease thread may have given back the jobs that were
    // taken out here. And if all jobs are given back, a call that was sent before may still bring jobs that
    // must not start in this worker now.
    if (by === Number.POSITIVE_INFINITY || count > 0) claimer.gaveBackAt = performance.now()
    this.#options.order.changed(claimer)
  }
}

/** Whether the store has more due jobs, because not all of them fitted into the answer. */
function isCut({ jobs, isShort, nextDue }: Answer): boolean {
  return isShort && jobs.length > 0 && nextDue === 0
}
