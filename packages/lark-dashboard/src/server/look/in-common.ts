/**
 * What the payloads of the jobs of a kind of failure have in common: the values that most of them share.
 */
import { defined } from '@s18i/lark/internal'
import type { FailureFilter, ListFilter, Operate } from '@s18i/lark-jobs/operate'
import { REDACTED } from '@s18i/lark-jobs/operate'

/** How many jobs are compared. */
const COMPARED = 100
/** How many failed jobs are looked at to find them: some 20 calls of 1,000. */
const MOST_LOOKED_AT = 20_000
/** The share of the jobs that must have a value for it to stand out. */
const MOST_OF_THEM = 0.5
const MOST_VALUES = 8
/** Characters of a value as JSON. A longer one is no name of anything. */
const LONGEST = 80
/** Levels of objects in a payload. */
const DEEPEST = 4

export interface InCommon {
  /** How many jobs were compared. */
  jobs: number
  /** Whether more failed jobs would have had to be looked at to find as many as are compared. */
  isPartial: boolean
  /** Those that most jobs have first; `value` is JSON, and `count` how many jobs have it. */
  values: { path: string; value: string; count: number }[]
}

/** @param filter also the conditions under which the kind is shown */
export async function inCommon(
  operate: Pick<Operate, 'list'>,
  filter: FailureFilter & { kind: string },
): Promise<InCommon> {
  const counts = new Map<string, number>()
  let [jobs, looked] = [0, 0]
  let cursor: string | undefined
  do {
    const options = { limit: COMPARED - jobs, ...defined({ cursor }) }
    const page = await operate.list({ ...filter, state: 'failed' } as ListFilter, options)
    for (const { payload } of page.jobs)
      for (const leaf of leavesOf(payload, '', 0)) counts.set(leaf, (counts.get(leaf) ?? 0) + 1)
    jobs += page.jobs.length
    looked += page.scanned
    cursor = page.cursor
  } while (cursor !== undefined && jobs < COMPARED && looked < MOST_LOOKED_AT)
  const values = [...counts]
    .filter(([, count]) => jobs > 1 && count >= jobs * MOST_OF_THEM)
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST_VALUES)
    .map(([leaf, count]) => {
      const [path, value] = JSON.parse(leaf) as [string, unknown]
      return { path, value: JSON.stringify(value), count }
    })
  return { jobs, isPartial: cursor !== undefined && jobs < COMPARED, values }
}

/**
 * The plain values of a payload with their paths, as JSON of the two. Values in lists, long texts and values
 * that are hidden from people are left out.
 */
function* leavesOf(value: unknown, path: string, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null) {
    if (value === undefined || value === REDACTED || path === '') return
    if (JSON.stringify(value).length <= LONGEST) yield JSON.stringify([path, value])
    return
  }
  if (Array.isArray(value) || depth === DEEPEST) return
  for (const [name, each] of Object.entries(value))
    yield* leavesOf(each, path === '' ? name : `${path}.${name}`, depth + 1)
}
