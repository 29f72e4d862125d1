/**
 * Used if queues have different weights. Counts how much work each queue has had for its weight: the number
 * of its started jobs, divided by the weight. The queue with the smallest quotient comes next
 * (`fair-order.ts`, `round-robin.ts`).
 *
 * A queue that had no jobs for a while cannot save up its share. When it has jobs again, it may be behind its
 * share by a limited number of jobs: by the number of slots, or by the number of jobs that the worker starts
 * within its horizon, whichever is larger. In the same way, a queue that had all slots while the other queues
 * had no jobs is only a little ahead of its share afterwards.
 */

import type { WorkerOptions } from '../options.ts'
import type { Slots } from '../slots.ts'

/**
 * By how much a queue may be ahead of its share: this factor times the number of slots, or times the number
 * of jobs that the worker starts within its horizon if that number is larger, divided by the weight of the
 * queue.
 */
const OWED = 4

export class WeightedShares {
  readonly #slots: Pick<Slots, 'concurrency'>
  /** The quotient of each queue (started jobs divided by weight), by the rank of the queue. */
  readonly #had = new Map<number, number>()
  /** The quotient of a queue that has always got exactly its share. */
  #even = 0
  /** How many jobs the worker starts within the horizon (`prefetch.ts`). */
  reach = 0

  constructor(slots: Pick<Slots, 'concurrency'>) {
    this.#slots = slots
  }

  of(rank: number): number {
    return this.#had.get(rank) ?? 0
  }

  /** Notes that a job has started. @param all the total weight of the queues that have jobs */
  started({ rank, weight }: Weighted, all: number): void {
    const slack = Math.max(this.#slots.concurrency, this.reach)
    const had = Math.max(this.of(rank), this.#even - slack / all) + 1 / weight
    this.#even += 1 / all
    this.#had.set(rank, Math.min(had, this.#even + (OWED * slack) / weight))
  }

  /** Whether a queue has had so much more than its share that the other queues must come first. */
  leads({ rank }: Weighted, all: number): boolean {
    return (this.of(rank) - this.#even) * all * 2 > Math.max(this.#slots.concurrency, this.reach)
  }
}

interface Weighted {
  rank: number
  weight: number
}

/** Makes the shares. Returns undefined if all weights are equal or the order is strict. */
export function sharesOf(
  { queues, weights, strict }: Pick<WorkerOptions, 'queues' | 'weights' | 'strict'>,
  slots: Pick<Slots, 'concurrency'>,
): WeightedShares | undefined {
  const differ = new Set(queues.map((queue) => weights?.get(queue) ?? 1)).size > 1
  return differ && !strict ? new WeightedShares(slots) : undefined
}
