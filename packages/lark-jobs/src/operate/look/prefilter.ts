/**
 * Makes the prefilter of a list of jobs from the conditions of the list. The prefilter consists of texts, and
 * a job that meets the conditions contains all of these texts. The prefilter is never stricter than the
 * conditions, whatever wrote the payload as JSON.
 */
import { defined } from '@s18i/lark/internal'
import { groupName } from '../../options/group.ts'
import { laneName } from '../../store/contract/rules/lane.ts'
import type { Prefilter } from '../../store/contract/store.ts'
import type { JobConditions } from './filter.ts'
import { REDACTED } from './redacted.ts'

/**
 * The characters that no JSON writer escapes. (A writer may escape all other characters, such as `/`, `<` and
 * `é`.)
 */
const PLAIN = /[\w .,:@-]+/g
/** Some JSON writers write larger whole numbers with an exponent. */
const MOST_DIGITS = 1e15

/** @returns undefined if the store cannot leave out jobs by these conditions */
export function prefilterOf({ idPrefix, key, tag, group, where }: JobConditions): Prefilter | undefined {
  const found = defined({
    id: idPrefix,
    key,
    group: group === undefined ? undefined : [laneName(groupName(group))],
    options: tag === undefined ? undefined : longestPlain(tag),
    payload: where === undefined ? undefined : payloadTexts(where),
  })
  return Object.keys(found).length === 0 ? undefined : found
}

/**
 * The texts that each payload with these values contains. The list is empty if a value is the text that
 * people see instead of a hidden part, because the stored payload does not contain this text.
 */
function payloadTexts(where: Readonly<Record<string, unknown>>): string[] | undefined {
  if (JSON.stringify(where).includes(REDACTED)) return undefined
  const values: string[] = []
  const names: string[] = []
  for (const [path, value] of Object.entries(where)) {
    const parts = path.split('.')
    // The JSON text of a list contains neither the length of the list nor the indexes of its elements.
    if (parts.includes('length')) continue
    values.push(...textsOf(value))
    names.push(...parts.flatMap((name) => (/^\d+$/.test(name) ? [] : (longestPlain(name) ?? []))))
  }
  // A value is rarer than a name, so the values come first, and most jobs are left out after one comparison.
  const all = [...new Set([...values, ...names])]
  return all.length > 0 ? all : undefined
}

function* textsOf(value: unknown): Generator<string> {
  if (typeof value === 'string') yield* longestPlain(value) ?? []
  else if (typeof value === 'boolean' || value === null) yield String(value)
  else if (typeof value === 'number') {
    if (Number.isInteger(value) && Math.abs(value) < MOST_DIGITS) yield String(value)
  } else
    for (const [name, each] of Object.entries(value as object)) {
      if (!Array.isArray(value)) yield* longestPlain(name) ?? []
      yield* textsOf(each)
    }
}

/** The longest part of a text that every JSON writer writes without escapes. */
function longestPlain(text: string): string[] | undefined {
  const parts = text.match(PLAIN) ?? []
  const [longest] = parts.sort((one, other) => other.length - one.length)
  return longest === undefined ? undefined : [longest]
}
