/**
 * Changes of the options in a record. `tags`, `redact` and `editedAt` belong to the payload: when a payload
 * replaces another, it brings its own. All other options belong to the job. `options.lua` does the same with
 * the text.
 */
import { type JobOptions, MAX_TAGS } from '../../../model/record.ts'
import type { Change } from '../change.ts'
import { parsed } from './unreadable.ts'

/** The options that belong to a payload, as a change of the options of another payload. */
export function saidOfPayload({ tags, redact }: JobOptions = {}): JobOptionChanges {
  return { tags, redact, editedAt: undefined }
}

/** Options to set; `undefined` removes one. */
export type JobOptionChanges = { [K in keyof JobOptions]: JobOptions[K] | undefined }

/** The tags of a job after a change; `undefined` if it then had too many. */
export function changedTags(
  before: readonly string[],
  { kind, tags }: Extract<Change, { kind: 'add-tags' | 'remove-tags' }>,
): readonly string[] | undefined {
  const left = before.filter((tag) => !tags.includes(tag))
  const all =
    kind === 'remove-tags' ? left : [...before, ...new Set(tags.filter((tag) => !before.includes(tag)))]
  return all.length > MAX_TAGS && kind === 'add-tags' ? undefined : all
}

/** @param text JSON, as it is stored; null for none. Damaged options stay as they are */
export function withOptions(text: string | null, changes: JobOptionChanges): string | null {
  const before = text === null ? {} : parsed(text)
  if (typeof before !== 'object' || before === null) return text
  const options = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== undefined)
  return options.length === 0 ? null : JSON.stringify(Object.fromEntries(options))
}
