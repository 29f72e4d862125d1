/** Finds the most frequent kind of failure among the jobs that failed since an instant. */
import type { JobRecord } from '../../model/record.ts'
import { fingerprintOf } from '../../run/fingerprint.ts'
import { MAX_ITEMS, MAX_STANDINGS, type Page, type Store } from '../../store/contract/store.ts'
import { noteRelease } from '../failures/failures.ts'
import { askAll } from '../look/ask-all.ts'
import type { QueueStatus } from '../measures/status.ts'
import type { IncidentFailure } from './incident.ts'

/**
 * Reads about 1,000 jobs at most: the newest failed jobs, or the next jobs that wait for another try. Each
 * partition of the queue that has such jobs is asked for the same number.
 *
 * @param since jobs that failed before this instant are left out: milliseconds since 1970
 * @returns `first`: when the first of all these jobs failed. Absent if there are more jobs than were read
 */
export async function mostFailures(
  store: Store,
  { partitions }: Pick<QueueStatus, 'partitions'>,
  state: 'failed' | 'delayed',
  since: number,
): Promise<{ failure: IncidentFailure; first?: number } | undefined> {
  const asked = partitions.filter(({ counts }) => counts[state] > 0).slice(0, MAX_STANDINGS)
  const limit = Math.ceil(MAX_ITEMS / asked.length)
  const pages = await askAll(asked, ({ partition }) => store.list(partition, { state, limit, isLean: true }))
  const kinds = new Map<string, IncidentFailure & { last: number }>()
  let of = 0
  for (const job of pages.flatMap(({ jobs }) => jobs)) {
    const print = fingerprintOf(job)
    const error = job.errors.at(-1)
    if (print === undefined || error === undefined || failedAt(job) < since) continue
    const at = failedAt(job)
    of++
    const { hash: kind, message } = print
    const known = kinds.get(kind)
    const found = known ?? {
      ...{ kind, key: job.key, name: error.name, message, count: 0, of: 0 },
      ...{ first: at, last: 0, releases: [], job: job.id },
    }
    found.count++
    found.first = Math.min(found.first ?? at, at)
    noteRelease(found.releases, error)
    if (at > found.last) Object.assign(found, { last: at, job: job.id })
    kinds.set(kind, found)
  }
  const [most] = [...kinds.values()].sort((one, other) => other.count - one.count)
  if (most === undefined) return undefined
  const { last: _, first, ...rest } = most
  // If there are more jobs than were read, an earlier one may have failed first.
  const isWhole = pages.every((page) => isWholeSince(page, state, since))
  if (!isWhole || first === undefined) return { failure: { ...rest, of } }
  return {
    failure: { ...rest, of, first },
    first: Math.min(...[...kinds.values()].map(({ first }) => first ?? Number.POSITIVE_INFINITY)),
  }
}

function failedAt({ errors, finishedAt, queuedAt }: JobRecord): number {
  return errors.at(-1)?.at ?? finishedAt ?? queuedAt
}

/** Whether a page has all jobs of its partition that failed since an instant. */
function isWholeSince({ jobs, cursor }: Page, state: 'failed' | 'delayed', since: number): boolean {
  // Failed jobs are listed in the order of their ends, the newest first.
  return cursor === undefined || (state === 'failed' && jobs.some((job) => failedAt(job) < since))
}
