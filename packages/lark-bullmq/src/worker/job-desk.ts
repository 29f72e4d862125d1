/**
 * Gets the jobs for `worker.getNextJob()`. A worker of Lark holds and renews the lease of each job that it
 * has handed out, until the application says how the job has ended. The worker takes a job only when a caller
 * asks for a job.
 */
import type { Worker } from '@s18i/lark-jobs'
import { mayGetJob } from '@s18i/lark-jobs/internal'
import type { BullJob, JobFinish } from '../job/bull-job.ts'
import { RateLimitError } from '../job/ending-errors.ts'
import type { JobHome } from '../store/shared-store.ts'

/**
 * Milliseconds. `wait`: between two checks of whether there is a job. `unclaimed`: the longest wait for a job
 * that is waiting and that the worker does not claim. `claiming`: the longest wait for the answer to a claim.
 */
const LOOK = { wait: 20, unclaimed: 1_000, claiming: 10_000 }

/** A promise with the functions that settle it. */
interface Asked<T> {
  readonly promise: Promise<T>
  /** Whether the worker emits no `active` for the job that is handed out. */
  isSilent?: boolean
  resolve(value: T): void
  reject(error: Error): void
}

function open<T>(): Asked<T> {
  let ends: Pick<Asked<T>, 'resolve' | 'reject'>
  const promise = new Promise<T>((resolve, reject) => {
    ends = { resolve, reject }
  })
  return { promise, ...ends! }
}

export class JobDesk {
  readonly #home: JobHome
  /** The callers that ask for a job, in the order of their calls. */
  readonly #asked: Asked<BullJob | undefined>[] = []
  readonly #out = new Map<BullJob, Asked<void>>()
  #worker: Worker | undefined
  /** Whether the last call found no job. */
  #isDrained = false

  constructor(home: JobHome) {
    this.#home = home
  }

  /** @param worker a worker that calls `hand` for each of its jobs */
  serve(worker: Worker): void {
    this.#worker = worker
    this.#turn()
  }

  /**
   * Takes the next job, which then is active.
   *
   * @param longest how long to wait for a job if the previous call found none, in milliseconds. If the
   *   previous call found a job, this call returns at once if no job waits
   * @param isSilent whether the worker does not emit `active` for the job
   */
  async next(longest: number, isSilent = false): Promise<BullJob | undefined> {
    const asked = { ...open<BullJob | undefined>(), isSilent }
    this.#asked.push(asked)
    this.#turn()
    const over = performance.now() + (this.#isDrained ? longest : 0)
    void this.#giveUp(asked, over).catch((error) => asked.reject(error))
    const job = await asked.promise.finally(() => this.#leave(asked))
    this.#isDrained = job === undefined
    return job
  }

  /** Whether the worker emits `active` for the job that it hands out next. */
  get tells(): boolean {
    return this.#asked[0]?.isSilent === false
  }

  async #giveUp(asked: Asked<BullJob | undefined>, over: number): Promise<void> {
    const since = performance.now()
    for (let isEmpty = false; !isEmpty; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK.wait))
      if (!this.#asked.includes(asked)) return
      const now = performance.now()
      if (now < over) continue
      const { counts, isPaused } = await this.#home.store.standing(this.#home.queue)
      const isComing = this.#worker !== undefined && mayGetJob(this.#worker, this.#out.size)
      const longest = isComing ? LOOK.claiming : counts.waiting > 0 && !isPaused ? LOOK.unclaimed : 0
      isEmpty = now > Math.max(over, since + longest)
    }
    asked.resolve(undefined)
  }

  #leave(asked: Asked<BullJob | undefined>): void {
    const at = this.#asked.indexOf(asked)
    if (at !== -1) this.#asked.splice(at, 1)
    this.#turn()
  }

  /** Makes the worker take as many jobs as callers ask for. */
  #turn(): void {
    if (this.#worker === undefined) return
    if (this.#asked.length === 0) {
      void this.#worker.quiet()
      return
    }
    this.#worker.concurrency = this.#out.size + this.#asked.length
    this.#worker.resume()
  }

  /**
   * Hands a job to the caller that has waited longest.
   *
   * @returns a promise that settles when the application has said how the job ended
   */
  async hand(job: BullJob): Promise<unknown> {
    const asked = this.#asked.shift()
    // No caller waits for a job any more, so the job goes back to its queue.
    if (asked === undefined) throw new RateLimitError()
    const ending = open<unknown>()
    const stored = open<void>()
    this.#out.set(job, stored)
    const finish: JobFinish = {
      end: (outcome) => {
        if ('error' in outcome) ending.reject(outcome.error)
        else ending.resolve(outcome.value)
        return stored.promise
      },
      next: () => this.next(0, true),
    }
    job.handOut(finish)
    asked.resolve(job)
    return await ending.promise
  }

  /** Called when the store has recorded the end of a job, or has answered that the lease is lost. */
  stored(job: BullJob, isLost: boolean): void {
    const stored = this.#out.get(job)
    this.#out.delete(job)
    if (isLost) stored?.reject(new Error(`Missing lock for job ${job.id}. moveToFinished`))
    else stored?.resolve()
    this.#turn()
  }
}
