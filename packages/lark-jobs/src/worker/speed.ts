/**
 * How fast a worker is, over all that it serves. Of one queue alone that is no measure where there are so many that it
 * has a turn only now and then.
 */
import type { Pace } from './preset.ts'

/** Milliseconds of one measurement, at least. */
const SPAN = 2
/** Milliseconds after which it has to be measured anew. */
const OLD = 100

export class Speed {
  readonly #pace: Pace
  #since = 0
  #ended = 0
  /** Jobs a millisecond. */
  #speed = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /** A job has ended. */
  ended(): void {
    this.#ended++
  }

  /** How many jobs the worker will start within the horizon. */
  get soon(): number {
    this.#measure(performance.now())
    return Math.min(this.#pace.most, Math.floor(this.#speed * this.#pace.horizon))
  }

  #measure(now: number): void {
    const span = now - this.#since
    if (span < SPAN) return
    const speed = span > OLD ? 0 : this.#ended / span
    this.#speed = this.#speed === 0 || speed === 0 ? speed : (this.#speed + speed) / 2
    this.#since = now
    this.#ended = 0
  }
}
