/**
 * Groups failed jobs by the kind of their failure, for screens that ask again and again. The process
 * remembers all failed jobs of a store, so each call of `look()` reads only the changes. (`failures()`, in
 * contrast, reads all failed jobs in each call.)
 *
 * Simultaneous looks share one read. A look does not wait long: while the failed jobs are being read for the
 * first time, a look returns the jobs that were read so far. The memory is freed after some time without a
 * look.
 */

import { setImmediate as turn } from 'node:timers/promises'
import { queueOf } from '../../model/partition.ts'
import { type OptionsOf, whole } from '../../options/schema.ts'
import { shortNames } from '../../run/fingerprint.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { HOUR, MAX_STANDINGS, type Store } from '../../store/contract/store.ts'
import { inTime } from '../../waiting/bounded-wait.ts'
import { AT_ONCE } from '../look/ask-all.ts'
import { checkFilter, conditions, jobConditions } from '../look/filter.ts'
import { sinceInstant } from '../look/since.ts'
import { everyPartition, type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'
import { type FailureKind, type Failures, MOST_KINDS } from './failures.ts'
import { type KnownFailure, KnownFailures, type KnownKind, type LastFailure } from './known-failures.ts'

/** The maximum number of failed jobs that are remembered: about 150 bytes each. */
const MOST_JOBS = 200_000
/**
 * If more than this many jobs have failed since the last read, all remembered jobs are dropped and read
 * again.
 */
const ROOM = 50_000
/** How long a look waits for the read of changes, in milliseconds. */
const PATIENCE = 500
/**
 * Milliseconds after which all remembered ids are compared with the ids in the store, no matter how many ids
 * there are.
 */
const COMPARE = 60_000
/** How long a book keeps its memory after the last look, in milliseconds. */
const REMEMBERED = 10 * 60_000
/** The number of past hours for which failed jobs are counted per hour. */
const HOURS = 24

const { queue, key, kind, since } = jobConditions(['failed'])
const filterSchema = conditions({ queue, key, kind, since })
const optionsSchema = conditions({
  /** The maximum number of kinds to return, 1…1,000. The kinds with the most jobs come first. Default 100. */
  limit: whole(1, MOST_KINDS),
})

/** The conditions for failed jobs that a book supports. */
export interface FailureBookFilter extends OptionsOf<typeof filterSchema.entries> {}

export interface FailureBookOptions extends OptionsOf<typeof optionsSchema.entries> {}

export interface FailureBookKind extends FailureKind {
  /**
   * How many of these jobs failed in each of the last 24 hours, the oldest hour first. The last hour is not
   * over yet.
   */
  hours: number[]
}

export interface BookedFailures extends Failures {
  kinds: FailureBookKind[]
  /** When the store was asked: milliseconds since 1970, by the store's clock. */
  at: number
  /** How many failed jobs of all queues were read so far. */
  read: number
  stored: number
  /** Whether the first read is still going on. If so, the next look returns more. */
  isReading: boolean
}

/** Remembers the failed jobs of a store. Made by `operate().failureBook()`. */
export class FailureBook {
  readonly #open: () => Promise<OpenQueues>
  #partitions = new Map<string, KnownFailures>()
  #reading: Promise<void> | undefined
  #next: Promise<void> | undefined
  #stored = 0
  #at = 0
  #forgetting: NodeJS.Timeout | undefined
  #isClosed = false

  /** @internal */
  constructor(opened: () => Promise<OpenQueues>) {
    this.#open = opened
  }

  /**
   * Returns the kinds of failures, in the form of `failures()`. A look takes milliseconds if little has
   * changed since the last look. While many failed jobs are being read for the first time, a look returns
   * after half a second with the jobs that were read by then.
   *
   * Jobs that were retried or removed disappear with the next look, or within some seconds if there are many
   * failed jobs. After a minute at most, the book agrees with the store. A book remembers about 200,000 jobs,
   * the latest ones of each queue.
   *
   * @param filter `queue`, `key`, `kind`, `since`
   * @param options `limit`: the maximum number of kinds, 1…1,000, default 100
   * @throws FILTER_INVALID, UNKNOWN_QUEUE
   * @example
   * await using book = await operate().failureBook()
   * const { kinds, read, stored } = await book.look({ since: '1d' })
   */
  async look(filter: FailureBookFilter = {}, options: FailureBookOptions = {}): Promise<BookedFailures> {
    checkFilter('FailureBook.look()', filter, filterSchema)
    checkFilter('FailureBook.look()', options, optionsSchema, { whole: 'the second argument' })
    const open = await this.#open()
    const partitions = await partitionsToLookIn(open, filter.queue)
    this.#keep()
    const reading = this.#read(open)
    // Before the first answer of the store, the book has nothing to return. So the look waits for this
    // answer.
    const read = reading.then(() => true)
    while (!(await inTime(PATIENCE, read, () => false)) && this.#at === 0);
    return this.#told(partitions, filter, options.limit ?? 100)
  }

  /** Ends the read that is going on, and forgets everything. */
  close(): void {
    this.#isClosed = true
    this.#forget()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
  }

  #keep(): void {
    this.#isClosed = false
    clearTimeout(this.#forgetting)
    this.#forgetting = setTimeout(() => this.#forget(), REMEMBERED)
    this.#forgetting.unref()
  }

  #forget(): void {
    clearTimeout(this.#forgetting)
    this.#partitions = new Map()
    this.#at = 0
  }

  /**
   * Reads what has changed until now. A read that is already going on may have missed a change, so another
   * read follows.
   */
  #read(open: OpenQueues): Promise<void> {
    if (this.#reading === undefined) {
      this.#reading = this.#update(open).finally(() => {
        this.#reading = undefined
      })
      return this.#reading
    }
    this.#next ??= this.#reading
      .catch(() => {})
      .then(() => {
        this.#next = undefined
        return this.#read(open)
      })
    return this.#next
  }

  async #update(open: OpenQueues): Promise<void> {
    const { store } = open
    const [at, all] = await Promise.all([store.now(), everyPartition(open)])
    const counts = await failedIn(store, [...all.values()].flat())
    const book = this.#partitions
    for (const partition of counts.keys())
      if (!book.has(partition)) book.set(partition, new KnownFailures(store, partition, () => this.#mayMeet))
    this.#at = at
    this.#stored = sum(counts.values())
    const isOver = () => this.#isClosed || this.#partitions !== book || this.#known > MOST_JOBS + ROOM
    const begun = [...book.values()].filter(({ hasBegun }) => hasBegun)
    for (let i = 0; i < begun.length && !isOver(); i += AT_ONCE)
      await Promise.all(begun.slice(i, i + AT_ONCE).map((each) => each.newer(isOver)))
    while (this.#isReading && !isOver()) await this.#readOlder(isOver)
    for (const [partition, known] of book) {
      if (isOver()) break
      const before = counts.get(partition) ?? 0
      const after = known.jobs.size === before ? before : (await store.counts(partition)).failed
      if (known.shouldCompare(before, after, COMPARE)) await known.compare(isOver)
      await known.settle()
    }
    if (this.#known > MOST_JOBS + ROOM) this.#forget()
  }

  /**
   * Reads one page of each partition in turn. If there are too many jobs to remember all, the latest jobs of
   * every partition are known.
   */
  async #readOlder(isOver: () => boolean): Promise<void> {
    for (const known of this.#partitions.values()) {
      if (!known.isOpen || isOver() || this.#known >= MOST_JOBS) continue
      await known.older()
      // Lets the event loop do other work between two pages.
      await turn()
    }
  }

  get #known(): number {
    return sum([...this.#partitions.values()].map(({ jobs }) => jobs.size))
  }

  get #mayMeet(): boolean {
    return sum([...this.#partitions.values()].map(({ hashes }) => hashes.length)) < MOST_KINDS
  }

  /** Whether jobs that failed before the book was opened are still being read. */
  get #isReading(): boolean {
    return this.#known < MOST_JOBS && [...this.#partitions.values()].some(({ isOpen }) => isOpen)
  }

  #told(partitions: readonly string[], filter: FailureBookFilter, limit: number): BookedFailures {
    const names = shortNames([...new Set([...this.#partitions.values()].flatMap(({ hashes }) => hashes))])
    const count = new KindCount(this.#at, filter)
    for (const partition of partitions)
      count.add(queueOf(partition), this.#partitions.get(partition)?.jobs.values() ?? [])
    const read = this.#known
    return {
      ...count.told(names, limit),
      at: this.#at,
      ...{ read, stored: Math.max(read, this.#stored), isReading: this.#isReading },
    }
  }
}

/** Adds up the failures of one kind from several partitions. */
class KindCount {
  readonly #at: number
  readonly #filter: FailureBookFilter
  readonly #since: number
  readonly #kinds = new Map<string, FailureBookKind>()
  #failed = 0

  constructor(at: number, filter: FailureBookFilter) {
    this.#at = at
    this.#filter = filter
    this.#since = sinceInstant(filter.since, at)
  }

  add(queue: string, jobs: Iterable<KnownFailure>): void {
    const { kind: named, key } = this.#filter
    const from = this.#at - (this.#at % HOUR) - (HOURS - 1) * HOUR
    const counts = new Map<KnownKind | undefined, FailureBookKind | undefined>()
    for (const { at, kind } of jobs) {
      if (at < this.#since) continue
      if (key !== undefined && kind?.key !== key) continue
      if (named !== undefined && !kind?.hash.startsWith(named)) continue
      this.#failed++
      let count = counts.get(kind)
      if (count === undefined) {
        if (kind?.last === undefined) continue
        count = this.#countOf(queue, kind, kind.last)
        counts.set(kind, count)
      }
      count.count++
      count.first = Math.min(count.first, at)
      count.last = Math.max(count.last, at)
      const hour = Math.floor((at - from) / HOUR)
      if (hour >= 0) count.hours[Math.min(hour, HOURS - 1)]!++
    }
  }

  told(names: ReadonlyMap<string, string>, limit: number): Failures & { kinds: FailureBookKind[] } {
    const kinds = [...this.#kinds]
      .map(([hash, each]) => ({ ...each, kind: names.get(hash) ?? hash, share: each.count / this.#failed }))
      .sort((one, other) => other.count - one.count || other.last - one.last)
      .slice(0, limit)
    return { kinds, failed: this.#failed, others: this.#failed - sum(kinds.map(({ count }) => count)) }
  }

  #countOf(queue: string, kind: KnownKind, { id, at, error }: LastFailure): FailureBookKind {
    const { hash, last: _, ...where } = kind
    const known = this.#kinds.get(hash)
    const sample = { id, queue, error }
    if (known !== undefined) {
      known.releases = [...new Set([...known.releases, ...kind.releases])]
      if (at > known.last) known.sample = sample
      return known
    }
    const hours = new Array<number>(HOURS).fill(0)
    const count: FailureBookKind = {
      kind: hash,
      ...where,
      count: 0,
      share: 0,
      first: at,
      last: 0,
      sample,
      hours,
    }
    this.#kinds.set(hash, count)
    return count
  }
}

/** The number of failed jobs in each partition. Partitions without failed jobs are left out. */
async function failedIn(store: Store, partitions: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  for (const some of inLots(partitions, MAX_STANDINGS)) {
    for (const [n, { counts, damage }] of (await store.standings(some)).entries()) {
      if (damage !== undefined) throw damage
      if (counts.failed > 0) found.set(some[n]!, counts.failed)
    }
  }
  return found
}

function sum(numbers: Iterable<number>): number {
  let all = 0
  for (const each of numbers) all += each
  return all
}
