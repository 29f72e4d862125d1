/**
 * What waits to be queued in one partition. What is dispatched in the same tick, or while a call is under way,
 * travels in the next call, up to 1,000 jobs and 1 MiB.
 *
 *   idle → scheduled (for the end of the tick) → calling → scheduled again, or idle
 *
 * A tick that brings much has its first jobs go before it ends: a store elsewhere queues them while this process
 * prepares the rest. So a few calls may be under way; each has a lane of its own, since a caller has one at a time.
 *
 * A *parcel* is what one `dispatch` or one chunk of `dispatchMany` brings: it is queued whole or not at all, and
 * has a promise of its own. It has until its deadline: one that was not sent by then was certainly not queued; one
 * that was sent, and sent again under the same number, without an answer, is uncertain.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../errors.ts'
import { newId } from '../id.ts'
import type { NewJob } from '../record.ts'
import { type Bound, type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/store.ts'

/** Milliseconds until a dispatch gives up: a little before the 5 s that it promises. */
const PATIENCE = 4_750
/** Milliseconds that must be left for a call to be worth beginning. */
const LEAST = 500
/** Milliseconds between two sendings of the same call. */
const RESEND_PAUSE = 50
/**
 * Jobs that go before the tick ends. (Of `Promise.all` of 100 on a quiet machine, medians of 4 in turns, 2026-11-25: with
 * 34 213,000 jobs a second, with 40 214,000, with 50 223,000, with 64 200,000.)
 */
const EARLY = 50
/** Calls under way at most. */
const LANES = 3

interface Parcel {
  jobs: NewJob[]
  bytes: number
  /** By `performance.now()`. */
  deadline: number
  /** Told of the whole call: `first` is the place of the parcel's first job. */
  resolve: (results: Enqueued[], first: number) => void
  reject: (error: unknown) => void
}

/** A caller of its own. */
interface Lane {
  caller: string
  number: number
}

export class Outbox {
  readonly #store: Store
  readonly #partition: string
  readonly #bound: Bound | undefined
  readonly #free: Lane[] = []
  #parcels: Parcel[] = []
  /** Jobs in them. */
  #size = 0
  #isScheduled = false
  #calls = 0
  /** Scheduled from idle: nothing waited for an answer. */
  #isFresh = false
  #expiry: NodeJS.Timeout | undefined

  constructor(store: Store, partition: string, caller: string, bound?: Bound) {
    this.#store = store
    this.#bound = bound
    this.#partition = partition
    for (let lane = LANES; lane > 0; lane--) this.#free.push({ caller: `${caller}${lane}`, number: 0 })
  }

