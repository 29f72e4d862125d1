/**
 * Shows a thrown value as text. Any value can be thrown; nothing here throws, whatever its getters or a proxy
 * do.
 */
import { inspect } from 'node:util'
import { isError } from '@s18i/lark/internal'
import { oneLine } from './secret.ts'

export { isError }

/** The most characters of a text. */
const LONGEST = 2_000
/**
 * How an object is shown: without a call of its getters or of the traps of a proxy. The number of its fields
 * is not bounded: 1,000 fields take 3 ms, and 100,000 take 0.4 s (Node 20, 2 cores, shared, 2026-11-25).
 */
const SHORT = { ...oneLine, depth: 2, maxArrayLength: 20, maxStringLength: LONGEST, customInspect: false }

/** A field of the value; undefined if reading it throws. */
export function fieldOf(thrown: unknown, name: string): unknown {
  try {
    return (thrown as Record<string, unknown> | null | undefined)?.[name]
  } catch {
    return undefined
  }
}

/** The message of an error. Any other value is shown itself: a text as it is, an object as `{ code: 42 }`. */
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
