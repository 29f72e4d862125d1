/** A caller of the store on one partition, which numbers its calls as dispatchers and workers do. */
import type { ClaimedJob, NewJob, Outcome } from '../../src/model/record.ts'
import type {
  Call,
  Enqueued,
  Exchange,
  Extension,
  Settlement,
  Store,
  Verdict,
  Want,
} from '../../src/store/contract/store.ts'
import { settlement } from './jobs.ts'

/** The length of the lease that `claim` asks for, in milliseconds. */
export const LEASE = 15_000

export class Caller {
  store: Store
  readonly id: string
  readonly partition: string
  #number = 0

  constructor(store: Store, id: string, partition: string) {
    this.store = store
    this.id = id
    this.partition = partition
  }

  /** Returns the caller and the number of the next call. */
  next(): Call {
    this.#number += 1
    return this.last()
  }

  /** Returns the caller and the number of the last call, to send this call again. */
  last(): Call {
    return { caller: this.id, number: this.#number }
  }

  enqueue(...jobs: NewJob[]): Promise<Enqueued[]> {
    return this.store.enqueue(this.partition, this.next(), jobs)
  }

  exchange(settlements: readonly Settlement[], want: Want): Promise<Exchange> {
    return this.store.exchange(this.partition, this.next(), settlements, want)
  }

  async claim(limit = 1, leaseMs = LEASE): Promise<ClaimedJob[]> {
    return (await this.exchange([], { limit, leaseMs })).jobs
  }

  /** Claims `limit` jobs that start at once, and `prefetch` more. */
  async claimAhead(limit: number, prefetch: number, leaseMs = LEASE): Promise<ClaimedJob[]> {
    return (await this.exchange([], { limit, prefetch, leaseMs })).jobs
  }

  /** Claims one job. The test fails if no job waits. */
  async claimOne(leaseMs = LEASE): Promise<ClaimedJob> {
    const [claimed] = await this.claim(1, leaseMs)
    if (!claimed) throw new Error(`expected a job to claim in ${this.partition}`)
    return claimed
  }

  /** Claims jobs and reports each of them as started alone, like a worker that runs no other job. */
  async claimAlone(limit = 1): Promise<ClaimedJob[]> {
    const held = await this.claim(limit)
    await this.start(held, true)
    return held
  }

  /**
   * Reports that suspects (jobs that may have crashed their worker) start. @param alone whether each of them
   * is the only running job of its process
   */
  start(held: readonly Pick<ClaimedJob, 'id' | 'token'>[], alone: boolean): Promise<Extension> {
    const notes = held.map(({ id, token }) => ({ id, token, alone }))
    return this.store.extend(this.partition, this.id, notes, LEASE)
  }

  async settle(held: Pick<ClaimedJob, 'id' | 'token'>, outcome: Outcome): Promise<Verdict | undefined> {
    const { verdicts } = await this.exchange([settlement(held, outcome)], { limit: 0, leaseMs: LEASE })
    return verdicts[0]
  }

  /** Renews the claims of these jobs, and reports that they have started. */
  extend(held: readonly Pick<ClaimedJob, 'id' | 'token'>[], leaseMs = LEASE): Promise<Extension> {
    const notes = held.map(({ id, token }) => ({ id, token }))
    return this.store.extend(this.partition, this.id, notes, leaseMs)
  }

  /** Queues a job, claims it and settles it at once. No other job may be before it in line. */
  async run(job: NewJob, outcome: Outcome): Promise<void> {
    await this.enqueue(job)
    await this.settle(await this.claimOne(), outcome)
  }
}
