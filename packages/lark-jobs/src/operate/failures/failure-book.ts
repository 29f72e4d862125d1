/**
 * Why jobs failed for good, for screens that ask again and again: a process remembers all failed jobs of a
 * store, and reads with each look only what has changed since. `failures()` reads them all with each call.
 *
 * Looks at the same time share one reading. A look does not wait for long: while the failed jobs are read for
 * the first time, it returns those that were read by then. The memory is freed when nobody has looked for a
 * while.
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

/** The most failed jobs that are remembered: about 150 bytes each. */
const MOST_JOBS = 200_000
/** How many more jobs may have failed before the memory is dropped and everything is read again. */
const ROOM = 50_000
/** Milliseconds that a look waits for changes. */
const PATIENCE = 500
/** Milliseconds after which all ids are compared with those of the store, whatever their number. */
const COMPARE = 60_000
/** Milliseconds for which a book remembers after the last look. */
const REMEMBERED = 10 * 60_000
/** For how many hours back the number of failed jobs is counted for each hour. */
const HOURS = 24

const { queue, key, kind, since } = jobConditions(['failed'])
const filterSchema = conditions({ queue, key, kind, since })
const optionsSchema = conditions({
  /** The most kinds to return, 1…1,000, those with the most jobs first. Default 100. */
  limit: whole(1, MOST_KINDS),
})

/** The conditions for failed jobs that a book supports. */
export interface FailureBookFilter extends OptionsOf<typeof filterSchema.entries> {}

export interface FailureBookOptions extends OptionsOf<typeof optionsSchema.entries> {}

export interface FailureBookKind extends FailureKind {
  /**
   * How many of these jobs failed in each of the last 24 hours, the oldest first. The last hour is not over.
   */
  hours: number[]
}

export interface BookedFailures extends Failures {
  kinds: FailureBookKind[]
  /** When the store was asked, by its clock: milliseconds since 1970. */
  at: number
  /** How many failed jobs of all queues were read so far, and how many the store has. */
  read: number
  stored: number
  /** The first reading is not finished: the next look knows more. */
  isReading: boolean
}

/** Made by `operate().failureBook()`. */
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
   * The kinds of the failed jobs, as `failures()` tells them. It takes milliseconds if little has changed
   * since the last look. While many failed jobs are read for the first time, it tells after half a second
   * what it knows by then.
   *
   * Jobs that were retried or removed leave with the next look, and within some seconds if there are many
   * failed jobs. At the latest after a minute, everything is as in the store. A book remembers about 200,000
   * jobs, the latest of each queue.
   *
   * @param filter `queue`, `key`, `kind`, `since`
   * @param options `limit`: the most kinds, 1…1,000, default 100
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
    // Before the store was asked for the first time, there is nothing to return.
    const read = reading.then(() => true)
    while (!(await inTime(PATIENCE, read, () => false)) && this.#at === 0);
    return this.#told(partitions, filter, options.limit ?? 100)
  }

  /** Ends the reading, and forgets everything. */
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
   * Reads what has changed by now. A reading that is under way may have passed a change, so another one
   * follows it.
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

  /** One page of each partition, so that the latest jobs of each are known if there are too many. */
  async #readOlder(isOver: () => boolean): Promise<void> {
    for (const known of this.#partitions.values()) {
      if (!known.isOpen || isOver() || this.#known >= MOST_JOBS) continue
      await known.older()
      // The process has other things to do, too.
      await turn()
    }
  }

  get #known(): number {
    return sum([...this.#partitions.values()].map(({ jobs }) => jobs.size))
  }

  get #mayMeet(): boolean {
    return sum([...this.#partitions.values()].map(({ hashes }) => hashes.length)) < MOST_KINDS
  }

  /** Jobs that failed before the book was opened are still being read. */
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

/** Adds up the kinds of jobs of several partitions. */
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

/** How many failed jobs each partition has, for those that have some. */
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
