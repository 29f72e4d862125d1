/**
 * The prefetched jobs of one partition. They were claimed beyond the worker's free slots, and should start
 * within a window of time. Jobs that do not start within the window are given back, and no attempt is
 * counted.
 *
 * The horizon is half of the window. A worker prefetches as many jobs of the partition as ended lately within
 * the time of one horizon. So no job is given back even if the next jobs take twice as long as the last jobs.
 * The speed is measured between two answers of the store. If jobs are slow, or no job has ended yet, no jobs
 * are prefetched. Window, horizon and the largest number come from the preset (`options/preset.ts`).
 * `intake.ts` makes the calls; `speed.ts` measures the whole worker.
 */
import type { ClaimedJob } from '../../model/record.ts'
import { type Pace, PRESET, paces } from '../../options/preset.ts'
import type { HeldJob, Ledger } from '../lease/ledger.ts'

/** Milliseconds. A job is assumed to need at least this time. */
export const LEAST = 0.01

export class Prefetch {
  readonly pace: Pace
  /** Called with each job that the lease thread has given back. */
  gone: (job: ClaimedJob) => void = () => {}
  readonly ledger: Ledger
  /** The index of the partition among the worker's partitions. */
  readonly #partition: number
  #jobs: HeldJob[] = []
  #first = 0
  /** For each claim: how many of its jobs are left, and when the claim arrived (`performance.now()`). */
  #batches: { left: number; at: number }[] = []
  /** Jobs per millisecond. */
  #speed = 0
  #ended = 0
  /**
   * The average time in milliseconds for which a job keeps its slot. The latest jobs have the largest weight
   * in this average. Undefined until a first job has ended.
   */
  #took: number | undefined
  /**
   * When the count in `#ended` began. Undefined if the last answer brought fewer jobs than the worker had
   * room for.
   */
  #since: number | undefined
  /**
   * Whether the last claim found fewer jobs than it asked for. While this is true, no call is made only to
   * prefetch jobs, because such calls would follow each other without end.
   */
  isDry = false

  constructor(ledger: Ledger, partition: number, pace: Pace = paces[PRESET]) {
    this.pace = pace
    this.ledger = ledger
    this.#partition = partition
  }

  get size(): number {
    return this.#jobs.length - this.#first
  }

  /** How many jobs should be prefetched. */
  get target(): number {
    return Math.min(this.pace.most, Math.floor(this.#speed * this.pace.horizon))
  }

  /** How many more jobs the next call should prefetch. */
  get want(): number {
    return Math.max(0, this.target - this.size)
  }

  /** Whether half of the target is used up, so that a call is worth its cost. */
  get isLow(): boolean {
    return !this.isDry && this.size * 2 <= this.target
  }

  /**
   * How many jobs of the partition one slot could run within the horizon. Undefined until a first job has
   * ended.
   */
  get perSlot(): number | undefined {
    return this.#took === undefined ? undefined : this.pace.horizon / Math.max(LEAST, this.#took)
  }

  /** A job of the partition ended. @param took milliseconds for which it kept its slot */
  ended(took: number): void {
    this.#ended++
    this.#took = this.#took === undefined ? took : (this.#took + took) / 2
  }

  /**
   * Takes in the jobs of a claim.
   *
   * @param number the number of the call
   * @param short whether the claim brought fewer jobs than the worker has room for; if so, the time until the
   *   next answer says nothing about the speed
   * @param until the earliest time at which the lease may end, by `performance.now()`
   */
  push(number: number, jobs: readonly ClaimedJob[], short: boolean, now: number, until: number): void {
    if (this.#since !== undefined && this.#ended > 0) {
      const speed = this.#ended / Math.max(0.01, now - this.#since)
      this.#speed = this.#speed === 0 ? speed : (this.#speed + speed) / 2
    }
    if (short || this.#since === undefined || this.#ended > 0) {
      this.#since = short ? undefined : now
      this.#ended = 0
    }
    if (jobs.length === 0) return
    const held = this.ledger.enter(this.#partition, number, jobs, now, until)
    this.#jobs = this.size === 0 ? held : [...this.#jobs.slice(this.#first), ...held]
    this.#first = 0
    this.#batches.push({ left: jobs.length, at: now })
  }

  /** Takes out the next job to start. */
  take(): HeldJob | undefined {
    const batch = this.#batches[0]
    if (batch === undefined) return undefined
    if (--batch.left === 0) this.#batches.shift()
    return this.#jobs[this.#first++]
  }

  /**
   * Takes out all jobs if the first job has waited too long at the time `now`. All jobs are taken out,
   * because later jobs must not start before the first job. No more jobs are prefetched until a job has ended
   * again.
   *
   * @returns the jobs to be given back
   */
  overdue(now: number): ClaimedJob[] {
    const first = this.#batches[0]
    if (first === undefined || first.at + this.pace.window > now) return []
    const held = this.#jobs.slice(this.#first)
    this.#jobs = []
    this.#first = 0
    this.#batches = []
    this.#speed = 0
    this.#since = undefined
    // The lease thread has already given back the jobs that cannot be withdrawn.
    const [ours, theirs]: HeldJob[][] = [[], []]
    for (const each of held) (this.ledger.withdraw(each) ? ours! : theirs!).push(each)
    for (const { job } of theirs!) this.gone(job)
    return ours!.map(({ job }) => job)
  }
}
