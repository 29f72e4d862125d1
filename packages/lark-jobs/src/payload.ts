/**
 * Payloads are JSON. `encode` gives the text, or refuses and names the place; it never loses anything silently,
 * save a property that is `undefined`, which JSON drops by its own rule.
 */
import { JobsError } from './errors.ts'

/** Bytes, as UTF-8. */
export const MAX_PAYLOAD = 524_288
/** Bytes, as UTF-8: it goes with every job that is dispatched in it. */
export const MAX_CONTEXT = 4_096

/** What is encoded: how much of it, and what refuses it. */
const kinds = {
  payload: { limit: MAX_PAYLOAD, notJson: 'PAYLOAD_NOT_JSON', tooLarge: 'PAYLOAD_TOO_LARGE' },
  result: { limit: MAX_PAYLOAD, notJson: 'RESULT_NOT_JSON', tooLarge: 'PAYLOAD_TOO_LARGE' },
  context: { limit: MAX_CONTEXT, notJson: 'CONTEXT_NOT_JSON', tooLarge: 'CONTEXT_TOO_LARGE' },
} as const

/**
 * The JSON text of a payload; of no payload, the empty text.
 *
 * @param what the value is, which messages and codes go by
 * @throws PAYLOAD_NOT_JSON naming the path (`payload.user.save is a function`), PAYLOAD_TOO_LARGE; for a result and a
 * context theirs
 */
export function encode(value: unknown, of: string, what: keyof typeof kinds = 'payload'): string {
  if (value === undefined) return ''
  const { limit, notJson, tooLarge } = kinds[what]
  const { text, problem } = write(value, what)
  if (problem !== undefined) {
    throw new JobsError(notJson, `${of}: ${problem}`, {
      hint: 'Pass what JSON can hold: text, finite numbers, true, false, null, lists and plain objects.',
    })
  }
  // A character takes at most three bytes of UTF-8: short texts need no counting.
  if (text.length * 3 > limit) {
    const bytes = Buffer.byteLength(text)
    if (bytes > limit) {
      throw new JobsError(tooLarge, `${of}: the ${what} has ${bytes} bytes, the limit is ${limit}`, {
        hint: 'Store the large part elsewhere and pass its id.',
      })
    }
  }
  return text
}

/** What `handle` receives: a copy, never the caller's object. */
export function decode(text: string): unknown {
  return text === '' ? undefined : JSON.parse(text)
}

/** The text, or the problem. The check and `JSON.stringify` each go as deep as the value, and may run out of stack. */
function write(value: unknown, what: string): { text: string; problem?: string | undefined } {
  try {
    const problem = findProblem(value, what, [])
    return { text: problem === undefined ? JSON.stringify(value) : '', problem }
  } catch (error) {
    if (error instanceof RangeError) return { text: '', problem: `${what} is nested too deeply` }
    throw error
  }
}

/** The first thing that has no JSON form, as a sentence; undefined when all is well. */
function findProblem(value: unknown, path: string, above: object[]): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      return Number.isFinite(value) ? undefined : `${path} is ${value}`
    case 'bigint':
      return `${path} is a BigInt`
    case 'object':
      return value === null ? undefined : findInObject(value, path, above)
    case 'undefined':
      return `${path} is undefined`
    default:
      return `${path} is a ${typeof value}`
  }
}

function findInObject(value: object, path: string, above: object[]): string | undefined {
  if (above.includes(value)) return `${path} is a cycle: it contains itself`
  const prototype = Object.getPrototypeOf(value)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const problem = findProblem(value[i], `${path}[${i}]`, [...above, value])
      if (problem !== undefined) return problem
    }
    return undefined
  }
  // A root prototype is plain in every realm, whatever vm context the object comes from.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    const name = prototype.constructor?.name || 'a class'
    const own = (value as { toJSON?: unknown }).toJSON
    // A Date has toJSON, but comes back as a text: refused, so that handle gets what its type says.
    if (typeof own !== 'function' || value instanceof Date) return `${path} is ${article(name)}`
    const form = own.call(value, '')
    return form === value ? `${path} is ${article(name)}` : findProblem(form, path, [...above, value])
  }
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key]
    // Most are; for these no path is made.
    if (isScalar(inner)) continue
    const named = /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key)
    const problem = findProblem(inner, path + (named ? `.${key}` : `[${JSON.stringify(key)}]`), [
      ...above,
      value,
    ])
    if (problem !== undefined) return problem
  }
  return undefined
}

function isScalar(value: unknown): boolean {
  const type = typeof value
  return type === 'string' || type === 'boolean' || value == null || Number.isFinite(value)
}

function article(name: string): string {
  if (name === 'a class') return 'an instance of a class'
  return /^[AEIOU]/.test(name) ? `an ${name}` : `a ${name}`
}
