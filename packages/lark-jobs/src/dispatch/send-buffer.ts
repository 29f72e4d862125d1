/**
 * The jobs that wait to be queued in one partition. Jobs that are dispatched in the same tick, or while the
 * buffer waits for an answer, travel in the next call, up to 1,000 jobs and 1 MiB.
 *
 *   idle → scheduled (for the end of the tick) → calling → scheduled again, or idle
 *
 * If a tick brings many jobs, the first jobs are sent before the tick ends, so that a store in another
 * process queues these jobs while this process prepares the other jobs. So several calls may be open. Each
 * call
 * needs a caller of its own (a lane), because a caller may have only one open call at a time.
 *
 * A *parcel* is one `dispatch`, or one chunk of `dispatchMany`. A parcel is queued as a whole or not at all,
 * and has its own promise and deadline. A parcel that was not sent before its deadline was certainly not
 * queued. If a parcel was sent, perhaps several times with the same number, and no answer came, nobody knows
 * whether it was queued.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../model/errors.ts'
import { newId } from '../model/id.ts'
import type { NewJob } from '../model/record.ts'
import { Coalesced } from '../run/coalesced.ts'
import { type Bound, type Enqueued, MAX_BYTES, MAX_ITEMS, type Store } from '../store/contract/store.ts'

/**
 * The time after which a dispatch fails, in milliseconds: a little less than the 5 s that the documentation
 * promises.
 */
const PATIENCE = 4_750
/** A call begins only if at least this many milliseconds are left. */
const LEAST = 500
/** Milliseconds between two sendings of the same call. */
const RESEND_PAUSE = 50
/**
 * When this many jobs wait, the buffer sends them before the tick ends. (Measured on 2026-11-25 with
 * `Promise.all` of 100 dispatches on a quiet machine, medians of 4 runs: 213,000 jobs a second with 34,
 * 214,000 with 40, 223,000 with 50, and 200,000 with 64.)
 */
const EARLY = 50
/** The maximum number of open calls. */
const LANES = 3

interface Parcel {
  jobs: NewJob[]
  bytes: number
  /** The time at which the parcel fails, by `performance.now()`. */
  deadline: number
  /** Called with the results of the whole call. `first`: the index of the parcel's first job. */
  resolve: (results: Enqueued[], first: number) => void
  reject: (error: unknown) => void
}

/** A caller, and the number of its last call. */
interface CallLane {
  caller: string
  number: number
}

export class SendBuffer {
  readonly partition: string
  readonly #store: Store
  readonly #bound: Bound | undefined
  readonly #free: CallLane[] = []
  #parcels: Parcel[] = []
  /** The number of jobs in the parcels. */
  #size = 0
  /**
   * Makes a call after the promises of this tick have settled, so that the jobs dispatched by their handlers
   * travel in the same call.
   */
  readonly #callSoon = new Coalesced(Coalesced.endOfTick, () => {
    // Parcels that have not waited for an answer yet get their full time, no matter how long this process was
    // busy.
    if (this.#isFresh) this.#renew()
    this.#isFresh = false
    if (this.#parcels.length > 0 && this.#free.length > 0) void this.#call()
  })
  #calls = 0
  /** Whether the buffer was scheduled from idle, so that its parcels have not waited for an answer. */
  #isFresh = false
  #expiry: NodeJS.Timeout | undefined

  constructor(store: Store, partition: string, caller: string, bound?: Bound) {
    this.#store = store
    this.#bound = bound
    this.partition = partition
    for (let lane = LANES; lane > 0; lane--) this.#free.push({ caller: `${caller}${lane}`, number: 0 })
  }

  add(jobs: NewJob[], bytes: number, resolve: Parcel['resolve'], reject: (error: unknown) => void): void {
    this.#parcels.push({ jobs, bytes, deadline: performance.now() + PATIENCE, resolve, reject })
    this.#size += jobs.length
    if (this.#calls > 0) this.#expireLater()
    else if (!this.#callSoon.isAsked) {
      this.#isFresh = true
      this.#callSoon.ask()
    }
    if (this.#isFresh && this.#size >= EARLY && this.#free.length > 0 && this.#store.isRemote)
      void this.#call()
  }

  /** Gives the waiting parcels their full time again. Called when the store has answered. */
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
    this.#callSoon.ask()
  }

  async #deliver(lane: CallLane, parcels: Parcel[]): Promise<void> {
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

  /** Takes as many whole parcels as fit in one call. */
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

  async #enqueue(lane: CallLane, jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    const results = await this.#send(lane, jobs, deadline)
    if (!results.includes('exists')) return results
    // `exists` means that another process has made the same id (see `model/id.ts`), so the job is not queued
    // yet and gets a new id.
    const again = jobs.filter((_, i) => results[i] === 'exists')
    for (const job of again) job.id = newId()
    try {
      const others = await this.#enqueue(lane, again, deadline)
      return results.map((result) => (result === 'exists' ? others.shift()! : result))
    } catch (error) {
      // Part of the call is already queued, so the rest is uncertain.
      throw uncertain(error)
    }
  }

  /** Sends one call, and repeats it with the same number until an answer comes or the time is over. */
  async #send(lane: CallLane, jobs: NewJob[], deadline: number): Promise<Enqueued[]> {
    const { caller } = lane
    const number = ++lane.number
    let sent = false
    for (;;) {
      try {
        const patience = Math.max(LEAST, deadline - performance.now())
        const call = { caller, number, patience, bound: this.#bound }
        return await this.#store.enqueue(this.partition, call, jobs)
      } catch (error) {
        if (JobsError.is(error, 'STORE_UNCERTAIN')) sent = true
        else if (!sent) throw error
        if (deadline - performance.now() < LEAST) throw uncertain(error)
        await pause(RESEND_PAUSE)
      }
    }
  }

  /**
   * Sets a timer that rejects the parcels that wait too long behind a slow call. Such parcels have certainly
   * not been sent.
   */
  #expireLater(): void {
    const first = this.#parcels[0]
    if (this.#expiry !== undefined || first === undefined) return
    const look = () => {
      this.#expiry = undefined
      if (this.#calls === 0) return
      this.#rejectLate()
      this.#expireLater()
    }
    // If this process itself was suspended, the answer may already be in the socket. `setImmediate` lets the
    // process read the answer before parcels are rejected.
    const ms = Math.max(0, first.deadline - LEAST - performance.now())
    this.#expiry = setTimeout(() => setImmediate(look), ms)
  }

  #rejectLate(): void {
    const latest = performance.now() + LEAST
    while (this.#parcels[0] !== undefined && this.#parcels[0].deadline <= latest) {
      const { jobs, reject } = this.#parcels.shift()!
      this.#size -= jobs.length
      const message = `${this.#store.name} does not answer; the job was not sent`
      const hint = 'An earlier call to it is still under way, or was given up.'
      reject(ownError(new JobsError('STORE_UNREACHABLE', message, { hint }), jobs))
    }
  }
}

function uncertain(cause: unknown): JobsError {
  return new JobsError('DISPATCH_UNCERTAIN', 'The dispatch was sent to the store and got no answer', {
    cause,
    hint: 'The job may be queued: look for its id (error.id) before you dispatch it again.',
  })
}

/** The error of one parcel of a failed call, with the ids of its jobs. */
function ownError(error: unknown, jobs: NewJob[]): unknown {
  if (!(error instanceof JobsError)) return error
  const ids = jobs.map((job) => job.id)
  return error.again({ id: ids[0]!, ids })
}
