/**
 * Hands back the jobs and permits of a dead worker process, so that other workers can start the jobs at once,
 * without waiting for the leases to end. (Permits that middleware took under names from payloads are not
 * known here. The store frees these permits when their lease ends.) If the store does not answer, the
 * attempts go on until an attempt succeeds. (The process may have died for the same reason.)
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

/**
 * The pause between two attempts, in milliseconds: it begins with `from`, and doubles each time up to `to`.
 */
const AGAIN = { from: 100, to: 2_000 }
/** How many outcomes are sent in one call. */
const TOGETHER = 100
/** After this many milliseconds, there is one more check for jobs of the dead process. */
const LATE = 1_000

export interface Returned {
  jobs: number
  /** How many of the jobs that were taken back failed because they had crashed too often. */
  failed: number
}

export interface HandBackOptions {
  store: Store
  /** The queues that the workers serve. */
  queues: readonly string[]
  /** The names of the configured limiters. */
  limiters: readonly string[]
  /** Called with the jobs that were taken back. */
  recovered?: (partition: string, recovery: Recovery) => void
}

/** A worker whose process has ended. */
export interface DeadWorker {
  /** The id of the worker. */
  holder: string
  /** How the process ended. This text is stored with its jobs. */
  cause: string | undefined
  /** Whether a job of the process has ended the process. */
  fromWithin: boolean
  /** The outcomes of jobs that the store may not have received. */
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
   * @param late called with jobs that were claimed for the worker after its death, by a call that had not
   *   reached the server before
   * @returns undefined if `stop` was called before an attempt succeeded
   */
  async handBack(gone: DeadWorker, late: Late): Promise<Returned | undefined> {
    const returned = await this.#take(gone)
    // This is not awaited, because a limiter may be on a node that does not answer.
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
      // First the dead worker is removed from the store's list of waiting workers, so that the store wakes
      // living workers for the returned jobs.
      await store.retire(holder).catch(unlessDamaged)
      // The outcomes are settled first, so that jobs that have ended do not run again and do not count as
      // crashed.
      for (const [partition, settlements] of ended)
        for (const some of inLots(settlements, TOGETHER))
          await store
            .exchange(partition, { caller: newNonce(), number: 1 }, some, { limit: 0, leaseMs: 0 })
            .catch(unlessDamaged)
      // The partitions are read each time, because a worker also serves partitions that were made since it
      // started.
      const served = (await store.partitions()).filter((partition) => queues.includes(queueOf(partition)))
      // If the process ended in an orderly way, its jobs have not crashed, and only their outcomes could not
      // be reported.
      const crash = cause === undefined ? { forgiving: true } : { cause, fromWithin }
      const options = { holder, by: 'supervisor', ...crash }
      await Promise.all(
        served.map((partition) => this.#takeFrom(partition, options, returned).catch(unlessDamaged)),
      )
      return returned
    })
  }

  /**
   * Takes back the jobs in a partition. A call to the store takes back whole claims, so more calls may be
   * needed even if a call took back only a few jobs. The calls end when a call takes back no jobs.
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

  /** Frees the permits of configured limiters and of the limiters of classes. */
  async #endPermits(holder: string): Promise<void> {
    const { store, limiters } = this.#options
    await this.#insist(async () => {
      const own = (await store.keys()).map(ownName)
      // The permits are renewed for 0 ms, which frees them. If the worker holds no permits of a limiter, the
      // call changes nothing.
      await Promise.all([...limiters, ...own].map((name) => store.limiters.renew(name, holder, 0)))
    })
  }

  /** Repeats an action until it succeeds. @returns undefined if `stop` was called before */
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
 * Ignores the error of a damaged partition, so that the jobs of the other partitions are taken back. The jobs
 * of the damaged partition are taken back when it has been repaired. Workers report the damage.
 */
function unlessDamaged(error: unknown): void {
  if (!JobsError.is(error, 'STORE_DAMAGED')) throw error
}
