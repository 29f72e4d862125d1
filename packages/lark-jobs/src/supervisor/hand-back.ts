/**
 * Hands back the jobs and permits of a dead worker process, so that other workers start the jobs at once and
 * not when the leases end. (Permits that middleware took under names from payloads are not known here; they
 * end with their lease.) If the store does not answer, perhaps for the same reason that the process died,
 * this is tried again until it succeeds.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../model/errors.ts'
import { grouped } from '../model/grouped.ts'
import { newNonce } from '../model/id.ts'
import { queueOf } from '../model/partition.ts'
import { ownName } from '../options/limiter.ts'
import { inLots } from '../store/contract/rules/in-lots.ts'
import type { RecoverOptions, Recovery, Settlement, Store } from '../store/contract/store.ts'
import { Part } from '../worker/part.ts'

/** Milliseconds between two attempts: `from` at first, doubled each time, up to `to`. */
const AGAIN = { from: 100, to: 2_000 }
/** How many outcomes are sent in one call. */
const TOGETHER = 100
/** Milliseconds after which it checks once more for jobs of the dead process. */
const LATE = 1_000

export interface Returned {
  jobs: number
  /** How many of these jobs had crashed too often, and failed. */
  failed: number
}

export interface HandBackOptions {
  store: Store
  /** The queues that the workers serve. */
  queues: readonly string[]
  /** The names of the configured limiters. */
  limiters: readonly string[]
  /** Called with what was taken back. */
  recovered?: (partition: string, recovery: Recovery) => void
}

/** A worker whose process has ended. */
export interface DeadWorker {
  /** The id of the worker. */
  holder: string
  /** How the process ended, to be kept with its jobs. */
  cause: string | undefined
  /** Whether a job of the process has ended it. */
  fromWithin: boolean
  /** Outcomes of jobs that the store may not have received. */
  outcomes: readonly { partition: string; settlement: Settlement }[]
}

type Late = (returned: Returned) => void

export class HandBack extends Part {
  readonly #options: HandBackOptions
  readonly #end = new AbortController()

  constructor(options: HandBackOptions) {
    super()
    this.#options = options
  }

  /**
   * @param late called with jobs that were claimed for it after its death, by a call that was on its way to a
   *   server
   * @returns undefined if `stop` came first
   */
  async handBack(gone: DeadWorker, late: Late): Promise<Returned | undefined> {
    const returned = await this.#take(gone)
    // Not waited for: a limiter may be on a node that does not answer.
    void this.#endPermits(gone.holder)
    void this.#takeLate({ ...gone, outcomes: [] }, late)
    return returned
  }

  /** Closes the store. Jobs that were not handed back go back when their leases end. */
  protected override onStop(): void {
    this.#end.abort()
  }

  async #takeLate(gone: DeadWorker, late: Late): Promise<void> {
    const { signal } = this.#end
    await pause(LATE, undefined, { signal }).catch(() => {})
    const returned = await this.#take(gone)
    if (returned !== undefined && returned.jobs > 0) late(returned)
    await this.#endPermits(gone.holder)
  }

  #take({ holder, cause, fromWithin, outcomes }: DeadWorker): Promise<Returned | undefined> {
    const { store, queues } = this.#options
    const ended = grouped(outcomes.map(({ partition, settlement }) => [partition, settlement] as const))
    const returned: Returned = { jobs: 0, failed: 0 }
    return this.#insist(async () => {
      // First, the dead worker must no longer be registered as waiting, so that the notifications for
      // returned jobs reach living workers.
      await store.retire(holder).catch(unlessDamaged)
      // A job that has ended does not run again, and has not crashed.
      for (const [partition, settlements] of ended)
        for (const some of inLots(settlements, TOGETHER))
          await store
            .exchange(partition, { caller: newNonce(), number: 1 }, some, { limit: 0, leaseMs: 0 })
            .catch(unlessDamaged)
      // Read each time, because a worker also serves partitions that others have made meanwhile.
      const served = (await store.partitions()).filter((partition) => queues.includes(queueOf(partition)))
      // A process that ended in order has not crashed its jobs: it only could not report their outcomes.
      const crash = cause === undefined ? { forgiving: true } : { cause, fromWithin }
      const options = { holder, by: 'supervisor', ...crash }
      await Promise.all(
        served.map((partition) => this.#takeFrom(partition, options, returned).catch(unlessDamaged)),
      )
      return returned
    })
  }

  /**
   * A call takes back whole claims, so more calls may be needed even after one that took only a few jobs. A
   * call that takes none is the last.
   */
  async #takeFrom(partition: string, options: RecoverOptions, returned: Returned): Promise<void> {
    for (;;) {
      const recovery = await this.#options.store.recover(partition, options)
      const { recovered, failed } = recovery
      this.#options.recovered?.(partition, recovery)
      if (recovered.length + failed.length === 0) return
      returned.jobs += recovered.length + failed.length
      returned.failed += failed.length
    }
  }

  /** Ends the permits of configured limiters, and of those that classes have of their own. */
  async #endPermits(holder: string): Promise<void> {
    const { store, limiters } = this.#options
    await this.#insist(async () => {
      const own = (await store.keys()).map(ownName)
      // Renewed for 0 ms. If it holds no permits of a limiter, this changes nothing.
      await Promise.all([...limiters, ...own].map((name) => store.limiters.renew(name, holder, 0)))
    })
  }

  /** Tries until it succeeds. @returns undefined if `stop` came first */
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

/**
 * A damaged partition does not hold up the others: its jobs go back when it is repaired. Workers report it.
 */
function unlessDamaged(error: unknown): void {
  if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
}
