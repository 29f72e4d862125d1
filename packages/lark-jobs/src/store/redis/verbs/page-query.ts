/**
 * Pages of jobs: the script that reads a page, with its arguments, and the cursors that it returns.
 */
import type { JobRecord } from '../../../model/record.ts'
import type * as contract from '../../contract/store.ts'
import type { ScriptName } from '../client/repetition.ts'
import { escapeKey, RS } from './packing.ts'
import type { ShownHeads, ShownJobs } from './reading.ts'

const LIMIT = 100
const MOST = 1_000

export interface PageQuery {
  script: ScriptName
  args: string[]
}

/** The maximum number of jobs on a page. */
export function limitOf({ limit = LIMIT }: contract.Filter): number {
  return Math.max(1, Math.min(MOST, Math.floor(limit)))
}

/**
 * The script that reads a page, and its arguments. A cursor is the mark of the last job of a page, as JSON
 * text. New state: its script, if it is not `list`; and its number goes into `readCounts`.
 *
 * @param what `heads` reads only ids and keys
 */
export function pageQuery(filter: contract.Filter, what: 'jobs' | 'heads'): PageQuery {
  const { state, cursor, isOldestFirst, isMarked, isLean, prefilter } = filter
  const flags = `${what === 'heads' ? 'h' : isLean ? 'l' : ''}${isMarked ? 'm' : ''}`
  const size = `${flags}${limitOf(filter)}${prefilter === undefined ? '' : packPrefilter(prefilter)}`
  const from = cursor === undefined ? undefined : (JSON.parse(cursor) as string[])
  if (state === 'waiting')
    return { script: 'list-waiting', args: [size, ...(from ?? ['first', '', '', '0', ''])] }
  if (state === 'delayed') return { script: 'list-delayed', args: [size, ...(from ?? ['', '', ''])] }
  if (state === 'active') return { script: 'list-active', args: [size, ...(from ?? ['', '', ''])] }
  return { script: 'list', args: [state, size, ...(from ?? ['', '']), isOldestFirst ? 'oldest' : ''] }
}

/** The value with which a script marks the place of a job in a list. The cursor is made from this value. */
export type Mark = string | string[]

/**
 * The cursors of a page, from the answer of its script.
 *
 * @param mark the mark of the last job on the page; empty if no jobs follow
 * @param marks the marks of all jobs on the page except the last, if the filter requests them
 */
export function pageCursors(
  [, ids]: ShownJobs | ShownHeads,
  mark: Mark,
  marks: readonly Mark[],
  jobs: readonly Pick<JobRecord, 'id'>[],
  { isMarked }: contract.Filter,
  passed?: PassedReply,
): Omit<contract.Page, 'jobs'> {
  const cursor = (mark: Mark, id: string | undefined) =>
    JSON.stringify(Array.isArray(mark) ? mark : [mark, id])
  const all = new Map(marks.map((each, i) => [ids[i], cursor(each, ids[i])]))
  return {
    ...(mark.length > 0 && { cursor: cursor(mark, passed?.[1] ?? ids.at(-1)) }),
    ...(isMarked && { marks: jobs.slice(0, -1).map(({ id }) => all.get(id)!) }),
    ...(passed && { passed: readPassed(passed) }),
  }
}

/**
 * For a page with a prefilter: how many jobs were looked at, the id of the last of these jobs, and when this
 * job ended, or ''.
 */
export type PassedReply = [count: number, id: string, endedAt: string]

function readPassed([count, , endedAt]: PassedReply): contract.PassedJobs {
  return endedAt === '' ? { count } : { count, endedAt: Number(endedAt) }
}

/**
 * Returns a prefilter in the form that `page.lua` reads. Each part begins with the separator character `RS`
 * and a letter. `i`: the beginning of the id. `r`: a text of the record. `p`: a text of the payload, even if
 * the payload is stored separately.
 */
function packPrefilter({ id, key, group, options, payload }: contract.Prefilter): string {
  const head = [...(group ?? []), ...(options ?? [])]
  const record = key === undefined ? head : [`|${escapeKey(key)}|`, ...head]
  const parts = [
    ...(id === undefined ? [] : [`i${id}`]),
    ...record.map((text) => `r${text}`),
    ...(payload ?? []).map((text) => `p${text}`),
  ]
  return parts.map((part) => `${RS}${part}`).join('')
}
