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
import {
  MAX_BYTES,
  MAX_ITEMS,
  MAX_STANDINGS,
  type Page,
  type Prefilter,
  type Store,
} from '../../store/contract/store.ts'
import { Cursors } from './cursor.ts'
import { checkFilter, conditions, type Flags, type JobConditions, jobConditions } from './filter.ts'
import { Meeting } from './meeting.ts'
import { prefilterOf } from './prefilter.ts'
import { partsDelayed, storedStates, strandedAmong } from './seen-state.ts'
import { type Span, spanOf } from './since.ts'
import { type OpenQueues, partitionsToLookIn, type StoredJob, stored } from './stored-jobs.ts'

/** How far a call for one page goes. */
const onePage: ListReach = { jobs: MAX_ITEMS, pages: 4, together: MAX_ITEMS }
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

/** How far one call goes. */
export interface ListReach {
  /** The largest number of jobs, and of pages of the store, that the call reads. */
  jobs: number
  pages: number
  /** How many jobs a page of the store has. */
  together: number
  /**
   * Called after each page of the store, with the milliseconds that the page took, and the number of jobs
   * that the store looked at. The call waits for the returned promise before it reads the next page.
   */
  rest?: (took: number, looked: number) => Promise<void>
  /** Whether the call should end after this page. */
  isOver?: () => boolean
}

interface OwnOptions {
  reach?: ListReach
  /** Whether to leave out payloads. Must not be set if a condition of the filter needs payloads. */
  isLean?: boolean
  /**
   * Whether the filter means the states in which the store keeps jobs, and not the states that people see
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
 * @param filter must be checked already, like `options`
 */
export async function list<J extends JobLike>(
  open: OpenQueues,
  filter: ListFilter,
  {
    cursor,
    limit = 100,
    order = 'newest',
    isLean = false,
    isStored = false,
    reach = onePage,
  }: ListOptions & OwnOptions,
  flags?: Flags,
): Promise<JobPage<J>> {
  const { store } = open
  const seen = [filter.state ?? states].flat()
  const chosen = isStored ? seen : storedStates(seen)
  const what = [Object.entries(filter).sort(), order, store.isRemote]
  const cursors = new Cursors<Continued>('Jobs.list()', what)
  // All pages of a list use the instants at which its first page was read.
  const [from, span] =
    cursor === undefined ? [undefined, await spanOf(store, filter)] : readPlace(cursors.read(cursor, flags))
  const isOldestFirst = order === 'oldest'
  const page = new ListedPage<J>({ store, filter, span, limit, isOldestFirst, isLean, reach })

  const partitions = [...new Set(await partitionsToLookIn(open, filter.queue))]
    .sort()
    .filter((partition) => from === undefined || partition >= from.partition)
  const end = (next?: ListPlace): JobPage<J> => {
    const { jobs, scanned } = page
    if (next === undefined) return { jobs, scanned }
    const { partition, state, after } = next
    const position = { queue: queueOf(partition), partition, state }
    const cursor = cursors.write([partition, state, after ?? null, span.since ?? null, span.until ?? null])
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

/** The requirements of one call. `span`: the instants between which jobs are listed. */
interface ListQuestion {
  store: Store
  filter: ListFilter
  span: Span
  limit: number
  isOldestFirst: boolean
  isLean: boolean
  reach: ListReach
}

/** Collects the jobs that one call finds. */
class ListedPage<J extends JobLike> {
  readonly jobs: StoredJob<J>[] = []
  scanned = 0
  readonly #asked: ListQuestion
  readonly #meeting: Meeting
  readonly #prefilter: Prefilter | undefined
  readonly #seen: readonly State[]
  /** Whether a job that is in the right queue and state may still fail to meet the conditions. */
  readonly #isSelective: boolean
  #bytes = 0
  #pages = 0

  constructor(asked: ListQuestion) {
    const { filter } = asked
    this.#asked = asked
    this.#meeting = new Meeting(filter, asked.span)
    this.#prefilter = prefilterOf(filter)
    this.#seen = [filter.state ?? states].flat()
    this.#isSelective = Object.keys(filter).some((name) => name !== 'queue' && name !== 'state')
  }

  /** Whether the page is full, which ends the call. The first page of the store is read in any case. */
  get isFull(): boolean {
    const { limit, reach } = this.#asked
    const isLong = this.scanned >= reach.jobs || this.#bytes >= MAX_BYTES || this.#pages >= reach.pages
    return isLong || this.jobs.length >= limit || (this.#pages > 0 && (reach.isOver?.() ?? false))
  }

  /**
   * @param isParted whether people see some of the jobs in this stored state as jobs in another state, which
   *   was not requested
   */
  async read(
    partition: string,
    state: State,
    after: string | undefined,
    isParted: boolean,
  ): Promise<ListRest> {
    let cursor = after
    do {
      const page = await this.#page(partition, state, cursor, isParted)
      for (const [i, job] of page.jobs.entries()) {
        // The list can stop at this job, because all later jobs of the list ended even earlier.
        if (this.#isPast(job.finishedAt)) return undefined
        this.#take(job, isParted)
        if (this.jobs.length === this.#asked.limit && i < page.jobs.length - 1)
          return { after: page.marks![i] }
      }
      this.scanned += (page.passed?.count ?? page.jobs.length) - page.jobs.length
      if (this.#isPast(page.passed?.endedAt)) return undefined
      cursor = page.cursor
      if (cursor === undefined) return undefined
    } while (!this.isFull)
    return { after: cursor }
  }

  /** Whether a job with this end, and all jobs that come after it in the list, ended too early. */
  #isPast(finishedAt: number | undefined): boolean {
    if (finishedAt === undefined || this.#asked.isOldestFirst) return false
    return this.#meeting.isOld({ finishedAt, queuedAt: finishedAt })
  }

  async #page(partition: string, state: State, cursor: string | undefined, isParted: boolean): Promise<Page> {
    const { store, limit, reach } = this.#asked
    const left = Math.min(reach.together, reach.jobs - this.scanned)
    const count = this.#isSelective || isParted ? left : Math.min(left, limit - this.jobs.length)
    this.#pages++
    const begun = performance.now()
    const page = await store.list(partition, this.#filterOf(state, cursor, count))
    await reach.rest?.(performance.now() - begun, page.passed?.count ?? page.jobs.length)
    return page
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
      ...defined({ cursor, prefilter: this.#prefilter }),
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

/** The content of a cursor: a place, and the instants between which jobs are listed. */
type Continued = [
  partition: string,
  state: State,
  after: string | null,
  since: number | null,
  until: number | null,
]

function readPlace([partition, state, after, since, until]: Continued): [ListPlace, Span] {
  const place = { partition, state, after: after ?? undefined }
  return [place, { since: since ?? undefined, until: until ?? undefined }]
}
