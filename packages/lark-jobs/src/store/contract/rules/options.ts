/**
 * Changes the options in the record of a job. `tags`, `redact` and `editedAt` belong to the payload: a new
 * payload brings new values of these options. All other options belong to the job and stay. `options.lua` has
 * the same rules.
 */
import { type JobOptions, MAX_TAGS } from '../../../model/record.ts'
import type { Change } from '../change.ts'
import { parsed } from './unreadable.ts'

/** The changes that a new payload makes to the options of the job whose payload it replaces. */
export function saidOfPayload({ tags, redact }: JobOptions = {}): JobOptionChanges {
  return { tags, redact, editedAt: undefined }
}

/** New values of options. An option with the value `undefined` is removed. */
export type JobOptionChanges = { [K in keyof JobOptions]: JobOptions[K] | undefined }

/** The tags of a job after a change; `undefined` if the job would have more than `MAX_TAGS`. */
export function changedTags(
  before: readonly string[],
  { kind, tags }: Extract<Change, { kind: 'add-tags' | 'remove-tags' }>,
): readonly string[] | undefined {
  const left = before.filter((tag) => !tags.includes(tag))
  const all =
    kind === 'remove-tags' ? left : [...before, ...new Set(tags.filter((tag) => !before.includes(tag)))]
  return all.length > MAX_TAGS && kind === 'add-tags' ? undefined : all
}

/**
 * @param text the stored options as JSON, or null if there are none. Damaged options are returned unchanged
 */
export function withOptions(text: string | null, changes: JobOptionChanges): string | null {
  const before = text === null ? {} : parsed(text)
  if (typeof before !== 'object' || before === null) return text
  const options = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined)
  return options.length === 0 ? null : JSON.stringify(Object.fromEntries(options))
}
