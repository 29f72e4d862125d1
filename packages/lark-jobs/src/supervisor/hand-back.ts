/**
 * Hands back what a dead worker process held, jobs and permits, so that others start at once and not when its leases
 * end. (Permits that middleware took under names out of payloads are known to nobody else, and wait.) The store may be
 * away meanwhile, perhaps for the same reason that the process died: then it is tried again until it is done.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { queueOf } from '../model/partition.ts'
import { ownName } from '../options/limiter.ts'
import type { RecoverOptions, Store } from '../store/contract/store.ts'

/** Milliseconds between two attempts, doubling from the first to the second. */
const AGAIN = { from: 100, to: 2_000 }
/** Milliseconds after which it looks once more. */
const LATE = 1_000

export interface Returned {
  jobs: number
  /** Of these: had crashed too often, and failed. */
  failed: number
}

export class HandBack {
  readonly #store: Store
  readonly #queues: readonly string[]
  readonly #limiters: readonly string[]
  readonly #end = new AbortController()

  /**
   * @param queues those that the processes serve
   * @param limiters those that are configured
   */
  constructor(store: Store, queues: readonly string[], limiters: readonly string[]) {
    this.#store = store
    this.#queues = queues
    this.#limiters = limiters
  }

  /**
   * @param holder the id of a worker whose process has ended
   * @param cause how it ended, to be kept with its jobs
   * @param late told of jobs that a claim brought it after its death: one that was on its way to a server
   * @returns undefined when `stop` came first
   */
  async handBack(
    holder: string,
    cause: string | undefined,
    late: (returned: Returned) => void,
  ): Promise<Returned | undefined> {
    const returned = await this.#take(holder, cause)
    // It may take longer than the jobs did: a limiter may be on a node that is away.
    void this.#endPermits(holder)
    void this.#takeLate(holder, cause, late)
    return returned
  }

  /** Lets go of the store. What was not handed back goes back when its lease ends. */
  stop(): void {
    this.#end.abort()
  }

  async #takeLate(
    holder: string,
    cause: string | undefined,
    late: (returned: Returned) => void,
  ): Promise<void> {
    const { signal } = this.#end
    await pause(LATE, undefined, { signal }).catch(() => {})
    const returned = await this.#take(holder, cause)
    if (returned !== undefined && returned.jobs > 0) late(returned)
    await this.#endPermits(holder)
  }

  #take(holder: string, cause: string | undefined): Promise<Returned | undefined> {
    const returned: Returned = { jobs: 0, failed: 0 }
    return this.#insist(async () => {
      // First of all it waits no more: the jobs that go back ring for those that live.
      await this.#store.retire(holder)
      // Asked each time: a worker also serves the partitions that others have made meanwhile.
      const all = await this.#store.partitions()
      const served = all.filter((partition) => this.#queues.includes(queueOf(partition)))
      await Promise.all(
        served.map((partition) =>
          this.#takeFrom(partition, { holder, ...(cause !== undefined && { cause }) }, returned),
        ),
      )
      return returned
    })
  }

  /** A call takes whole claims, so one that takes little need not be the last; one that takes nothing is. */
  async #takeFrom(partition: string, options: RecoverOptions, returned: Returned): Promise<void> {
    for (;;) {
      const { recovered, failed } = await this.#store.recover(partition, options)
      if (recovered.length + failed.length === 0) return
      returned.jobs += recovered.length + failed.length
      returned.failed += failed.length
    }
  }

  /** Of the limiters that are configured, and of those that classes have of their own. */
  async #endPermits(holder: string): Promise<void> {
    await this.#insist(async () => {
      const own = (await this.#store.keys()).map(ownName)
      // Renewed for no time at all: where it holds none, nothing is changed.
      const ends = [...this.#limiters, ...own].map((name) => this.#store.limiters.keep(name, holder, 0))
      await Promise.all(ends)
    })
  }

  /** Tries until it is done. @returns undefined when `stop` came first */
  async #insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { signal } = this.#end
    for (let wait = AGAIN.from; !signal.aborted; wait = Math.min(AGAIN.to, wait * 2)) {
      try {
        return await work()
      } catch {
        await pause(wait, undefined, { signal }).catch(() => {})
      }
    }
    return undefined
  }
}
