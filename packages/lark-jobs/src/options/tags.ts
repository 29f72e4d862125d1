/** Tags: words with which people find jobs of any class. Tags do not change how a job runs. */
import { MAX_TAGS } from '../model/record.ts'
import { isObject, isText, Option } from './schema.ts'

/** The maximum length of a tag, in characters. */
export const MAX_TAG = 64

/** The return value of `tags()`. */
export interface TagsBy {
  /** Returns the tags for a payload. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by: (payload: any) => readonly string[]
}

/** Words for messages: valid tags of a job. */
export const tagsForm = `a list of up to ${MAX_TAGS} texts of up to ${MAX_TAG} characters, without control characters`

function isTag(value: unknown): value is string {
  return isText(value) && value.length <= MAX_TAG && !/\p{C}/u.test(value)
}

export function isTags(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length <= MAX_TAGS && value.every(isTag)
}

/** The field `tags` of a class: a list, or the value of `tags()`. */
export const tagsOption = new Option<readonly string[] | TagsBy>(
  `${tagsForm}, or tags((payload) => [payload.shop])`,
  (value) => {
    const isRight = isTags(value) || (isObject(value) && typeof value.by === 'function')
    return isRight ? (value as readonly string[] | TagsBy) : undefined
  },
)

/**
 * Tags the jobs of a class by their payloads.
 *
 * @param by returns up to 10 texts of up to 64 characters
 * @example tags = tags((payload: { shop: string }) => ['billing', payload.shop])
 */
export function tags<P>(by: (payload: P) => readonly string[]): TagsBy {
  return Object.freeze({ by })
}

/** The tags of a job, still unchecked: the function of the class may have returned any value. */
export function tagsFor(option: readonly string[] | TagsBy, payload: unknown): unknown {
  return 'by' in option ? option.by(payload) : option
}
