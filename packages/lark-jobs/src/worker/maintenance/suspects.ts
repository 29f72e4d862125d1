/**
 * Runs suspects alone: jobs that are one crash before the limit (`store/contract/rules/after-run.ts`). Some
 * of them kill their process, others only ran beside a job that did. If the process ends from within while a
 * suspect runs alone, the suspect was the cause. If somebody may have killed it, it counts as one more crash.
 *
 *   waits     until all other jobs of the process have ended; no other job starts meanwhile. It waits at most
 *             for `WAIT`, because a job may never end: then the suspect goes back for a pause, and another
 *             process may get it
 *   alone     runs, and no other job starts
 *   beside    after a long time alone, or because it could not run alone for a minute: it runs with others,
 *             one of which may be the next suspect. A crash of it is then counted, and does not fail it
 *
 * The handler of an isolated class cannot end this process, so its job starts beside others.
 *
 * The store is told before the suspect starts, and again before others start beside it. If the process dies
 * between one of these calls and the start, the store counts the crash by its last information, so a job that
 * was not alone is never taken for the cause. `start-gate.ts` keeps the other jobs of the process from
 * starting.
 */

import { type Extension, type Store, suspectFrom } from '../../store/contract/store.ts'
import { unlessAborted } from '../../waiting/bounded-wait.ts'
import { spread } from '../../words/duration.ts'
import type { Claimer } from '../fetch/claimer.ts'
import type { HeldJob } from '../lease/ledger.ts'
import { Part } from '../part.ts'
import type { Slots } from '../slots.ts'
import { startGate } from './start-gate.ts'

/**
 * In leases (of 15 seconds by default). `WAIT`: how long no job starts because a suspect waits; less than
 * half a lease, so that the suspect's lease need not be renewed meanwhile. `PAUSE`: for how long the suspect
 * then goes back.
 */
const WAIT = 1 / 3
const PAUSE = 1 / 3
/**
 * After a suspect has waited in vain, no suspect waits for this number of leases: the long jobs that it
 * waited for probably still run.
 */
const REST = 2
/** Leases after which a suspect that could not run alone here starts beside others. */
const PATIENCE = 4
/**
 * Leases for which no job starts beside a running suspect: 5 seconds by default. After each further crash the
 * time is four times as long, but at most a minute, because the other jobs must not wait longer for a suspect
 * that may be innocent. A job that kills its process after more than a minute fails at its tenth crash.
 */
const ALONE = 1 / 3
const LONGEST_ALONE = 4
/** Milliseconds: the longest that a timer can be set for. */
const LONGEST = 2 ** 31 - 1
/** Milliseconds until the store, if it did not answer, is told again that a suspect is no longer alone. */
const AGAIN = 1_000
/** How many suspects are remembered with the time of their first appearance. */
const MOST = 1_000

export interface SuspectsOptions {
  store: Store
  caller: string
  /** Milliseconds of a lease. */
  leaseMs: number
  slots: Pick<Slots, 'begin' | 'runsApart'>
  /** Aborted when the worker lets go of the store. */
  signal: AbortSignal
  trouble: (error: unknown) => void
  /** Called when other jobs may start, or a suspect did not start. */
  changed: () => void
  /** Called when a suspect was given back. */
  returned: () => void
  /**
   * Called when people should see that a suspect keeps other jobs from starting, or that it no longer does.
   */
  shown: () => void
}

interface WaitingSuspect {
  claimer: Claimer
  giveUp: () => void
}

export class Suspects extends Part {
  readonly #options: SuspectsOptions
  #unwatch = () => {}
  /**
   * When each suspect that could not start yet first appeared, by `performance.now()`. The key has partition
   * and id, because two partitions may each have a job with the same id of the application.
   */
  readonly #met = new Map<string, number>()
  #waiting: WaitingSuspect | undefined
  /** How many suspects were set apart, and have neither begun nor gone back. */
  count = 0
  #restUntil = 0

  constructor(options: SuspectsOptions) {
    super()
    this.#options = options
  }

  /** Takes a suspect whose turn it is to start. */
  take(held: HeldJob, claimer: Claimer): void {
    if (!claimer.prefetch.ledger.setApart(held)) {
      claimer.permits?.ended(held.job, false)
      this.#options.returned()
      return
    }
    if (this.#options.slots.runsApart(held)) {
      this.#starts(this.#start(held, claimer, false))
      return
    }
    const suspect = nameOf(held, claimer)
    const now = performance.now()
    const met = this.#met.get(suspect) ?? now
    const isLate = this.#isLate(met)
    if (startGate.hasSuspect || (now < this.#restUntil && startGate.running > 0 && !isLate)) {
      this.#remember(suspect, met)
      this.#giveBack(held, claimer, this.#pause)
      return
    }
    this.#met.delete(suspect)
    const mayWait = now >= this.#restUntil || startGate.running === 0
    startGate.take(held, mayWait, WAIT * this.#options.leaseMs)
    if (mayWait) this.#options.shown()
    this.#starts(this.#run(held, claimer, met, mayWait))
  }

  #starts(started: Promise<void>): void {
    this.count++
    void started.finally(() => {
      this.count--
      this.#options.changed()
    })
  }

  /**
   * Gives back the waiting suspect, if it belongs to this claimer's partition; without a claimer, in any
   * case.
   */
  giveBack(claimer?: Claimer): void {
    if (claimer === undefined || this.#waiting?.claimer === claimer) this.#waiting?.giveUp()
  }

  protected override onStart(): void {
    const { changed, shown } = this.#options
    this.#unwatch = startGate.watch(() => {
      changed()
      shown()
    })
  }

