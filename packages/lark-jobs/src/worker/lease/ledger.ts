/**
 * The ledger lists the jobs that a worker has claimed, in memory that its lease thread (`lease-watch.ts`) can
 * read.
 *
 * A `LedgerPage` has up to `JOBS` jobs of one claim. A job on a page is
 *
 *   prefetched  claimed, and not begun. Either the worker begins the job or takes it back, or the thread
 *               gives it back: the side that acts first decides
 *   running     begun in this worker
 *   apart       no longer prefetched, and not begun: a suspect that waits to run alone
 *   done        ended in this worker, or taken back
 *   returned    given back by the thread
 *
 * A page is used again when no job is left on it, unless the thread is reading the page. A job that has ended
 * stays on its page until the store has acknowledged its outcome: while the event loop is blocked, the
 * outcome is not sent, and the thread must renew the job's lease. Pages are written even if there is no
 * thread, because this costs less than to check for a thread (measured: 40 ns of the 2,700 ns that a job
 * costs).
 */
import type { ClaimedJob } from '../../model/record.ts'

/** The largest number of jobs on a page. */
export const JOBS = 64
/**
 * Bytes for the ids of a page, which has one id on each line. Ids that Lark makes have 13 letters.
 * Applications may choose ids of up to 300 bytes. A page has room for fewer jobs with such ids.
 */
const TEXT = JOBS * 16

export const PREFETCHED = 1
export const RUNNING = 2
export const DONE = 3
export const RETURNED = 4
export const APART = 5

/**
 * Special values of the milliseconds until a retry. NEVER: the job is not tried again, and its `failed()`
 * hook must be called afterwards. TOLD: the `failed()` hook of the job is running now.
 */
export const NEVER = -1
export const TOLD = -2

/** One page, as the worker and the thread see it. */
export class LedgerPage {
  readonly memory: SharedArrayBuffer
  /**
   * Five numbers: whether the page is in use, the number of jobs, the index of the partition, the bytes of
   * text, and whether the thread is reading the page.
   */
  readonly head: Int32Array
  /**
   * The number of the call that claimed the jobs, and the time of the claim (`performance.now()` of the
   * worker).
   */
  readonly claim: Float64Array
  /**
   * Three values for each running job. The thread needs them to settle a job that blocks the event loop for
   * too long: when the timeout of the job expires (`performance.now()` of the worker); the milliseconds until
   * the retry if the job fails now, or `NEVER`, or `TOLD`; the number of the run.
   */
  readonly terms: Float64Array
  readonly states: Uint8Array
  readonly text: Buffer
  /** How many jobs are left on the page. The thread does not use this number. */
  left = 0

  constructor(memory = new SharedArrayBuffer(40 + JOBS * 25 + TEXT)) {
    this.memory = memory
    this.head = new Int32Array(memory, 0, 5)
    this.claim = new Float64Array(memory, 24, 2)
    this.terms = new Float64Array(memory, 40, JOBS * 3)
    this.states = new Uint8Array(memory, 40 + JOBS * 24, JOBS)
    this.text = Buffer.from(memory, 40 + JOBS * 25, TEXT)
  }

  get inUse(): boolean {
    return Atomics.load(this.head, 0) === 1
  }

  /** Whether the thread is reading the page. The worker must not fill the page again meanwhile. */
  get isRead(): boolean {
    return Atomics.load(this.head, 4) === 1
  }
  set isRead(reads: boolean) {
    Atomics.store(this.head, 4, reads ? 1 : 0)
  }

  /**
   * The ids of the jobs on the page. Empty if the only job on the page has an id that is longer than Lark
   * accepts.
   */
  get ids(): string[] {
    const length = this.head[3]!
    return length === 0 ? [] : this.text.toString('utf8', 0, length).split('\n')
  }

