/**
 * The way of jobs into the store: an outbox for each partition, and chunks for what does not fit in one call.
 */
import { newNonce } from '../id.ts'
import type { NewJob } from '../record.ts'
import { type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/store.ts'
import { Outbox } from './outbox.ts'

export class Dispatcher {
  readonly #store: Store
  readonly #caller = newNonce()
  readonly #outboxes = new Map<string, Outbox>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Queues jobs in one partition, all or none. They must fit in one call (see `chunksOf`).
   *
   * @throws STORE_UNREACHABLE, DISPATCH_UNCERTAIN, STORE_REFUSED
   */
  send(partition: string, jobs: NewJob[], bytes: number): Promise<Enqueued[]> {
    let outbox = this.#outboxes.get(partition)
    if (outbox === undefined) {
      outbox = new Outbox(this.#store, partition, this.#caller)
      this.#outboxes.set(partition, outbox)
    }
    return outbox.add(jobs, bytes)
  }
}

/** Cuts jobs into chunks of which each fits in one call. */
export function* chunksOf(jobs: NewJob[]): Generator<{ jobs: NewJob[]; bytes: number }> {
  let chunk: NewJob[] = []
  let bytes = 0
  for (const job of jobs) {
    // A character is at least one byte; a chunk that is a little over the mark is no harm.
    if (chunk.length === MAX_ITEMS || (chunk.length > 0 && bytes + job.payload.length > MAX_BYTES)) {
      yield { jobs: chunk, bytes }
      chunk = []
      bytes = 0
    }
    chunk.push(job)
    bytes += job.payload.length
  }
  if (chunk.length > 0) yield { jobs: chunk, bytes }
}
