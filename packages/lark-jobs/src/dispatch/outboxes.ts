/**
 * The outboxes of each queue, one a partition, and whose turn it is.
 *
 * What is dispatched in one tick goes to one partition, so that it is one call; the next tick takes the next. Where a
 * process begins is chance: scripts that dispatch once must not all meet the same partition. A job with a lock goes where
 * that is kept.
 */
import { newNonce } from '../id.ts'
import { partitionFor, partitionsOf } from '../partition.ts'
import type { Bound, Store } from '../store/store.ts'
import { Outbox } from './outbox.ts'

interface Row {
  outboxes: Outbox[]
  /** Whose turn it is, and in which tick that was said. */
  at: number
  tick: number
}

export class Outboxes {
  readonly #store: Store
  readonly #partitions: ReadonlyMap<string, number>
  readonly #bounds: ReadonlyMap<string, Bound>
  readonly #caller = newNonce()
  readonly #rows = new Map<string, Row>()
  #tick = 0
  #isTicking = false

  /** @param partitions how many a queue has; one where nothing is said @param bounds of each of them, by queue */
  constructor(
    store: Store,
    partitions: ReadonlyMap<string, number>,
    bounds: ReadonlyMap<string, Bound> = new Map(),
  ) {
    this.#store = store
    this.#partitions = partitions
    this.#bounds = bounds
  }

  /** Where a job that is dispatched now goes. */
  now(queue: string): Outbox {
    const row = this.#row(queue)
    return row.outboxes[row.at]!
  }

  /** Where a job goes that belongs with all others of a name, whoever dispatches them. */
  of(queue: string, name: string): Outbox {
    const { outboxes } = this.#rows.get(queue) ?? this.#open(queue)
    return outboxes[partitionFor(name, outboxes.length)]!
  }

  /** All of a queue's, the one whose turn it is first. */
  all(queue: string): Outbox[] {
    const { outboxes, at } = this.#row(queue)
    return [...outboxes.slice(at), ...outboxes.slice(0, at)]
  }

  #row(queue: string): Row {
    const row = this.#rows.get(queue) ?? this.#open(queue)
    if (row.outboxes.length === 1 || row.tick === this.#tick) return row
    row.tick = this.#tick
    row.at = (row.at + 1) % row.outboxes.length
    this.#endTick()
    return row
  }

  #open(queue: string): Row {
    const outboxes = partitionsOf(queue, this.#partitions.get(queue) ?? 1).map(
      (partition) => new Outbox(this.#store, partition, this.#caller, this.#bounds.get(queue)),
    )
    const row = { outboxes, at: Math.floor(Math.random() * outboxes.length), tick: -1 }
    this.#rows.set(queue, row)
    return row
  }

  /** As late as an outbox sends what came in a tick (see `outbox.ts`). */
  #endTick(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#isTicking = false
        this.#tick++
      }),
    )
  }
}
