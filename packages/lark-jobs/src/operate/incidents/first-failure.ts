/** The kind of failure that most of the jobs have that failed since an instant. */
import { fingerprintOf } from '../../run/fingerprint.ts'
import { MAX_ITEMS } from '../../store/contract/store.ts'
import { noteRelease } from '../failures/failures.ts'
import { list } from '../look/list.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import type { IncidentFailure } from './incident.ts'

/**
 * Looks at the newest jobs that failed, at most 1,000, or at the next 1,000 that wait for another try.
 *
 * @param since jobs that failed before it are left out: milliseconds since 1970
 * @returns `first`: when the first of all these jobs failed. Absent if not all of them were read
 */
export async function mostFailures(
  open: OpenQueues,
  queue: string,
  state: 'failed' | 'delayed',
  since: number,
): Promise<{ failure: IncidentFailure; first?: number } | undefined> {
  const { jobs, cursor } = await list(open, { queue, state }, { limit: MAX_ITEMS, isLean: true })
  const kinds = new Map<string, IncidentFailure & { last: number }>()
  let of = 0
  let isWhole = cursor === undefined
  for (const job of jobs) {
    const print = fingerprintOf(job)
    const error = job.errors.at(-1)
    if (print === undefined || error === undefined) continue
    const at = error.at ?? job.finishedAt ?? job.queuedAt
    if (at < since) {
      isWhole ||= state === 'failed'
      continue
    }
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
  if (!isWhole || first === undefined) return { failure: { ...rest, of } }
  return {
    failure: { ...rest, of, first },
    first: Math.min(...[...kinds.values()].map(({ first }) => first ?? Number.POSITIVE_INFINITY)),
  }
}
