/**
 * Searches all jobs of some queues and states for those that meet some conditions, until it has found enough
 * or has looked at all of them. It says how far it is, and takes only a share of the store's time.
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

/** Milliseconds after which a search tells what it has found and how far it is. */
const STEP = 100
/**
 * How many jobs are looked at in one call to the store. While the store answers it, other calls wait.
 * (Measured on 2026-12-03, 2 cores, Redis 8, 300,000 jobs, a dispatch every 2 ms meanwhile. With 100 jobs in
 * a call, the mean dispatch took 12 % longer than without a search, and the 90th percentile 39 %; with 50
 * jobs 3 and 11 %; with 25 jobs 0 and 5 %, but the search took 3.3 s instead of 2.7.)
 */
const TOGETHER = { remote: 50, embedded: 250 }
/** The most jobs that are looked at in a millisecond. */
const PACE = 120
/** The largest share of its time that a search waits for answers of the store. It rests in the other time. */
const SHARE = 2 / 3
/** The shortest rest in milliseconds, because timers are not exact. Shorter ones are added up. */
const NAP = 1
/** How many milliseconds of rest a search may make up for, after a timer that was late. */
const LATE = 5

const optionsSchema = conditions({
  /** Where to go on: the cursor of a step of an earlier search with the same filter and order. */
  cursor: option<string>('the cursor of a step', isText),
  /** The search ends when it has found so many jobs. Default: it looks at all jobs. */
  limit: whole(1),
  /** For ended jobs: the latest end first (`'newest'`, the default) or the earliest (`'oldest'`). */
  order: oneOf(['newest', 'oldest']),
  /** When it is aborted, the search ends with its current step. */
  signal,
})

export interface SearchOptions extends OptionsOf<typeof optionsSchema.entries> {}

/** What a search has found since the step before, and how far it is. */
export interface SearchStep<J extends JobLike = JobLike> extends Omit<JobPage<J>, 'scanned'> {
  /** How many jobs the search has looked at so far, since its cursor if it has one. */
  looked: number
  /** About how many jobs there are to look at in all. If the filter has `since`, it may be far fewer. */
  of: number
}

/** @throws FILTER_INVALID */
export function checkSearch(filter: unknown, options: unknown, flags?: Flags): void {
  checkList(filter, {}, flags)
  checkFilter('operate().search()', options, optionsSchema, { flags, whole: 'the second argument' })
}

/**
 * Ends after a step without a `cursor`, when all jobs have been looked at, or with one: when enough jobs have
 * been found, or when the signal is aborted.
 *
 * @throws CURSOR_INVALID, UNKNOWN_QUEUE
 * @param filter must be checked already, and `options` too
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
