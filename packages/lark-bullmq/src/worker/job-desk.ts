/**
 * Where `worker.getNextJob()` gets its jobs. A worker of Lark holds the lease of each job that was handed
 * out, and renews it, until the application says how the job has ended. It takes jobs only while somebody
 * asks for one.
 */
import type { Worker } from '@s18i/lark-jobs'
import type { BullJob, JobFinish } from '../job/bull-job.ts'
import { RateLimitError } from '../job/ending-errors.ts'
import type { JobHome } from '../store/shared-store.ts'

/** Milliseconds between two looks whether there is a job, and the longest wait for one that may not begin. */
const LOOK = { wait: 20, longest: 1_000 }

/** A promise that is settled from outside. */
interface Asked<T> {
  readonly promise: Promise<T>
  /** Whether the worker tells of the job that is handed out. */
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
  /** Those who ask for a job, the first first. */
  readonly #asked: Asked<BullJob | undefined>[] = []
  readonly #out = new Map<BullJob, Asked<void>>()
  #worker: Worker | undefined
  /** Whether the last call found no job. */
  #isDrained = false

  constructor(home: JobHome) {
    this.#home = home
  }

  /** @param worker which runs `hand` for each of its jobs */
  serve(worker: Worker): void {
    this.#worker = worker
    this.#turn()
  }

  /**
   * The next job, which is active from then on.
   *
   * @param longest milliseconds to wait for a job, if the last call has found none either; otherwise the call
   *   returns at once if no job waits
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
    const last = Math.max(over, performance.now() + LOOK.longest)
    // A job that has just been taken does not wait any more, and is not here yet.
    for (let found = 0; found < 2; ) {
      await new Promise((resolve) => setTimeout(resolve, LOOK.wait))
      if (!this.#asked.includes(asked)) return
      const now = performance.now()
      if (now < over) continue
      const { counts, isPaused } = await this.#home.store.standing(this.#home.queue)
      found = counts.waiting === 0 || isPaused || now > last ? found + 1 : 0
    }
    asked.resolve(undefined)
  }

  #leave(asked: Asked<BullJob | undefined>): void {
    const at = this.#asked.indexOf(asked)
    if (at !== -1) this.#asked.splice(at, 1)
    this.#turn()
  }

  /** Takes as many jobs as somebody asks for. */
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
   * Hands a job to the one who asks for it.
   *
   * @returns a promise that ends as the job does
   */
  async hand(job: BullJob): Promise<unknown> {
    const asked = this.#asked.shift()
    // Nobody waits for it any more.
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

  /** The store knows how a job has ended, or that it is lost. */
  stored(job: BullJob, isLost: boolean): void {
    const stored = this.#out.get(job)
    this.#out.delete(job)
    if (isLost) stored?.reject(new Error(`Missing lock for job ${job.id}. moveToFinished`))
    else stored?.resolve()
    this.#turn()
  }
}
