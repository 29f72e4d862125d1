/**
 * Compares a payload with the part of it that a test expects, or calls a function of the test. The
 * differences have paths, for the message of an assertion.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Path } from '../model/flow.ts'
import { shown } from '../words/secret.ts'

/**
 * A part of a value: objects may leave properties out, lists are compared as a whole, and a function in place
 * of a value decides whether the value matches. Matchers of vitest and Jest (`expect.any(Number)`) are
 * understood.
 */
export type PartOf<T> =
  | ((value: T) => unknown)
  | (T extends readonly (infer E)[]
      ? readonly PartOf<E>[]
      : T extends object
        ? { readonly [K in keyof T]?: PartOf<T[K]> }
        : T)
  | Matcher

/** A matcher of vitest or Jest. */
export interface Matcher {
  asymmetricMatch(other: unknown): boolean
  /** The accepted values, in words. */
  toAsymmetricMatcher?(): string
}

/** A place at which a value differs from what is expected. */
export interface Difference {
  /** The path of the place. Empty for the whole value. */
  path: Path
  /** The expected value, in words. */
  expected: string
  actual: unknown
}

/** The places at which a value differs. */
export function differences(expected: unknown, actual: unknown, path: Path = []): Difference[] {
  const differs = (words = shown(expected)) => [{ path, expected: words, actual }]
  if (typeof expected === 'function')
    return (expected as (value: unknown) => unknown)(actual)
      ? []
      : differs('a value that the function accepts')
  if (isMatcher(expected)) return expected.asymmetricMatch(actual) ? [] : differs(wordsOf(expected))
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual) || actual.length !== expected.length) return differs()
    return expected.flatMap((each, i) => differences(each, actual[i], [...path, i]))
  }
  if (typeof expected !== 'object' || expected === null) return Object.is(expected, actual) ? [] : differs()
  if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return differs()
  if (isOpaque(expected)) return isDeepStrictEqual(expected, actual) ? [] : differs()
  return Object.entries(expected).flatMap(([name, each]) =>
    differences(each, (actual as Record<string, unknown>)[name], [...path, name]),
  )
}

/** The part of a value at a path. Undefined if there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce((part, name) => (Object(part) as Record<string | number, unknown>)[name], value)
}

/** A path in words: `user.tags[0]`. */
export function pathWords(path: Path): string {
  const words = path.map((name) => (typeof name === 'number' ? `[${name}]` : `.${name}`)).join('')
  return words.replace(/^\./, '')
}

/** Whether an object has no parts that could be compared, such as a `Date`, a `Map`, or a matcher of Bun. */
function isOpaque(value: object): boolean {
  const isPlain = Object.prototype.toString.call(value) === '[object Object]'
  return !isPlain && Object.keys(value).length === 0
}

/** The words for a matcher, such as `Any<String>`. */
function wordsOf(matcher: Matcher): string {
  return matcher.toAsymmetricMatcher?.() ?? String(matcher)
}

function isMatcher(value: unknown): value is Matcher {
  return typeof Object(value).asymmetricMatch === 'function'
}
