/**
 * Searches some queues and states for the jobs that meet some conditions, until enough jobs are found or all
 * jobs have been looked at. The search reports its progress, and uses only a part of the store's time.
 */
import { defined } from '@s18i/lark/internal'
import { states } from '../../model/record.ts'
import type { JobLike } from '../../options/job-class.ts'
import { isText, type OptionsOf, oneOf, option, whole } from '../../options/schema.ts'
import { inLots } from '../../store/contract/rules/in-lots.ts'
import { MAX_STANDINGS } from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, signal } from './filter.ts'
import { checkList, type JobPage, type ListFilter, type ListReach, list } from './list.ts'
import { storedStates } from './seen-state.ts'
import { type OpenQueues, partitionsToLookIn } from './stored-jobs.ts'

/** Milliseconds after which a search returns the jobs that it has found, and its progress. */
const STEP = 100
/**
 * How many jobs the store looks at in one call. Other calls to the store wait meanwhile. (Measured on
 * 2026-12-03, 2 cores, Redis 8, 300,000 jobs, with a dispatch every 2 ms. The search with 100 jobs in a call
 * made dispatches 12 % slower in the mean, and 39 % slower at the 90th percentile. With 50 jobs in a call,
 * these figures were 3 and 11 %. With 25 jobs, they were 0 and 5 %, but the search took 3.3 s instead of
 * 2.7.)
 */
const TOGETHER = { remote: 50, embedded: 250 }
/** The largest number of jobs that the store looks at in a millisecond. */
const PACE = 120
/**
 * The largest share of the time in which the store works for a search. In the rest of the time, the search
 * pauses.
 */
const SHARE = 2 / 3
/** The shortest pause in milliseconds, because timers are not exact. Shorter pauses are added up. */
const NAP = 1
/** If a timer was late, the search may shorten its next pauses by up to this many milliseconds. */
const LATE = 5

const optionsSchema = conditions({
  /** Where to continue: the cursor of a step of an earlier search with the same filter and order. */
  cursor: option<string>('the cursor of a step', isText),
  /** The search ends when it has found this number of jobs. Default: the search looks at all jobs. */
  limit: whole(1),
  /** For ended jobs: the latest end first (`'newest'`, the default) or the earliest (`'oldest'`). */
  order: oneOf(['newest', 'oldest']),
  /** When this signal is aborted, the search ends with its current step. */
  signal,
})

export interface SearchOptions extends OptionsOf<typeof optionsSchema.entries> {}

/** The jobs that a search has found since its previous step, and the progress of the search. */
export interface SearchStep<J extends JobLike = JobLike> extends Omit<JobPage<J>, 'scanned'> {
  /** How many jobs the search has looked at so far. The jobs before the option `cursor` are not counted. */
  looked: number
  /**
   * About how many jobs the search looks at in all. If the filter has `since`, the real number may be much
   * smaller.
   */
  of: number
}

/** @throws FILTER_INVALID */
export function checkSearch(filter: unknown, options: unknown, flags?: Flags): void {
  checkList(filter, {}, flags)
  checkFilter('operate().search()', options, optionsSchema, { flags, whole: 'the second argument' })
}

/**
 * If the search has looked at all jobs, its last step has no `cursor`. If it has found enough jobs, or the
 * signal was aborted, its last step has a `cursor`.
 *
 * @throws CURSOR_INVALID, UNKNOWN_QUEUE
 * @param filter must be checked already, like `options`
 */
export async function* search<J extends JobLike>(
  open: OpenQueues,
  filter: ListFilter,
  { cursor, limit = Number.POSITIVE_INFINITY, order, signal }: SearchOptions,
  flags?: Flags,
): AsyncGenerator<SearchStep<J>> {
  const of = await countOf(open, filter)
  let [looked, found] = [0, 0]
  let from = cursor
  /** When the next call to the store may begin. */
  let next = performance.now()
  const rest = async (took: number, looked: number) => {
    const now = performance.now()
    next = Math.max(next, now - took - LATE) + Math.max(looked / PACE, took / SHARE)
    await wait(next - now)
  }
  do {
    const until = performance.now() + STEP
    const reach: ListReach = {
      jobs: Number.POSITIVE_INFINITY,
      pages: Number.POSITIVE_INFINITY,
      together: TOGETHER[open.store.isRemote ? 'remote' : 'embedded'],
      rest,
      isOver: () => performance.now() >= until || (signal?.aborted ?? false),
    }
    const options = { reach, limit: limit - found, ...defined({ cursor: from, order }) }
    const { scanned, ...page } = await list<J>(open, filter, options, flags)
    looked += scanned
    found += page.jobs.length
    from = page.cursor
    yield { ...page, looked, of }
  } while (from !== undefined && found < limit && !signal?.aborted)
}

/** About how many jobs a search looks at. */
async function countOf(open: OpenQueues, { queue, state }: ListFilter): Promise<number> {
  const chosen = storedStates([state ?? states].flat())
  let count = 0
  for (const some of inLots([...new Set(await partitionsToLookIn(open, queue))], MAX_STANDINGS))
    for (const { counts } of await open.store.standings(some))
      for (const each of chosen) count += counts[each]
  return count
}

/** Lets the event loop do other work, because an embedded store answers synchronously. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => (ms < NAP ? setImmediate(resolve) : setTimeout(resolve, ms)))
}
