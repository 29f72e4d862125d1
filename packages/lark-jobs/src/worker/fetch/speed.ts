/**
 * How fast a worker is, over all that it serves: how many jobs end, and how many could, by how long each keeps its
 * slot. Where there are so many queues that each has a turn only now and then, the first is the store's speed: a call
 * for each job is slow, and who went by that would go on to make a call for each job.
 */
import type { Pace } from '../../options/preset.ts'
import type { Slots } from '../slots.ts'

/** Milliseconds of one measurement, at least. */
const SPAN = 2
/** Milliseconds after which it has to be measured anew. */
const OLD = 100
/** Milliseconds: the least that a job is taken to need. */
const LEAST = 0.01

export class Speed {
  readonly #pace: Pace
  readonly #slots: Pick<Slots, 'concurrency'>
  #since = 0
  #ended = 0
  /** Milliseconds that those which ended kept their slots. */
  #took = 0
  /** Jobs a millisecond. */
  #speed = 0
  #reach = 0

  constructor(pace: Pace, slots: Pick<Slots, 'concurrency'>) {
    this.#pace = pace
    this.#slots = slots
  }

  /** A job has ended. @param took milliseconds */
  ended(took: number): void {
    this.#ended++
    this.#took += took
  }

  /** How many jobs the worker will start within the horizon. */
  get soon(): number {
    this.#measure(performance.now())
    return this.#within(this.#speed)
  }

  /** How many it would start, if it had them. */
  get reach(): number {
    this.#measure(performance.now())
    return this.#within(this.#reach)
  }

  #within(speed: number): number {
    return Math.min(this.#pace.most, Math.floor(speed * this.#pace.horizon))
  }

  #measure(now: number): void {
    const span = now - this.#since
    if (span < SPAN) return
    const isOld = span > OLD
    this.#speed = middle(this.#speed, isOld ? 0 : this.#ended / span)
    if (isOld || this.#ended > 0) {
      const took = Math.max(LEAST, this.#took / Math.max(1, this.#ended))
      this.#reach = middle(this.#reach, isOld ? 0 : this.#slots.concurrency / took)
    }
    this.#since = now
    this.#ended = 0
    this.#took = 0
  }
}

/** What is measured anew replaces what was: nothing is known, or nothing is left. */
function middle(before: number, now: number): number {
  return before === 0 || now === 0 ? now : (before + now) / 2
}