  add(jobs: NewJob[], bytes: number, resolve: Parcel['resolve'], reject: (error: unknown) => void): void {
    this.#parcels.push({ jobs, bytes, deadline: performance.now() + PATIENCE, resolve, reject })
    this.#size += jobs.length
    if (this.#calls > 0) this.#expireLater()
    else if (!this.#isScheduled) {
      this.#isFresh = true
      this.#schedule()
    }
    if (this.#isFresh && this.#size >= EARLY && this.#free.length > 0 && this.#store.isElsewhere)
      void this.#call()
  }

  /** After the promises of this tick have settled, so that what they dispatch comes along. */
  #schedule(): void {
    this.#isScheduled = true
    queueMicrotask(() =>
      process.nextTick(() => {
        this.#isScheduled = false
        // What never waited for an answer has its whole time, however long this process was busy.
        if (this.#isFresh) this.#renew()
        this.#isFresh = false
        if (this.#parcels.length > 0 && this.#free.length > 0) void this.#call()
      }),
    )
  }

  /** The store answers: whoever still waits may wait as long again. */
  #renew(): void {
    const deadline = performance.now() + PATIENCE
    for (const parcel of this.#parcels) parcel.deadline = deadline
  }

  async #call(): Promise<void> {
    const lane = this.#free.pop()!
    this.#calls++
    const parcels = this.#take()
    if (this.#parcels.length > 0) this.#expireLater()
    await this.#deliver(lane, parcels)
    this.#free.push(lane)
    this.#calls--
    clearTimeout(this.#expiry)
    this.#expiry = undefined
    this.#rejectLate()
    if (this.#parcels.length === 0) return
    if (this.#calls > 0) this.#expireLater()
    if (!this.#isScheduled) this.#schedule()
  }

  async #deliver(lane: Lane, parcels: Parcel[]): Promise<void> {
    const jobs = parcels.length === 1 ? parcels[0]!.jobs : parcels.flatMap((parcel) => parcel.jobs)
    try {
      const results = await this.#enqueue(lane, jobs, parcels[0]!.deadline)
      this.#renew()
      let first = 0
      for (const { jobs, resolve } of parcels) {
        resolve(results, first)
        first += jobs.length
      }
    } catch (error) {
      for (const parcel of parcels) parcel.reject(ownError(error, parcel.jobs))
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
    const parcels = count === this.#parcels.length ? this.#parcels : this.#parcels.slice(0, count)
    this.#parcels = this.#parcels.slice(count)
    for (const { jobs } of parcels) this.#size -= jobs.length
    return parcels
  }

  async #enqueue(lane: Lane, jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    const results = await this.#send(lane, jobs, deadline)
    if (!results.includes('exists')) return results
    // Another process made the same id (see id.ts). What it queued is not ours.
    const again = jobs.filter((_, i) => results[i] === 'exists')
    for (const job of again) job.id = newId()
    try {
      const others = await this.#enqueue(lane, again, deadline)
      return results.map((result) => (result === 'exists' ? others.shift()! : result))
    } catch (error) {
      // Part of the call is queued already.
      throw uncertain(error)
    }
  }

  /** One call, sent under the same number until an answer comes or the time is over. */
  async #send(lane: Lane, jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    const { caller } = lane
    const number = ++lane.number
    let sent = false
    for (;;) {
      try {
        const patience = Math.max(LEAST, deadline - performance.now())
        const call = { caller, number, patience, bound: this.#bound }
        return await this.#store.enqueue(this.#partition, call, jobs)
      } catch (error) {
        if ((error as JobsError).code === 'STORE_UNCERTAIN') sent = true
        else if (!sent) throw error
        if (deadline - performance.now() < LEAST) throw uncertain(error)
        await pause(RESEND_PAUSE)
      }
    }
  }

  /** Parcels that wait behind a call which takes too long have certainly not been sent. */
  #expireLater(): void {
    const first = this.#parcels[0]
    if (this.#expiry !== undefined || first === undefined) return
    const look = () => {
      this.#expiry = undefined
      if (this.#calls === 0) return
      this.#rejectLate()
      this.#expireLater()
    }
    // Where it was this process that stood still, the answer may lie in the socket: it is read first.
    const ms = Math.max(0, first.deadline - LEAST - performance.now())
    this.#expiry = setTimeout(() => setImmediate(look), ms)
  }

  #rejectLate(): void {
    const latest = performance.now() + LEAST
    while (this.#parcels[0] !== undefined && this.#parcels[0].deadline <= latest) {
      const { jobs, reject } = this.#parcels.shift()!
      this.#size -= jobs.length
      const error = new JobsError(
        'STORE_UNREACHABLE',
        `${this.#store.name} does not answer; the job was not sent`,
        {
          hint: 'An earlier call to it is still under way, or was given up.',
        },
      )
      reject(ownError(error, jobs))
    }
  }
}

function uncertain(cause: unknown): JobsError {
  return new JobsError('DISPATCH_UNCERTAIN', 'The dispatch was sent to the store and got no answer', {
    cause,
    hint: 'The job may be queued: look for its id (error.id) before you dispatch it again.',
  })
}

/** Every parcel of a failed call gets an error of its own, with its own ids. */
function ownError(error: unknown, jobs: NewJob[]): unknown {
  if (!(error instanceof JobsError)) return error
  const ids = jobs.map((job) => job.id)
  return error.again({ id: ids[0]!, ids })
}
