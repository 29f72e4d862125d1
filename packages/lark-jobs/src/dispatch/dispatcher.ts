/**
 * The way of a job into the store. Everything that is dispatched in the same tick, or while a call is under way,
 * travels in the next call: one call a partition at a time, up to 1,000 jobs and 1 MiB.
 *
 * A *parcel* is what one `dispatch` or one chunk of `dispatchMany` brings: it is queued whole or not at all, and
 * has a promise of its own. A parcel that waits longer than `PATIENCE` was certainly not queued; one whose call
 * was sent, and sent again under the same number, without an answer in that time, is uncertain.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../errors.ts'
import type { NewJob } from '../record.ts'
import { type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/store.ts'
import { newId, newNonce } from './id.ts'

/** Milliseconds until a dispatch gives up. */
export const PATIENCE = 5_000

/** Kept out of the last moment, so that the error comes in time. */
const MARGIN = 250

/** Milliseconds that another sending must have left to be worth it. */
const LAST_CHANCE = 500

/** Milliseconds between two sendings of the same call. */
const RESEND_PAUSE = 50

interface Parcel {
  jobs: NewJob[]
  bytes: number
  /** When it gives up, by `performance.now()`. */
  deadline: number
  resolve: (results: Enqueued[]) => void
  reject: (error: unknown) => void
}

export class Dispatcher {
  readonly #store: Store
  readonly #caller = newNonce()
  readonly #lines = new Map<string, Outbox>()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Queues jobs in one partition, all or none. They must fit in one call (see `chunksOf`).
   *
   * @throws STORE_UNREACHABLE, DISPATCH_UNCERTAIN, STORE_REFUSED
   */
  send(partition: string, jobs: NewJob[], bytes: number): Promise<Enqueued[]> {
    let outbox = this.#lines.get(partition)
    if (outbox === undefined) {
      outbox = new Outbox(this.#store, partition, this.#caller)
      this.#lines.set(partition, outbox)
    }
    return outbox.add(jobs, bytes)
  }

  /** Resolves when nothing is under way: every dispatch so far was answered, well or ill. */
  async flush(): Promise<void> {
    await Promise.all([...this.#lines.values()].map((outbox) => outbox.flush()))
  }
}

/** The parcels of one partition: idle → scheduled (for the end of the tick) → calling → scheduled or idle. */
class Outbox {
  readonly #store: Store
  readonly #partition: string
  readonly #caller: string
  #number = 0
  #parcels: Parcel[] = []
  #state: 'idle' | 'scheduled' | 'calling' = 'idle'
  #expiry: NodeJS.Timeout | undefined
  #flushed: (() => void)[] = []

  constructor(store: Store, partition: string, caller: string) {
    this.#store = store
    this.#partition = partition
    this.#caller = caller
  }

  add(jobs: NewJob[], bytes: number): Promise<Enqueued[]> {
    return new Promise((resolve, reject) => {
      this.#parcels.push({ jobs, bytes, deadline: performance.now() + PATIENCE - MARGIN, resolve, reject })
      if (this.#state === 'idle') this.#schedule()
      else if (this.#state === 'calling') this.#expireLater()
    })
  }

  flush(): Promise<void> {
    return this.#state === 'idle' ? Promise.resolve() : new Promise((resolve) => this.#flushed.push(resolve))
  }

  /** After the promises of this tick have settled, so that what they dispatch comes along. */
  #schedule(): void {
    this.#state = 'scheduled'
    queueMicrotask(() => process.nextTick(() => void this.#call()))
  }

  async #call(): Promise<void> {
    this.#state = 'calling'
    const parcels = this.#take()
    const jobs = parcels.length === 1 ? parcels[0]!.jobs : parcels.flatMap((parcel) => parcel.jobs)
    if (this.#parcels.length > 0) this.#expireLater()
    try {
      const results = await this.#enqueue(jobs, parcels[0]!.deadline)
      let start = 0
      for (const parcel of parcels) {
        parcel.resolve(results.slice(start, start + parcel.jobs.length))
        start += parcel.jobs.length
      }
    } catch (error) {
      for (const parcel of parcels) parcel.reject(ownError(error, parcel.jobs[0]!.id))
    }
    clearTimeout(this.#expiry)
    this.#expiry = undefined
    if (this.#parcels.length > 0) {
      this.#schedule()
    } else {
      this.#state = 'idle'
      for (const resolve of this.#flushed.splice(0)) resolve()
    }
  }

  /** Whole parcels, as many as one call takes. */
  #take(): Parcel[] {
    let items = 0
    let bytes = 0
    let count = 0
    for (const parcel of this.#parcels) {
      items += parcel.jobs.length
      bytes += parcel.bytes
      if (count > 0 && (items > MAX_ITEMS || bytes > MAX_BYTES)) break
      count++
    }
    return this.#parcels.splice(0, count)
  }

  async #enqueue(jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    let results = await this.#resend(jobs, deadline)
    while (results.includes('exists')) {
      // Another process made the same id (see id.ts). What it queued is not ours.
      for (const [i, job] of jobs.entries()) if (results[i] === 'exists') job.id = newId()
      const again = await this.#resend(
        jobs.filter((_, i) => results[i] === 'exists'),
        deadline,
      )
      results = results.map((result) => (result === 'exists' ? again.shift()! : result))
    }
    return results
  }

  /** One call, sent under the same number until an answer comes or the time is over. */
  async #resend(jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    const call = { caller: this.#caller, number: ++this.#number }
    let sent = false
    for (;;) {
      try {
        return await this.#store.enqueue(this.#partition, call, jobs)
      } catch (error) {
        const code = (error as JobsError).code
        if (code === 'STORE_UNCERTAIN') sent = true
        else if (!sent) throw error
        if (sent && performance.now() + LAST_CHANCE >= deadline) {
          throw new JobsError('DISPATCH_UNCERTAIN', 'The dispatch was sent to the store and got no answer', {
            cause: error,
            hint: 'The job may be queued: look for its id (error.id) before you dispatch it again.',
          })
        }
        await pause(RESEND_PAUSE)
      }
    }
  }

  /** Parcels that wait behind a call which takes too long have certainly not been sent. */
  #expireLater(): void {
    if (this.#expiry !== undefined || this.#parcels.length === 0) return
    this.#expiry = setTimeout(() => {
      this.#expiry = undefined
      const now = performance.now()
      const late = this.#parcels.filter((parcel) => parcel.deadline <= now)
      this.#parcels = this.#parcels.slice(late.length)
      for (const parcel of late) {
        parcel.reject(
          new JobsError(
            'STORE_UNREACHABLE',
            `The store did not answer for ${PATIENCE / 1_000} s; the job was not sent`,
            {
              id: parcel.jobs[0]!.id,
              hint: `Is ${this.#store.name} up? An earlier call to it is still under way.`,
            },
          ),
        )
      }
      this.#expireLater()
    }, this.#parcels[0]!.deadline - performance.now())
  }
}

/** Every parcel of a failed call gets an error of its own, with its own id. */
function ownError(error: unknown, id: string): unknown {
  if (!(error instanceof JobsError)) return error
  const { code, message, hint, cause } = error
  return new JobsError(code, message, { id, cause, ...(hint !== undefined && { hint }) })
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
