/**
 * The buffers of each queue, one for each partition, and the turn of the buffers.
 *
 * The jobs of one tick go to one partition, so that one call is enough. The next tick uses the next
 * partition. A process begins with a random partition, so that scripts that dispatch only once do not all use
 * the same partition. A job with a group or a lock goes to the partition that the name of the group or lock
 * determines.
 */
import { newNonce } from '../model/id.ts'
import { partitionFor, partitionsOf } from '../model/partition.ts'
import { Coalesced } from '../run/coalesced.ts'
import type { Bound, Store } from '../store/contract/store.ts'
import { SendBuffer } from './send-buffer.ts'

interface QueueBuffers {
  buffers: SendBuffer[]
  /** The index of the buffer whose turn it is (`at`), and the tick for which the index was chosen. */
  at: number
  tick: number
}

export class SendBuffers {
  readonly #store: Store
  readonly #partitions: ReadonlyMap<string, number>
  readonly #bounds: ReadonlyMap<string, Bound>
  readonly #caller = newNonce()
  readonly #rows = new Map<string, QueueBuffers>()
  #tick = 0
  /** The tick ends at the same moment at which a buffer sends the jobs of the tick (see `send-buffer.ts`). */
  readonly #endOfTick = new Coalesced(Coalesced.endOfTick, () => {
    this.#tick++
  })

  /**
   * @param partitions the number of partitions of each queue, default 1
   * @param bounds how many jobs each partition of a queue may hold, by queue
   */
  constructor(store: Store, partitions: ReadonlyMap<string, number>, bounds: ReadonlyMap<string, Bound>) {
    this.#store = store
    this.#partitions = partitions
    this.#bounds = bounds
  }

  /** The buffer whose turn it is, for a job that may go to any partition. */
  now(queue: string): SendBuffer {
    const row = this.#row(queue)
    return row.buffers[row.at]!
  }

  /** The buffer for all jobs with this group or lock name, in every process. */
  of(queue: string, name: string): SendBuffer {
    const { buffers } = this.#rows.get(queue) ?? this.#open(queue)
    return buffers[partitionFor(name, buffers.length)]!
  }

  /** All buffers of a queue, beginning with the buffer whose turn it is. */
  all(queue: string): SendBuffer[] {
    const { buffers, at } = this.#row(queue)
    return [...buffers.slice(at), ...buffers.slice(0, at)]
  }

  #row(queue: string): QueueBuffers {
    const row = this.#rows.get(queue) ?? this.#open(queue)
    if (row.buffers.length === 1 || row.tick === this.#tick) return row
    row.tick = this.#tick
    row.at = (row.at + 1) % row.buffers.length
    this.#endOfTick.ask()
    return row
  }

  #open(queue: string): QueueBuffers {
    const buffers = partitionsOf(queue, this.#partitions.get(queue) ?? 1).map(
      (partition) => new SendBuffer(this.#store, partition, this.#caller, this.#bounds.get(queue)),
    )
    const row = { buffers, at: Math.floor(Math.random() * buffers.length), tick: -1 }
    this.#rows.set(queue, row)
    return row
  }
}
