/**
 * What a worker serves: the partitions of its queues, each by a claimer of its own. Those that are configured it serves
 * from the start; others that exist, because another process has another configuration, as soon as it meets them.
 */
import { partitionsOf, queueOf } from '../../model/partition.ts'
import type { Claimer } from './claimer.ts'

/** @param rank of its queue @param index among all that the worker serves, in the order in which they were met */
export type OpenClaimer = (partition: string, rank: number, index: number) => Claimer

export class ServedPartitions {
  readonly #ranks: ReadonlyMap<string, number>
  readonly #claimers = new Map<string, Claimer>()
  readonly #open: OpenClaimer

  /** @param partitions how many a queue has; one where nothing is said */
  constructor(queues: readonly string[], partitions: ReadonlyMap<string, number>, open: OpenClaimer) {
    this.#ranks = new Map(queues.map((queue, rank) => [queue, rank]))
    this.#open = open
    this.meet(queues.flatMap((queue) => partitionsOf(queue, partitions.get(queue) ?? 1)))
  }

  get partitions(): string[] {
    return [...this.#claimers.keys()]
  }

  get claimers(): Iterable<Claimer> {
    return this.#claimers.values()
  }

  of(partition: string): Claimer | undefined {
    return this.#claimers.get(partition)
  }

  /** Serves those of its queues, too. @returns whether one of them is new */
  meet(partitions: readonly string[]): boolean {
    const before = this.#claimers.size
    for (const partition of partitions) {
      const rank = this.#ranks.get(queueOf(partition))
      if (rank === undefined || this.#claimers.has(partition)) continue
      this.#claimers.set(partition, this.#open(partition, rank, this.#claimers.size))
    }
    return this.#claimers.size > before
  }
}