  protected override onQuiet(): void {
    this.giveBack()
  }

  protected override onStop(): void {
    this.#unwatch()
  }

  async #run(held: HeldJob, claimer: Claimer, met: number, mayWait: boolean): Promise<void> {
    const came = mayWait ? await this.#wait(claimer) : 'late'
    if (came === 'late' && mayWait) this.#restUntil = performance.now() + REST * this.#options.leaseMs
    if (came === 'given up') this.#leave(held, claimer)
    else if (came === 'late' && !this.#isLate(met)) {
      this.#remember(nameOf(held, claimer), met)
      this.#leave(held, claimer, this.#pause)
    } else await this.#start(held, claimer, came === 'alone')
  }

  async #wait(claimer: Claimer): Promise<'alone' | 'late' | 'given up'> {
    if (startGate.running === 0) return 'alone'
    const { leaseMs } = this.#options
    let timer: NodeJS.Timeout | undefined
    const ended = new Promise<'late' | 'given up'>((resolve) => {
      timer = setTimeout(resolve, WAIT * leaseMs, 'late')
      this.#waiting = { claimer, giveUp: () => resolve('given up') }
    })
    const came = await Promise.race([ended, startGate.emptied().then(() => 'alone' as const)])
    clearTimeout(timer)
    this.#waiting = undefined
    return came
  }

  async #start(held: HeldJob, claimer: Claimer, alone: boolean): Promise<void> {
    if (!alone && startGate.isTakenBy(held)) startGate.open()
    const { leaseMs, slots, returned } = this.#options
    const sentAt = performance.now()
    const told = await this.#tell(held, claimer, alone)
    const now = performance.now()
    if (told !== undefined && told.lost.length > 0) {
      claimer.permits?.ended(held.job, false)
      claimer.prefetch.ledger.settled(held)
      returned()
      startGate.leave(held)
      return
    }
    held.until = sentAt + leaseMs
    // A suspect that is to be cancelled goes back, and the store then cancels it.
    const mayStart = told !== undefined && told.notices.length === 0 && now <= held.until && this.isRunning
    if (!mayStart || !slots.begin(held, claimer, now)) this.#leave(held, claimer)
    else if (!alone) startGate.leave(held)
    else this.#openIn(held, claimer, leaseMs * aloneFor(held))
  }

  /**
   * Tells the store that a suspect starts or goes on, and whether it is alone.
   *
   * @returns undefined without an answer
   */
  async #tell(held: HeldJob, claimer: Claimer, alone: boolean): Promise<Extension | undefined> {
    const { id, token } = held.job
    const { store, caller, leaseMs, signal, trouble } = this.#options
    try {
      const asking = store.extend(claimer.partition, caller, [{ id, token, alone }], leaseMs)
      return await unlessAborted(signal, asking)
    } catch (error) {
      trouble(error)
      return undefined
    }
  }

  #openIn(held: HeldJob, claimer: Claimer, ms: number): void {
    const open = async () => {
      if (!startGate.isTakenBy(held)) return
      const told = await this.#tell(held, claimer, false)
      if (!startGate.isTakenBy(held)) return
      if (told === undefined) this.#openIn(held, claimer, AGAIN)
      else startGate.leave(held)
    }
    startGate.opensIn(ms)
    this.#options.shown()
    setTimeout(open, Math.min(ms, LONGEST)).unref()
  }

  #leave(held: HeldJob, claimer: Claimer, ms?: number): void {
    this.#giveBack(held, claimer, ms)
    startGate.leave(held)
  }

  #giveBack(held: HeldJob, claimer: Claimer, ms?: number): void {
    claimer.giveBackApart(held, ms)
    this.#options.returned()
  }

  #isLate(met: number): boolean {
    return performance.now() - met >= PATIENCE * this.#options.leaseMs
  }

  get #pause(): number {
    return spread(PAUSE * this.#options.leaseMs)
  }

  #remember(suspect: string, met: number): void {
    if (this.#met.size >= MOST && !this.#met.has(suspect)) this.#met.delete(this.#met.keys().next().value!)
    this.#met.set(suspect, met)
  }
}

/** The number of leases for which no job starts beside this suspect. */
function aloneFor({ job: { crashes, options } }: HeldJob): number {
  return Math.min(LONGEST_ALONE, ALONE * 4 ** (crashes - suspectFrom(options)))
}

function nameOf({ job }: HeldJob, { partition }: Claimer): string {
  return `${partition} ${job.id}`
}
