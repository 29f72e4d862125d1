/**
 * How fast a worker could be, over all that it serves: by how long its jobs keep their slots. How many end says less,
 * since where there are so many queues that each has a turn only now and then, that is the store's speed: a call for
 * each job is slow, and who goes by that goes on to make a call for each job.
 */
import type { Pace } from './preset.ts'

/** Milliseconds of one measurement, at least. */
const SPAN = 2
/** Milliseconds after which it has to be measured anew. */
const OLD = 100
/** Milliseconds: the least that a job is taken to need. */
const LEAST = 0.01

export class Speed {
  readonly #pace: Pace
  readonly #concurrency: number
  #since = 0
  #ended = 0
  /** Milliseconds that those which ended kept their slots. */
  #took = 0
  /** Jobs a millisecond. */
  #speed = 0

  constructor(pace: Pace, concurrency: number) {
    this.#pace = pace
    this.#concurrency = concurrency
  }

  /** A job has ended. @param took milliseconds */
  ended(took: number): void {
    this.#ended++
    this.#took += took
  }

  /** How many jobs the worker will start within the horizon, if it has them. */
  get soon(): number {
    this.#measure(performance.now())
    return Math.min(this.#pace.most, Math.floor(this.#speed * this.#pace.horizon))
  }

  #measure(now: number): void {
    const span = now - this.#since
    if (span < SPAN || (this.#ended === 0 && span <= OLD)) return
    const speed = span > OLD ? 0 : this.#concurrency / Math.max(LEAST, this.#took / this.#ended)
    this.#speed = this.#speed === 0 || speed === 0 ? speed : (this.#speed + speed) / 2
    this.#since = now
    this.#ended = 0
    this.#took = 0
  }
}
