/**
 * Measures the speed of a worker over all its queues. Each claimer also measures the speed of its own
 * partition (`prefetch.ts`).
 *
 *   soon    how many jobs the worker will probably start within the horizon (`prefetch.ts`): as many as
 *           ended lately within a time of the same length
 *   reach   how many jobs the worker could start within the horizon, calculated from how long each job keeps
 *           its slot
 *
 * If each queue has a turn only now and then, every job needs a call of its own, so jobs end as slowly as the
 * store answers. `soon` measures this low speed, and a worker that used only `soon` would keep making one
 * call for each job. So `reach` decides whether a claimer takes several jobs in a turn, until the claimer has
 * measured its own jobs (`Prefetch.perSlot`). `soon` decides how many turns are prefetched (`fair-order.ts`).
 */
import type { Pace } from '../../options/preset.ts'
import type { Slots } from '../slots.ts'
import { LEAST } from './prefetch.ts'

/**
 * The shortest duration of a measurement, in milliseconds. `soon` uses the last two measurements. (Of the
 * values 2, 3, 5 and 10, the value 3 makes the fewest calls and claims in `intake.test.ts`.)
 */
const SPAN = 3
/** Milliseconds after which a measurement is too old. */
const OLD = 100

export class Speed {
  readonly #pace: Pace
  readonly #slots: Pick<Slots, 'concurrency'>
  #since = 0
  #ended = 0
  /** The total time in milliseconds for which ended jobs kept their slots. */
  #took = 0
  /** The previous measurement. */
  #before = { since: 0, ended: 0 }
  /** How many jobs per millisecond the worker could run if there were enough jobs. */
  #reach = 0

  constructor(pace: Pace, slots: Pick<Slots, 'concurrency'>) {
    this.#pace = pace
    this.#slots = slots
  }

  /** Notes that a job has ended. @param took for how many milliseconds the job kept its slot */
  ended(took: number): void {
    this.#ended++
    this.#took += took
  }

  /** How many jobs the worker will probably start within the horizon. */
  get soon(): number {
    const now = performance.now()
    this.#measure(now)
    const { since, ended } = this.#before
    return Math.floor(((ended + this.#ended) / Math.max(SPAN, now - since)) * this.#pace.horizon)
  }

  /** How many jobs the worker could start within the horizon, if there were enough. */
  get reach(): number {
    this.#measure(performance.now())
    return Math.min(this.#pace.most, Math.floor(this.#reach * this.#pace.horizon))
  }

  #measure(now: number): void {
    const span = now - this.#since
    if (span < SPAN) return
    if (span > OLD) {
      this.#before = { since: now, ended: 0 }
      this.#reach = 0
    } else {
      this.#before = { since: this.#since, ended: this.#ended }
      if (this.#ended > 0) {
        const reach = this.#slots.concurrency / Math.max(LEAST, this.#took / this.#ended)
        this.#reach = this.#reach === 0 ? reach : (this.#reach + reach) / 2
      }
    }
    this.#since = now
    this.#ended = 0
    this.#took = 0
  }
}
