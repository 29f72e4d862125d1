/**
 * Shows a thrown value as text. Any value can be thrown, and these functions never throw, no matter what the
 * value's getters or a proxy do.
 */
import { inspect } from 'node:util'
import { isError } from '@s18i/lark/internal'
import { oneLine } from './secret.ts'

export { isError }

/** Texts are cut to this many characters. */
const LONGEST = 2_000
/**
 * Options that show an object without calling its getters or the traps of a proxy. These options do not limit
 * the number of fields: to show 1,000 fields takes 3 ms, and 100,000 fields 0.4 s (Node 20, 2 cores, shared,
 * 2026-11-25).
 */
const SHORT = { ...oneLine, depth: 2, maxArrayLength: 20, maxStringLength: LONGEST, customInspect: false }

/** A field of the value. Undefined if reading it throws. */
export function fieldOf(thrown: unknown, name: string): unknown {
  try {
    return (thrown as Record<string, unknown> | null | undefined)?.[name]
  } catch {
    return undefined
  }
}

/**
 * The message of an error. Any other value itself is shown: a text unchanged, an object as `{ code: 42 }`.
 */
export function textOf(thrown: unknown): string {
  try {
    const value: unknown = isError(thrown) ? thrown.message : thrown
    return (Object(value) === value ? inspect(value, SHORT) : String(value)).slice(0, LONGEST)
  } catch {
    return 'a value was thrown that has no text form'
  }
}

/** An error on several lines, with its stack, causes and other fields. */
export function wholeTextOf(thrown: unknown): string {
  if (!isError(thrown)) return textOf(thrown)
  try {
    return inspect(thrown, { ...SHORT, depth: 4, compact: 3, breakLength: 120 }).slice(0, LONGEST * 4)
  } catch {
    return textOf(thrown)
  }
}
