/**
 * What a worker holds, in memory that its lease thread (`lease-watch.ts`) can read: the jobs that it has claimed, and the
 * limiters of which it has permits.
 *
 * A `LedgerPage` has up to `JOBS` jobs of one claim. A job on a page is
 *
 *   ahead     claimed, and not begun; the worker begins it or takes it back, or the thread does: whoever is first
 *   running   begun here
 *   done      ended here, or taken back
 *   returned  given back by the thread
 *
 * A page that has nothing left is used again, unless the thread reads it just then. A job that ended here is left until
 * the store has answered for it: while the loop stands still, its outcome does, and its lease must be renewed like one
 * that runs. Without a thread the pages are kept all the same: writing them costs less than asking (measured: 40 ns a
 * job, of 2,700).
 */
import type { LeasedJob } from '../../model/record.ts'

/** Jobs of a page. */
export const JOBS = 64
/** Bytes for their ids, one a line; ours have 13 letters. */
const TEXT = JOBS * 16

export const AHEAD = 1
export const RUNNING = 2
export const DONE = 3
export const RETURNED = 4
/** Taken out by the loop, and not begun: a suspect that waits to run alone. */
export const APART = 5

/** Instead of milliseconds until a job is tried again: it is not, and its class is told then; or is being told now. */
export const NEVER = -1
export const TOLD = -2

/** One page, as either side sees it. */
export class LedgerPage {
  readonly memory: SharedArrayBuffer
  /** Whether it is in use, its number of jobs, which partition, bytes of text; whether the thread reads it. */
  readonly head: Int32Array
  /** Number of the call that claimed, and when (`performance.now()` of the worker). */
  readonly claim: Float64Array
  /**
   * Three a running job, for who must judge it while the event loop stands still: when its time is over
   * (`performance.now()` of the worker), milliseconds until it is tried again if it fails now (or `NEVER`, or `TOLD`),
   * and which run it is.
   */
  readonly terms: Float64Array
  readonly states: Uint8Array
  readonly text: Buffer
  /** Jobs that are left on it: the worker's affair. */
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

  /** The thread reads it: it must not be filled anew meanwhile. */
  get isRead(): boolean {
    return Atomics.load(this.head, 4) === 1
  }
  set isRead(reads: boolean) {
    Atomics.store(this.head, 4, reads ? 1 : 0)
  }

  /** None when they were too long to be written down. */
  get ids(): string[] {
    const length = this.head[3]!
    return length === 0 ? [] : this.text.toString('latin1', 0, length).split('\n')
  }

  fill(partition: number, number: number, jobs: readonly LeasedJob[], now: number): void {
    this.head[1] = jobs.length
    this.head[2] = partition
    const ids = jobs.map(({ id }) => id).join('\n')
    this.head[3] = ids.length > TEXT ? 0 : this.text.write(ids, 'latin1')
    this.claim[0] = number
    this.claim[1] = now
    this.states.fill(AHEAD, 0, jobs.length)
    this.states.fill(0, jobs.length)
    Atomics.store(this.head, 0, 1)
  }
}

/** A claimed job that has not begun, with its place in the ledger. */
export interface HeldJob {
  lease: LeasedJob
  page: LedgerPage
  index: number
  /** The earliest time at which its lease may end, by `performance.now()`. */
  until: number
}

export class Ledger {
  readonly #free: LedgerPage[] = []
  readonly #added: (page: LedgerPage) => void

  /** @param added told of each new page */
  constructor(added: (page: LedgerPage) => void = () => {}) {
    this.#added = added
  }

  /**
   * Writes down a claim.
   *
   * @param partition its number among the worker's
   * @param number of the call
   * @param until when its lease ends at the earliest, by `performance.now()`
   */
  enter(
    partition: number,
    number: number,
    jobs: readonly LeasedJob[],
    now: number,
    until: number,
  ): HeldJob[] {
    const held: HeldJob[] = []
    for (let at = 0; at < jobs.length; at += JOBS) {
      const part = jobs.slice(at, at + JOBS)
      const page = this.#unused()
      page.fill(partition, number, part, now)
      page.left = part.length
      for (const [index, lease] of part.entries()) held.push({ lease, page, index, until })
    }
    return held
  }

