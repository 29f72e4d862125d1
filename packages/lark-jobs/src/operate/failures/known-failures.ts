/**
 * The failed jobs of one partition in the memory of a failure book. Only the time and the kind of each job's
 * failure are remembered, and the last failure of each kind.
 *
 *   older    reads jobs that failed before the known jobs, page by page, the latest first, until all jobs are
 *            read
 *   newer    reads jobs that failed since the last read
 *   compare  reads the ids of all failed jobs, and forgets jobs that are no longer failed
 *
 * A job that fails a second time is read as a newer job, and replaces its former entry.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { defined } from '@s18i/lark/internal'
import type { JobError, JobRecord } from '../../model/record.ts'
import { fingerprintOf } from '../../run/fingerprint.ts'
import { MAX_ITEMS, type Store } from '../../store/contract/store.ts'
import { askAll } from '../look/ask-all.ts'
import { noteRelease } from './failures.ts'

/** How many of the latest failed jobs are read first, to find out whether any of these jobs is new. */
const FEW = 20
/**
 * How many jobs are read in one call. On the embedded store, such a call blocks the event loop of this
 * process. (Measured on 2026-11-27, 100,000 failed jobs, Node 20.20, 2 cores, busy: the read took 2.5 s in
 * all, and blocked the event loop for at most 29 ms at a time.)
 */
const TOGETHER = 250
/** Comparing this many ids takes about 30 ms. Larger numbers of ids are compared less often. */
const MANY = 10_000
/** How many characters of a message are kept. */
const MAX_MESSAGE = 20_000

/** The failures of one kind in a partition. */
export interface KnownKind {
  /** The whole hash of the kind. */
  hash: string
  key: string
  name: string
  code?: string
  message: string
  frame?: string
  /** The releases in which this kind of failure was seen. */
  releases: string[]
  /**
   * The last failure of this kind. Undefined if the job of this failure is no longer failed, and `settle` has
   * not chosen another job yet.
   */
  last: LastFailure | undefined
}

export interface LastFailure {
  id: string
  at: number
  error: JobError
}

export interface KnownFailure {
  /** Milliseconds since 1970. */
  at: number
  /** The kind of the failure. Undefined if the job has no error, or if there were too many kinds. */
  kind: KnownKind | undefined
}

export class KnownFailures {
  readonly #store: Store
  readonly #partition: string
  readonly #mayMeet: () => boolean
  readonly #jobs = new Map<string, KnownFailure>()
  readonly #kinds = new Map<string, KnownKind>()
  /** The store's cursor to the jobs that have not been read yet. Undefined if all jobs have been read. */
  #older: string | undefined
  #hasBegun = false
  /**
   * Whether the store stopped answering while newer jobs were read. If so, there may be unread jobs between
   * these newer jobs and the known jobs.
   */
  #hasGap = false
  /** When all ids were last compared, and when they may be compared again, by `performance.now()`. */
  #compared = { at: 0, nextAt: 0 }

  /**
   * @param mayMeet returns whether one more kind may be distinguished. False if there are as many kinds as
   * allowed
   */
  constructor(store: Store, partition: string, mayMeet: () => boolean) {
    this.#store = store
    this.#partition = partition
    this.#mayMeet = mayMeet
  }

  get jobs(): ReadonlyMap<string, KnownFailure> {
    return this.#jobs
  }

