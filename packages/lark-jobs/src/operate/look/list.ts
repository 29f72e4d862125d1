/**
 * Lists the jobs of some queues and states that meet some conditions, page by page. A call reads only a few
 * pages of the store. Therefore a call costs the same if there are many jobs, or if few jobs meet the
 * conditions. A cursor says where the next call continues. No state is kept between two calls.
 */
import { defined } from '@s18i/lark/internal'
import { queueOf } from '../../model/partition.ts'
import { type JobRecord, type State, states } from '../../model/record.ts'
import type { JobLike } from '../../options/job-class.ts'
import { isText, type OptionsOf, oneOf, option, whole } from '../../options/schema.ts'
import { MAX_BYTES, MAX_ITEMS, MAX_STANDINGS, type Store } from '../../store/contract/store.ts'
import { Cursors } from './cursor.ts'
import { checkFilter, conditions, type Flags, type JobConditions, jobConditions } from './filter.ts'
import { Meeting } from './meeting.ts'
import { partsDelayed, storedStates, strandedAmong } from './seen-state.ts'
import { sinceInstantIn } from './since.ts'
import { type OpenQueues, partitionsToLookIn, type StoredJob, stored } from './stored-jobs.ts'

/** The maximum number of pages of the store that a call reads. */
const PAGES = 4
/**
 * How often a call may read the counts of `MAX_STANDINGS` partitions, in order to skip partitions without
 * jobs in the requested states.
 */
const LOOKS = 5
const order = oneOf(['newest', 'oldest'])

const filterSchema = conditions(jobConditions(states))
const optionsSchema = conditions({
  /** The cursor of the previous page. */
  cursor: option<string>('the cursor of a page', isText),
  /** The maximum number of jobs on the page. Default 100. */
  limit: whole(1, MAX_ITEMS),
  /**
   * For ended jobs: whether the latest end comes first (`'newest'`, the default) or the earliest
   * (`'oldest'`).
   */
  order,
})

/** The conditions that choose jobs. A job must meet all of them. */
export interface ListFilter extends JobConditions {}

export interface ListOptions extends OptionsOf<typeof optionsSchema.entries> {}

/** A page of a list. */
export interface JobPage<J extends JobLike = JobLike> {
  jobs: StoredJob<J>[]
  /** Where the next page begins. Absent if there are no more jobs. */
  cursor?: string
  /** How many jobs this call has read. */
  scanned: number
  /** The place at which the next page begins. Absent on the last page. */
  position?: { queue: string; partition: string; state: State }
}

interface OwnOptions {
  /** Whether to leave out payloads. Must not be set if a condition of the filter needs payloads. */
  isLean?: boolean
  /**
   * Whether the states in the filter are those in which the store keeps jobs, not those that people see
   * (`seen-state.ts`).
   */
  isStored?: boolean
}

/** Where a list continues. */
interface ListPlace {
  partition: string
  state: State
  /** A cursor of the store within the state. Undefined means the beginning of the state. */
  after?: string | undefined
}

/**
 * @throws FILTER_INVALID, also for `{ queue: undefined }`, because the call would then list the jobs of every
 *   queue
 */
export function checkList(filter: unknown, options: unknown, flags?: Flags): void {
  checkFilter('Jobs.list()', filter, filterSchema, { flags })
  checkFilter('Jobs.list()', options, optionsSchema, { flags, whole: 'the second argument' })
}

/**
 * @throws CURSOR_INVALID, UNKNOWN_QUEUE
 * @param filter must be checked already, and `options` too
 */
export async function list<J extends JobLike>(
  open: OpenQueues,
  filter: ListFilter,
  { cursor, limit = 100, order = 'newest', isLean = false, isStored = false }: ListOptions & OwnOptions,
  flags?: Flags,
): Promise<JobPage<J>> {
  const { store } = open
  const seen = [filter.state ?? states].flat()
  const chosen = isStored ? seen : storedStates(seen)
  const what = [Object.entries(filter).sort(), order, store.isRemote]
  const cursors = new Cursors<Continued>('Jobs.list()', what)
  // All pages of a list use the instant at which its first page was read.
  const [from, since] =
    cursor === undefined
      ? [undefined, filter.since === undefined ? undefined : await sinceInstantIn(store, filter.since)]
      : readPlace(cursors.read(cursor, flags))
  const page = new ListedPage<J>({ store, filter, since, limit, isOldestFirst: order === 'oldest', isLean })

  const partitions = [...new Set(await partitionsToLookIn(open, filter.queue))]
    .sort()
    .filter((partition) => from === undefined || partition >= from.partition)
  const end = (next?: ListPlace): JobPage<J> => {
    const { jobs, scanned } = page
    if (next === undefined) return { jobs, scanned }
    const { partition, state, after } = next
    const position = { queue: queueOf(partition), partition, state }
    const cursor = cursors.write([partition, state, after ?? null, since ?? null])
    return { jobs, cursor, scanned, position }
  }
  for (let i = 0; i < partitions.length; i += MAX_STANDINGS) {
    const some = partitions.slice(i, i + MAX_STANDINGS)
    if (i === LOOKS * MAX_STANDINGS) return end({ partition: some[0]!, state: chosen[0]! })
    for (const [n, { counts, damage }] of (await store.standings(some)).entries()) {
      if (damage !== undefined) throw damage
      const partition = some[n]!
      const begun = partition === from?.partition ? from : undefined
      const stranded = !isStored && partsDelayed(seen) ? await strandedAmong(store, partition, counts) : 0
      for (const state of begun === undefined ? chosen : chosen.slice(chosen.indexOf(begun.state))) {
        const isParted = state === 'delayed' && stranded > 0
        if (counts[state] === 0 || (!isParted && !seen.includes(state))) continue
        const after = state === begun?.state ? begun.after : undefined
        const next = page.isFull ? { after } : await page.read(partition, state, after, isParted)
        if (next !== undefined) return end({ partition, state, ...next })
      }
    }
  }
  return end()
}

