/**
 * Dispatchers and workers that go on whatever happens to the servers, and an account of every job. Both call
 * the verbs of a store like real dispatchers and workers: one call at a time in a partition, and the same
 * call again until it is answered.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobsError } from '../../src/model/errors.ts'
import type { ClaimedJob } from '../../src/model/record.ts'
import type { Store } from '../../src/store/contract/store.ts'
import { Caller } from '../conformance/caller.ts'
import { completed, ids, jobs, settlement } from '../conformance/jobs.ts'

/**
 * The lease in milliseconds. A short lease lets jobs whose claim was lost in a failover be taken back soon.
 */
const LEASE = 2_000

const again = new Set(['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'])

export class Traffic {
  /** The ids of the jobs that a dispatcher knows to be queued. */
  readonly queued = new Set<string>()
  /** How often each job was handed to a worker. */
  readonly runs = new Map<string, number>()
  /** The jobs whose worker was told that the lease was lost. */
  readonly lost = new Set<string>()
  /** How often each error code occurred. */
  readonly errors: Record<string, number> = {}
  readonly #web: Store
  readonly #worker: Store
  readonly #partitions: readonly string[]
  readonly #dispatching: Promise<void>[]
  readonly #working: Promise<void>[]
  #state: 'dispatching' | 'draining' | 'done' = 'dispatching'

  constructor(web: Store, worker: Store, partitions: readonly string[]) {
    this.#web = web
    this.#worker = worker
    this.#partitions = partitions
    this.#dispatching = partitions.map((partition) => this.#dispatch(partition))
    this.#working = partitions.map((partition) => this.#work(partition))
  }

  /** Resolves when `count` more jobs have been queued and `count` more jobs have run. */
  async more(count: number): Promise<void> {
    const [queued, ran] = [this.queued.size, this.runs.size]
    while (this.queued.size < queued + count || this.runs.size < ran + count) await sleep(5)
  }

  /** Ends the dispatchers, lets the workers run the remaining jobs, and ends the workers. */
  async finish(): Promise<void> {
    this.#state = 'draining'
    await Promise.all(this.#dispatching)
    for (const partition of this.#partitions) {
      for (;;) {
        await this.#worker.recover(partition, { forgiving: true })
        const { waiting, delayed, active } = await this.#worker.counts(partition)
        if (waiting + delayed + active === 0) break
        await sleep(50)
      }
    }
    this.#state = 'done'
    await Promise.all(this.#working)
  }

  /** Returns the jobs that were queued and never handed out. */
  get missing(): string[] {
    return [...this.queued].filter((id) => !this.runs.has(id))
  }

  /** Returns the jobs that were handed out more than once. */
  get doubled(): string[] {
    return [...this.runs].filter(([, count]) => count > 1).map(([id]) => id)
  }

  async #dispatch(partition: string): Promise<void> {
    const caller = new Caller(this.#web, `web-${partition}`, partition)
    while (this.#state === 'dispatching') {
      const list = jobs(5)
      const call = caller.next()
      const verdicts = await this.#insist(() => this.#web.enqueue(partition, call, list))
      for (const [i, id] of ids(list).entries()) if (verdicts[i] === 'queued') this.queued.add(id)
    }
  }

  async #work(partition: string): Promise<void> {
    const caller = new Caller(this.#worker, `worker-${partition}`, partition)
    let held: ClaimedJob[] = []
    while (this.#state !== 'done') {
      const settlements = held.map((job) => settlement(job, completed))
      const call = caller.next()
      const want = { limit: 20, leaseMs: LEASE }
      const { verdicts, jobs } = await this.#insist(() =>
        this.#worker.exchange(partition, call, settlements, want),
      )
      for (const [i, { id }] of held.entries()) if (verdicts[i] === 'lost') this.lost.add(id)
      for (const { id } of jobs) this.runs.set(id, (this.runs.get(id) ?? 0) + 1)
      held = jobs
      if (jobs.length === 0) await this.#worker.wait(caller.id, 50)
    }
  }

  /** Repeats the call until it is answered. */
  async #insist<T>(call: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await call()
      } catch (error) {
        const { code } = error as JobsError
        if (!again.has(code)) throw error
        this.errors[code] = (this.errors[code] ?? 0) + 1
        await sleep(20)
      }
    }
  }
}