  /** Writes as many jobs of a claim as fit on the page. @returns the jobs that were written */
  fill(partition: number, number: number, all: readonly ClaimedJob[], now: number): readonly ClaimedJob[] {
    let jobs = all.length > JOBS ? all.slice(0, JOBS) : all
    let ids = linesOf(jobs)
    while (jobs.length > 1 && isTooLong(ids)) {
      jobs = jobs.slice(0, Math.ceil(jobs.length / 2))
      ids = linesOf(jobs)
    }
    this.left = jobs.length
    this.head[1] = jobs.length
    this.head[2] = partition
    this.head[3] = isTooLong(ids) ? 0 : this.text.write(ids, 'utf8')
    this.claim[0] = number
    this.claim[1] = now
    this.states.fill(PREFETCHED, 0, jobs.length)
    this.states.fill(0, jobs.length)
    Atomics.store(this.head, 0, 1)
    return jobs
  }
}

function linesOf(jobs: readonly ClaimedJob[]): string {
  return jobs.map(({ id }) => id).join('\n')
}

/**
 * Whether the ids need more bytes than a page has. Each character needs at most three bytes, so the bytes of
 * a short text need not be counted.
 */
function isTooLong(ids: string): boolean {
  return ids.length * 3 > TEXT && Buffer.byteLength(ids) > TEXT
}

/** A claimed job, with its place in the ledger. */
export interface HeldJob {
  job: ClaimedJob
  page: LedgerPage
  index: number
  /** The earliest time at which the lease of the job may end, by `performance.now()`. */
  until: number
}

export class Ledger {
  readonly #free: LedgerPage[] = []
  readonly #added: (page: LedgerPage) => void

  /** @param added called with each new page */
  constructor(added: (page: LedgerPage) => void = () => {}) {
    this.#added = added
  }

  /**
   * Writes the jobs of a claim into the ledger.
   *
   * @param partition the index of the partition among the worker's partitions
   * @param number the number of the call
   * @param until the earliest time at which the lease of the claim may end, by `performance.now()`
   */
  enter(
    partition: number,
    number: number,
    jobs: readonly ClaimedJob[],
    now: number,
    until: number,
  ): HeldJob[] {
    const held: HeldJob[] = []
    while (held.length < jobs.length) {
      const page = this.#unused()
      const part = page.fill(partition, number, held.length === 0 ? jobs : jobs.slice(held.length), now)
      for (const [index, job] of part.entries()) held.push({ job, page, index, until })
    }
    return held
  }

  /** Notes that a job begins. @returns false if the thread has already given the job back */
  begin(held: HeldJob, deadline: number, retryIn: number): boolean {
    const { page, index } = held
    this.judge(held, deadline, retryIn)
    if (page.states[index] !== APART) return this.#take(held, RUNNING)
    Atomics.store(page.states, index, RUNNING)
    return true
  }

  /**
   * Marks a job that waits until it can run alone. The thread does not give back such a job, even after the
   * window of the job.
   *
   * @returns false if the thread has already given the job back
   */
  setApart(held: HeldJob): boolean {
    return this.#take(held, APART)
  }

  #take(held: HeldJob, state: number): boolean {
    if (Atomics.compareExchange(held.page.states, held.index, PREFETCHED, state) === PREFETCHED) return true
    this.settled(held)
    return false
  }

  /** Writes how the thread settles the job if the job blocks the event loop for too long. */
  judge({ job, page, index }: HeldJob, deadline: number, retryIn: number): void {
    const at = index * 3
    page.terms[at] = deadline
    page.terms[at + 1] = retryIn
    page.terms[at + 2] = job.runs
  }

  /** Notes that a running job has ended. */
  end({ page, index }: HeldJob): void {
    Atomics.store(page.states, index, DONE)
  }

  /** Removes a job whose outcome the store has acknowledged, or whose outcome will never be sent. */
  settled({ page }: HeldJob): void {
    page.left--
    if (page.left > 0) return
    Atomics.store(page.head, 0, 0)
    this.#free.push(page)
  }

  /** Takes back a job that has not begun. @returns false if the thread has already given the job back */
  withdraw(held: HeldJob): boolean {
    const isOurs = Atomics.compareExchange(held.page.states, held.index, PREFETCHED, RETURNED) === PREFETCHED
    this.settled(held)
    return isOurs
  }

  #unused(): LedgerPage {
    const free = this.#free.findLastIndex((page) => !page.isRead)
    if (free >= 0) return this.#free.splice(free, 1)[0]!
    const page = new LedgerPage()
    this.#added(page)
    return page
  }
}
