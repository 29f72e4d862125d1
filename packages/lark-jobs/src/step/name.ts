/**
 * The names of steps. A run finds the entries of a step by the name of the step, never by the position of the
 * step in the code.
 */
import { JobsError } from '../model/errors.ts'
import { shown } from '../words/secret.ts'

/**
 * A text, or a list of texts and numbers: `'charge'`, `['mail', user.id]`. Each name is used once in a run.
 */
export type StepName = string | readonly (string | number)[]

/** The maximum length of a name, in characters. */
export const MAX_STEP_NAME = 200

/** Most names have only these characters, which take less time to check than properties of Unicode. */
const asciiOnly = /^[ -~]*$/

/**
 * The form of a name in the journal (the key).
 *
 * @throws STEP_INVALID
 */
export function stepKey(name: unknown): string {
  const key = isList(name) ? JSON.stringify(name) : name
  if (
    typeof key === 'string' &&
    key !== '' &&
    key !== '[]' &&
    key.length <= MAX_STEP_NAME &&
    (asciiOnly.test(key) || !/\p{Cc}|\p{Cs}/u.test(key))
  )
    return key
  throw new JobsError('STEP_INVALID', `A step was given ${shown(name)} as its name`, {
    hint: `It must be a text, or a list of texts and numbers, of at most ${MAX_STEP_NAME} characters on one line, without half of a surrogate pair.`,
  })
}

/** The name for people: `mail 7`. A name that is a text may look like a list: `[draft] mail`. */
export function stepWords(key: string): string {
  return partsOf(key).join(' ')
}

/** The part of a name that all steps of one loop share: `mail` for `mail 7`. */
export function stepFamily(key: string): string {
  const parts = partsOf(key)
  return String(parts.find((part) => typeof part === 'string') ?? parts[0])
}

function partsOf(key: string): (string | number)[] {
  if (!key.startsWith('[')) return [key]
  try {
    return JSON.parse(key)
  } catch {
    return [key]
  }
}

/** Whether a value is a list. The value may be a proxy, which may throw whenever it is read. */
function isList(name: unknown): boolean {
  try {
    return Array.isArray(name) && name.every(isPart)
  } catch {
    return false
  }
}

function isPart(part: unknown): boolean {
  return typeof part === 'string' || (typeof part === 'number' && Number.isFinite(part))
}