/** Where to continue in a state, or undefined if all of its jobs have been read. */
type ListRest = Pick<ListPlace, 'after'> | undefined

/** The requirements of one call. `since`: the instant from which jobs are listed. */
interface ListQuestion {
  store: Store
  filter: ListFilter
  since: number | undefined
  limit: number
  isOldestFirst: boolean
  isLean: boolean
}

/** Collects the jobs that one call finds. */
class ListedPage<J extends JobLike> {
  readonly jobs: StoredJob<J>[] = []
  scanned = 0
  readonly #asked: ListQuestion
  readonly #meeting: Meeting
  readonly #seen: readonly State[]
  /** Whether a job that is in the right queue and state may still fail to meet the conditions. */
  readonly #isSelective: boolean
  #bytes = 0
  #pages = 0

  constructor(asked: ListQuestion) {
    const { filter } = asked
    this.#asked = asked
    this.#meeting = new Meeting(filter, asked.since)
    this.#seen = [filter.state ?? states].flat()
    this.#isSelective = Object.keys(filter).some((name) => name !== 'queue' && name !== 'state')
  }

  /** Whether the page is full. A full page ends the call. */
  get isFull(): boolean {
    const isLong = this.scanned >= MAX_ITEMS || this.#bytes >= MAX_BYTES || this.#pages >= PAGES
    return isLong || this.jobs.length >= this.#asked.limit
  }

  /**
   * @param isParted whether only some of the jobs that the store keeps in this state have a requested state
   *   for people
   */
  async read(
    partition: string,
    state: State,
    after: string | undefined,
    isParted: boolean,
  ): Promise<ListRest> {
    let cursor = after
    do {
      const skip = await this.#skip(partition, state, cursor, isParted)
      cursor = skip.cursor
      if (skip.count > 0) {
        const page = await this.#asked.store.list(partition, this.#filterOf(state, cursor, skip.count))
        this.#pages++
        for (const [i, job] of page.jobs.entries()) {
          // The list can stop at this job, because all later jobs of the list ended even earlier.
          if (job.finishedAt !== undefined && !this.#asked.isOldestFirst && this.#meeting.isOld(job))
            return undefined
          this.#take(job, isParted)
          if (this.jobs.length === this.#asked.limit && i < page.jobs.length - 1)
            return { after: page.marks![i] }
        }
        cursor = page.cursor
      }
      if (cursor === undefined) return undefined
    } while (!this.isFull)
    return { after: cursor }
  }

  /**
   * Skips jobs of other classes by reading only their keys.
   *
   * @returns where to continue, and how many jobs to read there: 0 if there are only jobs of other classes
   */
  async #skip(
    partition: string,
    state: State,
    cursor: string | undefined,
    isParted: boolean,
  ): Promise<{ cursor: string | undefined; count: number }> {
    const left = MAX_ITEMS - this.scanned
    const { key } = this.#asked.filter
    if (!this.#isSelective && !isParted)
      return { cursor, count: Math.min(left, this.#asked.limit - this.jobs.length) }
    // With `since`, the time of each job must be read, because it shows when to stop. Therefore jobs cannot
    // be skipped by their keys.
    if (key === undefined || this.#asked.since !== undefined) return { cursor, count: left }
    const page = await this.#asked.store.heads(partition, this.#filterOf(state, cursor, left))
    this.#pages++
    const first = page.jobs.findIndex((job) => job.key === key)
    this.scanned += first < 0 ? page.jobs.length : first
    if (first < 0) return { cursor: page.cursor, count: 0 }
    const last = page.jobs.findLastIndex((job) => job.key === key)
    return { cursor: first === 0 ? cursor : page.marks![first - 1], count: last - first + 1 }
  }

  #filterOf(state: State, cursor: string | undefined, limit: number) {
    const { isOldestFirst, isLean } = this.#asked
    return {
      state,
      limit,
      isOldestFirst,
      isById: true,
      isMarked: true,
      isLean,
      ...defined({ cursor }),
    }
  }

  #take(record: JobRecord, isParted: boolean): void {
    this.scanned++
    this.#bytes += record.payload.length + (record.result?.length ?? 0)
    const job = stored<J>(record)
    if (isParted && !this.#seen.includes(job.state)) return
    if (!this.#meeting.passes(record)) return
    if (this.#meeting.has(job.payload)) this.jobs.push(job)
  }
}

/** The content of a cursor: a place, and the instant from which jobs are listed. */
type Continued = [partition: string, state: State, after: string | null, since: number | null]

function readPlace([partition, state, after, since]: Continued): [ListPlace, since: number | undefined] {
  return [{ partition, state, after: after ?? undefined }, since ?? undefined]
}