  /** @returns false when the thread was first, and gave it back */
  begin(held: HeldJob, deadline: number, retryIn: number): boolean {
    const { page, index } = held
    this.judge(held, deadline, retryIn)
    if (page.states[index] !== APART) return this.#take(held, RUNNING)
    Atomics.store(page.states, index, RUNNING)
    return true
  }

  /** Keeps a job that has not begun from going back when its window is over. @returns as `begin` */
  setApart(held: HeldJob): boolean {
    return this.#take(held, APART)
  }

  #take({ page, index }: HeldJob, state: number): boolean {
    if (Atomics.compareExchange(page.states, index, AHEAD, state) === AHEAD) return true
    this.#leave(page)
    return false
  }

  /** Writes down how a job is judged if it blocks the loop. */
  judge({ lease, page, index }: HeldJob, deadline: number, retryIn: number): void {
    const at = index * 3
    page.terms[at] = deadline
    page.terms[at + 1] = retryIn
    page.terms[at + 2] = lease.runs
  }

  /** A job that runs has ended. */
  end({ page, index }: HeldJob): void {
    Atomics.store(page.states, index, DONE)
  }

  /** The store has answered for the end of a job, or nobody needs to hear of it. */
  settled({ page }: HeldJob): void {
    this.#leave(page)
  }

  /** Takes a job back that has not begun. @returns false when the thread was first */
  withdraw({ page, index }: HeldJob): boolean {
    const isOurs = Atomics.compareExchange(page.states, index, AHEAD, DONE) === AHEAD
    this.#leave(page)
    return isOurs
  }

  #leave(page: LedgerPage): void {
    page.left--
    if (page.left > 0) return
    Atomics.store(page.head, 0, 0)
    this.#free.push(page)
  }

  #unused(): LedgerPage {
    const free = this.#free.findLastIndex((page) => !page.isRead)
    if (free >= 0) return this.#free.splice(free, 1)[0]!
    const page = new LedgerPage()
    this.#added(page)
    return page
  }
}

/** Names of a page, and bytes for each: a longer one is known to the loop alone. */
const NAMES = 64
const BYTES = 256

/** One page, as either side sees it. */
/**
 * The names of limiters of which the worker holds permits. The thread may read a name while it changes into another: it
 * then renews permits that nobody holds, which has no effect.
 */
export class HoldingsPage {
  readonly memory: SharedArrayBuffer
  /** Bytes of each name; 0 where there is none. */
  readonly #lengths: Int32Array
  readonly #text: Buffer

  constructor(memory = new SharedArrayBuffer(NAMES * (4 + BYTES))) {
    this.memory = memory
    this.#lengths = new Int32Array(memory, 0, NAMES)
    this.#text = Buffer.from(memory, NAMES * 4)
  }

  get names(): string[] {
    const names: string[] = []
    for (let index = 0; index < NAMES; index++) {
      const length = Atomics.load(this.#lengths, index)
      if (length > 0) names.push(this.#text.toString('utf8', index * BYTES, index * BYTES + length))
    }
    return names
  }

  write(index: number, name: string): void {
    Atomics.store(this.#lengths, index, this.#text.write(name, index * BYTES, BYTES, 'utf8'))
  }

  clear(index: number): void {
    Atomics.store(this.#lengths, index, 0)
  }
}

interface NameEntry {
  page: HoldingsPage
  index: number
}

export class Holdings {
  readonly #places = new Map<string, NameEntry>()
  readonly #free: NameEntry[] = []
  readonly #added: (page: HoldingsPage) => void

  /** @param added told of each new page */
  constructor(added: (page: HoldingsPage) => void) {
    this.#added = added
  }

  enter(name: string): void {
    if (this.#places.has(name) || Buffer.byteLength(name) > BYTES) return
    const place = this.#free.pop() ?? this.#onNewPage()
    place.page.write(place.index, name)
    this.#places.set(name, place)
  }

  leave(name: string): void {
    const place = this.#places.get(name)
    if (place === undefined) return
    this.#places.delete(name)
    place.page.clear(place.index)
    this.#free.push(place)
  }

  #onNewPage(): NameEntry {
    const page = new HoldingsPage()
    this.#added(page)
    for (let index = NAMES - 1; index > 0; index--) this.#free.push({ page, index })
    return { page, index: 0 }
  }
}
