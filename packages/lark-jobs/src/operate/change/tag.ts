/**
 * Gives tags to jobs by hand, and takes tags away. Every job can be tagged, whatever its state.
 */
import { states } from '../../model/record.ts'
import { option, voiceOf } from '../../options/schema.ts'
import { isTags, tagsForm } from '../../options/tags.ts'
import type { Change } from '../../store/contract/store.ts'
import {
  type ChangeOptions,
  type Chosen,
  checkFilter,
  conditions,
  type Flags,
  type JobFilter,
  readChosen,
} from '../look/filter.ts'
import type { OpenQueues } from '../look/stored-jobs.ts'
import { altering, changeJobs } from './change.ts'

/** At least one condition, or `{ all: true }` for every job of the store. */
export type TagFilter = JobFilter

export interface Tagged {
  /** Jobs that have the tags now. */
  tagged: number
  /** Jobs that were left as they are: with these tags they would have too many. */
  left: number
}

export interface Untagged {
  /** Jobs that do not have the tags now. */
  untagged: number
}

type TagKind = 'add-tags' | 'remove-tags'
export type TagChange = Extract<Change, { kind: TagKind }>

const calls: Record<TagKind, string> = { 'add-tags': 'tag', 'remove-tags': 'untag' }
const tags = option<readonly string[]>(tagsForm, (value) => isTags(value) && value.length > 0)

/** Checks the arguments of `tag` and `untag`. @throws FILTER_INVALID, JOB_ID_INVALID */
export function readTag(
  kind: TagKind,
  which: unknown,
  given: unknown,
  options: unknown,
  flags?: Flags,
): [Chosen, TagChange] {
  const call = `Jobs.${calls[kind]}()`
  const chosen = readChosen(call, states, which, options, flags)
  const all = typeof given === 'string' ? [given] : given
  checkFilter(call, { tags: all }, conditions({ tags }), { flags })
  return [chosen, { kind, tags: all as readonly string[] }]
}

/** Checks what a handle says. @throws JOB_INVALID */
export function readTags(id: string, kind: TagKind, given: readonly unknown[]): TagChange {
  const voice = voiceOf('JOB_INVALID', `${id}: ${calls[kind]}()`)
  conditions({ tags }).readAll({ tags: given }, voice)
  return { kind, tags: given as readonly string[] }
}

/** @throws the errors of `changeJobs` */
export async function tag(
  open: OpenQueues,
  which: Chosen,
  change: TagChange,
  options: ChangeOptions,
): Promise<Tagged> {
  const act = altering(open, change)
  const { done, refused } = await changeJobs(
    open,
    which,
    { states, verdict: () => 'done', check: () => {}, act },
    options,
  )
  return { tagged: done, left: refused }
}
