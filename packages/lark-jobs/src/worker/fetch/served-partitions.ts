/**
 * The partitions that a worker serves, each with its own claimer. These are all partitions of the worker's
 * queues. The configured partitions are served from the start. More partitions of a queue may exist because
 * another process has another configuration. The worker serves these as soon as it learns of them.
 */
import { partitionsOf, queueOf } from '../../model/partition.ts'
import type { Settlement } from '../../store/contract/store.ts'
import { Part } from '../part.ts'
import type { Claimer } from './claimer.ts'

/**
 * @param rank the rank of the queue @param index the index of the partition, in the order in which the worker
 * learned of the partitions
 */
export type OpenClaimer = (partition: string, rank: number, index: number) => Claimer

export class ServedPartitions extends Part {
  readonly #ranks: ReadonlyMap<string, number>
  readonly #claimers = new Map<string, Claimer>()
  readonly #open: OpenClaimer

  /**
   * @param partitions how many partitions each queue has. A queue that is not in the map has one partition
   */
  constructor(queues: readonly string[], partitions: ReadonlyMap<string, number>, open: OpenClaimer) {
    super()
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

  /**
   * Whether a call of one of the claimers is being sent again because the store, or a part of the store, does
   * not answer.
   */
  get isAway(): boolean {
    return [...this.claimers].some((claimer) => claimer.isAway)
  }

  /** The outcomes of jobs that began here, as long as the store has not acknowledged them. */
  get unstored(): Settlement[] {
    return [...this.claimers].flatMap((claimer) => claimer.unstored)
  }

  of(partition: string): Claimer | undefined {
    return this.#claimers.get(partition)
  }

  /**
   * Serves those of the given partitions that belong to the worker's queues. @returns whether one of the
   * served partitions is new
   */
  meet(partitions: readonly string[]): boolean {
    const before = this.#claimers.size
    for (const partition of partitions) {
      const rank = this.#ranks.get(queueOf(partition))
      if (rank === undefined || this.#claimers.has(partition)) continue
      this.#claimers.set(partition, this.#open(partition, rank, this.#claimers.size))
    }
    return this.#claimers.size > before
  }

  protected override onStop(): void {
    for (const claimer of this.claimers) void claimer.stop()
  }
}
