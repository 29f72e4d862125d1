/**
 * Jobs of one partition that are leased ahead: claimed beyond the worker's free slots, and to be started within a
 * window of time. What is not, goes back unburnt.
 *
 * How many that may be follows from the worker's own speed: as many as ended within the horizon, as measured from
 * answer to answer of the store. Half of the window, so that a job may take twice as long as those before it and
 * nothing goes back. A worker whose jobs are slow, or that has yet to see one end, leases none ahead. Window, horizon
 * and the most that are held are the preset's (`preset.ts`).
 */
import type { LeasedJob } from '../../model/record.ts'
import { type Pace, PRESET, paces } from '../../options/preset.ts'
import type { HeldJob, Ledger } from '../lease/ledger.ts'

export class Prefetch {
  readonly pace: Pace
  /** Told of what the lease thread has given back. */
  gone: (lease: LeasedJob) => void = () => {}
  readonly #ledger: Ledger
  /** Its number among the worker's. */
  readonly #partition: number
  #jobs: HeldJob[] = []
  #first = 0
  /** How many came together, and when (`performance.now()`). */
  #batches: { left: number; at: number }[] = []
  /** Jobs a millisecond. */
  #speed = 0
  #ended = 0
  /** Since when `#ended` is counted; undefined when the last answer left slots empty. */
  #since: number | undefined
  /**
   * The partition had less than was asked for: to ask for more to hold, before anything else is to be said to it, would
   * be to ask without end.
   */
  isDry = false

  constructor(ledger: Ledger, partition: number, pace: Pace = paces[PRESET]) {
    this.pace = pace
    this.#ledger = ledger
    this.#partition = partition
  }

  get size(): number {
    return this.#jobs.length - this.#first
  }

  /** How many to hold. */
  get target(): number {
    return Math.min(this.pace.most, Math.floor(this.#speed * this.pace.horizon))
  }

  /** How many more to claim, when a call is made. */
  get want(): number {
    return Math.max(0, this.target - this.size)
  }

  /** Half of it is gone: worth a call. */
  get isLow(): boolean {
    return !this.isDry && this.size * 2 <= this.target
  }

  /** The store has answered for its end. */
  settled(held: HeldJob): void {
    this.#ledger.settled(held)
  }

  /** Takes a job that was taken out back in, as one that does not begin. @returns false when the thread gave it back */
  withdraw(held: HeldJob): boolean {
    return this.#ledger.withdraw(held)
  }

  /** A job that was taken out waits to run alone. @returns false when the thread gave it back */
  setApart(held: HeldJob): boolean {
    return this.#ledger.setApart(held)
  }

  /** A job of the partition ended. */
  ended(): void {
    this.#ended++
  }

  /**
   * Takes in what a claim brought.
   *
   * @param number of the call
   * @param short it was less than there is room for: what follows is no measure
   * @param until when its lease ends at the earliest, by `performance.now()`
   */
  push(number: number, jobs: readonly LeasedJob[], short: boolean, now: number, until: number): void {
    if (this.#since !== undefined && this.#ended > 0) {
      const speed = this.#ended / Math.max(0.01, now - this.#since)
      this.#speed = this.#speed === 0 ? speed : (this.#speed + speed) / 2
    }
    if (short || this.#since === undefined || this.#ended > 0) {
      this.#since = short ? undefined : now
      this.#ended = 0
    }
    if (jobs.length === 0) return
    const held = this.#ledger.enter(this.#partition, number, jobs, now, until)
    this.#jobs = this.size === 0 ? held : [...this.#jobs.slice(this.#first), ...held]
    this.#first = 0
    this.#batches.push({ left: jobs.length, at: now })
  }

  /** The next to start. */
  take(): HeldJob | undefined {
    const batch = this.#batches[0]
    if (batch === undefined) return undefined
    if (--batch.left === 0) this.#batches.shift()
    return this.#jobs[this.#first++]
  }

  /**
   * When the first has been held for too long by then, takes out all: what came later must not start before it. Nothing
   * more is held until jobs were seen to end again.
   *
   * @returns what is to be given back
   */
  overdue(now: number): LeasedJob[] {
    const first = this.#batches[0]
    if (first === undefined || first.at + this.pace.window > now) return []
    const held = this.#jobs.slice(this.#first)
    this.#jobs = []
    this.#first = 0
    this.#batches = []
    this.#speed = 0
    this.#since = undefined
    // What is not ours any more, the lease thread has given back.
    const [ours, theirs]: HeldJob[][] = [[], []]
    for (const each of held) (this.#ledger.withdraw(each) ? ours! : theirs!).push(each)
    for (const { lease } of theirs!) this.gone(lease)
    return ours!.map(({ lease }) => lease)
  }
}
