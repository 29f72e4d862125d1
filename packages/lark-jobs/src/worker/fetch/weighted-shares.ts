/**
 * How much each queue has had of what a worker could run, where queues have different weights: jobs that started, over
 * the weight. Whoever has had least is the next.
 *
 * A queue that had nothing to do for a while has not saved that up: it goes on a little behind where one would be that
 * always had its share, by as many jobs as all slots take, or as the worker starts within its horizon, if those are more.
 * Nor does one owe much that had all while the others could have nothing.
 */

import type { WorkerOptions } from '../options.ts'
import type { Slots } from '../slots.ts'

/** Of those: how many times as many a queue may be ahead. */
const OWED = 4

export class WeightedShares {
  readonly #slots: Pick<Slots, 'concurrency'>
  /** By rank. */
  readonly #had = new Map<number, number>()
  /** What a queue would have had which always had its share. */
  #even = 0
  /** Jobs that the worker starts within the horizon. */
  reach = 0

  constructor(slots: Pick<Slots, 'concurrency'>) {
    this.#slots = slots
  }

  of(rank: number): number {
    return this.#had.get(rank) ?? 0
  }

  /** A job has started. @param all the weight of all queues that have jobs */
  started({ rank, weight }: Weighted, all: number): void {
    const slack = Math.max(this.#slots.concurrency, this.reach)
    const had = Math.max(this.of(rank), this.#even - slack / all) + 1 / weight
    this.#even += 1 / all
    this.#had.set(rank, Math.min(had, this.#even + (OWED * slack) / weight))
  }

  /** Whether it has had so much more than its share that the others should come first. */
  leads({ rank }: Weighted, all: number): boolean {
    return (this.of(rank) - this.#even) * all * 2 > Math.max(this.#slots.concurrency, this.reach)
  }
}

interface Weighted {
  rank: number
  weight: number
}

/** Where the queues are not all of the same weight, and their order is not strict. */
export function sharesOf(
  { queues, weights, strict }: Pick<WorkerOptions, 'queues' | 'weights' | 'strict'>,
  slots: Pick<Slots, 'concurrency'>,
): WeightedShares | undefined {
  const differ = new Set(queues.map((queue) => weights?.get(queue) ?? 1)).size > 1
  return differ && !strict ? new WeightedShares(slots) : undefined
}
