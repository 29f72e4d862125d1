/** Finds the values that most payloads of the jobs of one kind of failure share. */
import { defined } from '@s18i/lark/internal'
import type { FailureFilter, ListFilter, Operate } from '@s18i/lark-jobs/operate'
import { REDACTED } from '@s18i/lark-jobs/operate'

/** How many jobs are compared. */
const COMPARED = 100
/** The maximum number of failed jobs that are read to find jobs of the kind. This takes about 20 calls. */
const MOST_LOOKED_AT = 20_000
/** A value is shown only if at least this share of the jobs has it. */
const MOST_OF_THEM = 0.5
const MOST_VALUES = 8
/** The maximum length of a value as JSON, in characters. Longer values are texts, and not names or ids. */
const LONGEST = 80
/** The maximum number of levels of objects that are read in a payload. */
const DEEPEST = 4

export interface InCommon {
  /** How many jobs were compared. */
  jobs: number
  /** Whether the search reached its limit before it found `COMPARED` jobs. */
  isPartial: boolean
  /**
   * The shared values. The value that most jobs have comes first. `value` is JSON; `count` is the number of
   * jobs that have this value.
   */
  values: { path: string; value: string; count: number }[]
}

/** @param filter the kind of failure, and the other conditions of the page */
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
 * The plain values of a payload, each as the JSON of its path and the value. Values in lists, long texts and
 * values that are hidden from people are left out.
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
