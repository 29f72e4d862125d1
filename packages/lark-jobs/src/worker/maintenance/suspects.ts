/**
 * Runs suspects alone. A suspect is a job that is one crash before its limit
 * (`store/contract/rules/after-run.ts`). The suspect may have killed its processes, or it may only have run
 * beside a job that killed them. If the process ends by itself while a suspect runs alone, the suspect was
 * the cause. If the process may have been killed from outside, the suspect gets one more crash.
 *
 *   waiting   the suspect waits until all other jobs of the process have ended, and no other job starts. The
 *             suspect waits for at most `WAIT`, because a job may never end. After that time the suspect is
 *             given back with a delay, and another process may get it
 *   alone     the suspect runs, and no other job starts
 *   beside    the suspect has run alone for long, or could not run alone for a minute. Now it runs with other
 *             jobs, one of which may be the next suspect. A crash is then counted, but does not make the
 *             suspect fail
 *
 * The handler of an isolated class cannot end this process, so its jobs start beside other jobs.
 *
 * The worker tells the store that a suspect runs alone before the suspect starts, and tells the store again
 * before other jobs start beside the suspect. So a suspect that did not run alone is never taken for the
 * cause, even if the process dies just after one of these calls. `start-gate.ts` keeps the other jobs of the
 * process from starting.
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
 * In lengths of a lease (15 seconds by default). `WAIT`: for how long no other job starts because a suspect
 * waits. This is less than half a lease, so that the lease of the suspect need not be renewed in this time.
 * `PAUSE`: for how long a suspect that could not start is delayed when it is given back.
 */
const WAIT = 1 / 3
const PAUSE = 1 / 3
/**
 * If a suspect has waited in vain, the other jobs probably run for long. So for the time of this many leases,
 * no suspect waits again.
 */
const REST = 2
/**
 * A suspect that could not run alone in this process starts beside other jobs after the time of this many
 * leases.
 */
const PATIENCE = 4
/**
 * For this part of a lease (5 seconds by default), no job starts beside a running suspect. After each further
 * crash the time is four times as long, but at most a minute, because other jobs must not wait longer for a
 * suspect that may not be the cause. A job that kills its process after more than a minute fails at its tenth
 * crash.
 */
const ALONE = 1 / 3
const LONGEST_ALONE = 4
/** The longest time in milliseconds that a timer can have. */
const LONGEST = 2 ** 31 - 1
/**
 * Before other jobs start beside a suspect, the worker tells the store that the suspect no longer runs alone.
 * If the store does not answer, the worker tells the store again after this many milliseconds.
 */
const AGAIN = 1_000
/** The largest number of suspects in `#met`. */
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
  /** Called when other jobs may start, or when a suspect could not start. */
  changed: () => void
  /** Called when a suspect was given back. */
  returned: () => void
  /**
   * Called when a suspect begins or ceases to keep other jobs from starting, so that the worker announces the
   * change.
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
   * When each suspect that has not started was first claimed, by `performance.now()`. The key contains the
   * partition and the id, because two partitions may each have a job with the same id.
   */
  readonly #met = new Map<string, number>()
  #waiting: WaitingSuspect | undefined
  /** How many suspects wait to start. */
  count = 0
  #restUntil = 0

  constructor(options: SuspectsOptions) {
    super()
    this.#options = options
  }

  /** Takes over a suspect whose turn it is to start. */
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
   * Gives back the waiting suspect. With a `claimer`, only a suspect of the partition of this claimer is
   * given back.
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
    // A suspect that should be cancelled is given back, and the store cancels it.
    const mayStart = told !== undefined && told.notices.length === 0 && now <= held.until && this.isRunning
    if (!mayStart || !slots.begin(held, claimer, now)) this.#leave(held, claimer)
    else if (!alone) startGate.leave(held)
    else this.#openIn(held, claimer, leaseMs * aloneFor(held))
  }

  /**
   * Tells the store that a suspect starts or goes on, and whether it is alone.
   *
   * @returns undefined if the store did not answer
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

/** For how long no job starts beside this suspect, in lengths of a lease. */
function aloneFor({ job: { crashes, options } }: HeldJob): number {
  return Math.min(LONGEST_ALONE, ALONE * 4 ** (crashes - suspectFrom(options)))
}

function nameOf({ job }: HeldJob, { partition }: Claimer): string {
  return `${partition} ${job.id}`
}
