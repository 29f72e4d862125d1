/**
 * Groups the jobs that failed for good by kinds of failures: how many jobs failed for the same reason, since
 * when, and one of these jobs as a sample. `failures()` reads all failed jobs that meet a filter, page by
 * page and without their payloads, and keeps only the kinds in memory.
 */
import { defined } from '@s18i/lark/internal'
import type { JobError } from '../../model/record.ts'
import { type OptionsOf, option, whole } from '../../options/schema.ts'
import { fingerprintOf, shortNames } from '../../run/fingerprint.ts'
import { MAX_ITEMS } from '../../store/contract/store.ts'
import { checkFilter, conditions, type Flags, jobConditions, signal } from '../look/filter.ts'
import { list } from '../look/list.ts'
import { type OpenQueues, partitionsToLookIn } from '../look/stored-jobs.ts'

/**
 * The maximum number of releases that are listed for a kind. The releases of its latest failures are listed.
 */
const MOST_RELEASES = 10
/** The maximum number of kinds that are distinguished. Failures of further kinds are only counted. */
export const MOST_KINDS = 1_000

const { state: _, ...conditionsOfJobs } = jobConditions(['failed'])
const filterSchema = conditions(conditionsOfJobs)
const optionsSchema = conditions({
  /** The maximum number of kinds to return, 1…1,000. The kinds with the most jobs come first. Default 100. */
  limit: whole(1, MOST_KINDS),
  /** If this signal is aborted, the call rejects with the signal's reason. */
  signal,
  /**
   * Called after each page with the number of failed jobs that were read and the number of all failed jobs.
   */
  onProgress: option<(read: number, all: number) => void>(
    'a function',
    (value) => typeof value === 'function',
  ),
})

/** The conditions that choose failed jobs. */
export interface FailureFilter extends OptionsOf<typeof filterSchema.entries> {}

export interface FailureOptions extends OptionsOf<typeof optionsSchema.entries> {}

/** Jobs that failed for the same reason. */
export interface FailureKind {
  /**
   * The name of the kind: 4 to 12 hexadecimal digits, as many as are needed to distinguish the kind from
   * other kinds. Filters accept this name: `{ kind: '3f2a' }`.
   */
  kind: string
  /** The key of the job class. */
  key: string
  /** The name of the error, such as `TypeError`. */
  name: string
  code?: string
  /** The message of the error, with `…` for the parts that differ from job to job. */
  message: string
  /** Where the error was thrown. */
  frame?: string
  count: number
  /** The share of this kind in all failures that were read: 0…1. */
  share: number
  /**
   * The releases of the application in which this kind of failure was seen, if workers know their release.
   * The releases of the latest failures come first.
   */
  releases: string[]
  /** When the first and the last of these jobs failed: milliseconds since 1970. */
  first: number
  last: number
  /** The job that failed last, and its last error with its causes. */
  sample: { id: string; queue: string; error: JobError }
}

export interface Failures {
  /** The kinds with the most jobs first. */
  kinds: FailureKind[]
  /** How many failed jobs were read. */
  failed: number
  /** How many of the failed jobs have no error, or a kind of failure that is not in `kinds`. */
  others: number
}

/** @throws FILTER_INVALID */
export function checkFailures(filter: unknown, options: unknown, flags?: Flags): void {
  checkFilter('operate().failures()', filter, filterSchema, { flags })
  checkFilter('operate().failures()', options, optionsSchema, { flags, whole: 'the second argument' })
}

/**
 * @throws UNKNOWN_QUEUE, and the reason of the signal
 * @param filter must be checked already, like `options`
 */
export async function failures(
  open: OpenQueues,
  filter: FailureFilter,
  { limit = 100, signal, onProgress }: FailureOptions,
): Promise<Failures> {
  const met = new Map<string, FailureKind>()
  const all = onProgress === undefined ? 0 : await countOf(open, filter.queue)
  let [failed, read] = [0, 0]
  let cursor: string | undefined
  do {
    signal?.throwIfAborted()
    const page = await list(
      open,
      { ...filter, state: 'failed' },
      { limit: MAX_ITEMS, isLean: filter.where === undefined, ...defined({ cursor }) },
    )
    for (const job of page.jobs) {
      failed++
      const { id, key, queue, errors, finishedAt = 0 } = job
      const print = fingerprintOf(job)
      const error = errors.at(-1)
      if (print === undefined || error === undefined) continue
      const { hash, ...where } = print
      const known = met.get(hash)
      const sample = { id, queue, error }
      if (known !== undefined) {
        known.count++
        noteRelease(known.releases, error)
        known.first = Math.min(known.first, finishedAt)
        if (finishedAt > known.last) Object.assign(known, { last: finishedAt, sample })
      } else if (met.size < MOST_KINDS) {
        const { name, code } = error
        const times = { first: finishedAt, last: finishedAt }
        const releases: string[] = []
        noteRelease(releases, error)
        met.set(hash, {
          ...{ kind: hash, releases, key, name, ...defined({ code }) },
          ...{ ...where, count: 1, share: 0, ...times, sample },
        })
      }
    }
    read += page.scanned
    onProgress?.(read, Math.max(read, all))
    cursor = page.cursor
  } while (cursor !== undefined)
  const names = shortNames([...met.keys()])
  const kinds = [...met.entries()]
    .map(([hash, kind]) => ({ ...kind, kind: names.get(hash)!, share: kind.count / failed }))
    .sort((one, other) => other.count - one.count || other.last - one.last)
    .slice(0, limit)
  return { kinds, failed, others: failed - kinds.reduce((sum, { count }) => sum + count, 0) }
}

/** Adds the release of an error to the releases of its kind. */
export function noteRelease(releases: string[], { release }: JobError): void {
  const isNew = typeof release === 'string' && !releases.includes(release)
  if (isNew && releases.length < MOST_RELEASES) releases.push(release)
}

/** How many failed jobs there are. */
async function countOf(open: OpenQueues, queue: FailureFilter['queue']): Promise<number> {
  let count = 0
  for (const partition of await partitionsToLookIn(open, queue))
    count += (await open.store.counts(partition)).failed
  return count
}