  /** The hashes of the kinds in this partition. */
  get hashes(): string[] {
    return [...this.#kinds.keys()]
  }

  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** Whether some failed jobs have not been read yet. */
  get isOpen(): boolean {
    return !this.#hasBegun || this.#older !== undefined
  }

  /** Reads a page of the jobs that failed before the known jobs. */
  async older(): Promise<void> {
    const { jobs, cursor } = await this.#read(TOGETHER, this.#older)
    for (const job of jobs) this.#take(job)
    this.#older = cursor
    if (!this.#hasBegun) this.#compared.at = performance.now()
    this.#hasBegun = true
  }

  /** @param isOver returns whether to stop early */
  async newer(isOver: () => boolean): Promise<void> {
    const hadGap = this.#hasGap
    let [limit, cursor]: [number, string | undefined] = [FEW, undefined]
    do {
      const page = await this.#read(limit, cursor)
      for (const job of page.jobs) {
        if (this.#jobs.get(job.id)?.at === job.finishedAt) {
          this.#hasGap = hadGap
          return
        }
        this.#take(job)
      }
      limit = TOGETHER
      cursor = page.cursor
      this.#hasGap = cursor !== undefined
    } while (cursor !== undefined && !isOver())
  }

  /**
   * Whether the remembered ids should be compared with the ids in the store, because some jobs were removed
   * or retried, or because the last comparison was long ago. After a comparison of many ids, the next
   * comparison waits ten times as long as the last comparison took.
   *
   * @param before how many failed jobs the store had before the newer jobs were read @param after how many
   *   failed jobs the store had afterwards
   * @param age milliseconds after which the ids are compared in any case
   */
  shouldCompare(before: number, after: number, age: number): boolean {
    const now = performance.now()
    const { size } = this.#jobs
    const differs = !this.isOpen && (size < before || size > after)
    return (this.#hasGap || differs || now - this.#compared.at > age) && now >= this.#compared.nextAt
  }

  /** @param isOver returns whether to stop early, without further changes */
  async compare(isOver: () => boolean): Promise<void> {
    const began = performance.now()
    const seen = new Set<string>()
    const left = new Set(this.#jobs.keys())
    let cursor: string | undefined
    do {
      const from = cursor === undefined ? {} : { cursor }
      const page = await this.#store.heads(this.#partition, { state: 'failed', limit: MAX_ITEMS, ...from })
      const unknown = page.jobs.filter(({ id }) => !this.#jobs.has(id))
      // The rest of the list consists of older jobs that have not been read yet, so the comparison can stop
      // here.
      if (this.isOpen && !this.#hasGap && unknown.length === page.jobs.length) break
      if (unknown.length > 0) await this.#readAgain(page.jobs.length, cursor)
      for (const { id } of page.jobs) seen.add(id)
      cursor = page.cursor
      await turn()
    } while (cursor !== undefined && !isOver())
    if (isOver()) return
    for (const id of left) if (!seen.has(id)) this.#forget(id)
    this.#hasGap = false
    const now = performance.now()
    this.#compared = { at: now, nextAt: seen.size > MANY ? now + 10 * (now - began) : now }
  }

  /**
   * Finds another last failure for each kind whose last job is no longer failed, and forgets kinds without
   * jobs.
   */
  async settle(): Promise<void> {
    const headless = new Map<KnownKind, [id: string, at: number]>()
    if ([...this.#kinds.values()].every(({ last }) => last !== undefined)) return
    for (const [id, { at, kind }] of this.#jobs)
      if (kind !== undefined && kind.last === undefined && at > (headless.get(kind)?.[1] ?? -1))
        headless.set(kind, [id, at])
    for (const [hash, kind] of this.#kinds)
      if (kind.last === undefined && !headless.has(kind)) this.#kinds.delete(hash)
    await askAll([...headless], ([kind, [id, at]]) => this.#lead(kind, id, at))
  }

  /**
   * Makes a job the last failure of its kind. If the job no longer exists, the next look finds another job.
   */
  async #lead(kind: KnownKind, id: string, at: number): Promise<void> {
    const job = await this.#store.get(this.#partition, id, true)
    const error = job?.errors.at(-1)
    if (job?.state === 'failed' && job.finishedAt === at && error !== undefined)
      kind.last = { id, at, error: bounded(error) }
    else this.#forget(id)
  }

  async #read(limit: number, cursor: string | undefined) {
    const filter = { state: 'failed', limit, isLean: true } as const
    return await this.#store.list(this.#partition, cursor === undefined ? filter : { ...filter, cursor })
  }

  async #readAgain(count: number, from: string | undefined): Promise<void> {
    let cursor = from
    for (let left = count; left > 0; ) {
      const page = await this.#read(left, cursor)
      for (const job of page.jobs) this.#take(job)
      left -= page.jobs.length
      cursor = page.cursor
      if (cursor === undefined) return
    }
  }

  #take(job: JobRecord): void {
    const { id, finishedAt: at = 0 } = job
    if (this.#jobs.get(id)?.at === at) return
    this.#forget(id)
    const kind = this.#kindOf(job, at)
    this.#jobs.set(id, { at, kind })
  }

  #kindOf(job: JobRecord, at: number): KnownKind | undefined {
    const error = job.errors.at(-1)
    const print = fingerprintOf(job)
    if (print === undefined || error === undefined) return undefined
    const last = { id: job.id, at, error: bounded(error) }
    const known = this.#kinds.get(print.hash)
    if (known !== undefined) {
      noteRelease(known.releases, error)
      if (known.last !== undefined && at > known.last.at) known.last = last
      return known
    }
    if (!this.#mayMeet()) return undefined
    const { name, code } = error
    const kind = { ...print, key: job.key, name, ...defined({ code }), releases: [], last }
    noteRelease(kind.releases, error)
    this.#kinds.set(print.hash, kind)
    return kind
  }

  #forget(id: string): void {
    const kind = this.#jobs.get(id)?.kind
    if (kind?.last?.id === id) kind.last = undefined
    this.#jobs.delete(id)
  }
}

function bounded(error: JobError): JobError {
  return error.message.length <= MAX_MESSAGE
    ? error
    : { ...error, message: error.message.slice(0, MAX_MESSAGE) }
}
