/**
 * Payloads are JSON. `encode` returns the JSON text of a value, or refuses the value with an error that names
 * the path of the problem. `encode` drops nothing silently, except properties with the value `undefined`,
 * which JSON leaves out.
 *
 * A payload that is far too large or too deeply nested is refused before it is converted to JSON: the check
 * counts bytes while it walks through the payload, and stops at a quarter above the limit. So even a hostile
 * payload costs little more than the largest allowed payload.
 */
import { excerpt } from '@s18i/lark/internal'
import { textOf as textOfError } from '../words/thrown.ts'
import { JobsError } from './errors.ts'
import { openResultOf, wordsOf } from './open-result.ts'

/** The maximum size, in bytes of UTF-8. */
export const MAX_PAYLOAD = 524_288
/**
 * The maximum size of a progress report, in bytes of UTF-8. The limit is low because a job reports progress
 * again and again.
 */
export const MAX_PROGRESS = 4_096
/**
 * The maximum size of a context, in bytes of UTF-8. The limit is low because every job that is dispatched in
 * a context has a copy of the context.
 */
export const MAX_CONTEXT = 4_096
/**
 * How deep objects and lists may be nested, including the outermost object or list. The limit is needed
 * because `JSON.stringify` compares each object with all objects around it: 400 kB of short lists took 26 ms
 * with 100 levels, 40 ms with 200, and 141 ms with 990. (Node 20, 2 cores, shared, 2026-11-25.)
 */
export const MAX_DEPTH = 200

/** The kinds of values that are stored as JSON, with their size limits and error codes. */
const kinds = {
  payload: { limit: MAX_PAYLOAD, notJson: 'PAYLOAD_NOT_JSON', tooLarge: 'PAYLOAD_TOO_LARGE' },
  result: { limit: MAX_PAYLOAD, notJson: 'RESULT_NOT_JSON', tooLarge: 'PAYLOAD_TOO_LARGE' },
  progress: { limit: MAX_PROGRESS, notJson: 'PROGRESS_INVALID', tooLarge: 'PROGRESS_INVALID' },
  context: { limit: MAX_CONTEXT, notJson: 'CONTEXT_NOT_JSON', tooLarge: 'CONTEXT_TOO_LARGE' },
} as const

/**
 * Returns the JSON text of a value, or the empty text for `undefined`.
 *
 * @param of the owner of the value, for messages: the name of a job class, for example
 * @param what the kind of the value. The kind determines the words of messages and the error codes
 * @param isFree whether to accept everything that `JSON.stringify` accepts (`options/lenient.ts`)
 * @throws PAYLOAD_NOT_JSON (the message names the path: `payload.user.save is a function`),
 *   PAYLOAD_TOO_LARGE; for a result RESULT_NOT_JSON, PAYLOAD_TOO_LARGE; for a context CONTEXT_NOT_JSON,
 *   CONTEXT_TOO_LARGE
 */
export function encode(
  value: unknown,
  of: string | (() => string),
  what: keyof typeof kinds = 'payload',
  isFree = false,
): string {
  if (value === undefined) return ''
  const { limit, notJson, tooLarge } = kinds[what]
  const name = () => (typeof of === 'string' ? of : of())
  const refusal = (bytes: string) =>
    new JobsError(tooLarge, `${name()}: the ${what} has ${bytes} bytes, the limit is ${limit}`, {
      hint: 'Store the large part elsewhere and pass its id.',
    })
  // A value that is only a little too large is still converted, so that the error can state its exact size.
  const most = 1.25 * limit
  const check = new Check(most, isFree)
  const problem = check.problemOf(value, what)
  if (problem === TOO_DEEP) {
    throw new JobsError(notJson, `${name()}: ${what} is nested more than ${MAX_DEPTH} deep`, {
      hint: 'Pass it flat, such as a list of rows that name their parents; or store it elsewhere and pass its id.',
    })
  }
  if (problem !== undefined) {
    throw new JobsError(notJson, `${name()}: ${problem}`, {
      hint: 'Pass what JSON can hold: text, finite numbers, true, false, null, lists and plain objects.',
    })
  }
  if (check.isOver) throw refusal(`more than ${most}`)
  const text = JSON.stringify(value) ?? ''
  // A character takes at most three bytes of UTF-8, so short texts need no counting.
  if (text.length * 3 > limit) {
    const bytes = Buffer.byteLength(text)
    if (bytes > limit) throw refusal(String(bytes))
  }
  return text
}

/**
 * A lower bound for the size of a value as JSON: one byte for each character. The count stops above `most`.
 */
export function leastBytes(value: unknown, most: number): number {
  const check = new Check(most, true)
  // A value without a JSON form is no error here: the code that converts the value reports the problem.
  check.problemOf(value, '')
  return most - check.left
}

/**
 * Makes the value that `handle` receives from its JSON text. The value is a copy, never the caller's object.
 */
export function decode(text: string): unknown {
  // The text of a job without a payload may consist of spaces, which encode the payload's version
  // (`options/payload-rules.ts`).
  if (text === '' || (text.startsWith(' ') && text.trim() === '')) return undefined
  return JSON.parse(text)
}

/**
 * The first character of a stored result that only says why the returned value was not kept. No JSON text
 * begins with this character.
 */
const DROPPED = '!'

/** The text that is stored as the result of a job if the value that it returned cannot be kept. */
export function droppedResult(why: string): string {
  return `${DROPPED}${why}`
}

/**
 * The JSON text that is stored for the value that `handle` returned, or undefined if `handle` returned `true`
 * or nothing.
 *
 * @param name the name of the class, for messages
 */
export function resultText(value: unknown, name: string): string | undefined {
  if (value === true || value === undefined) return undefined
  try {
    return encode(value, name, 'result')
  } catch (error) {
    return droppedResult(textOfError(error))
  }
}

/** Why the returned value was not kept, or undefined if the result was kept. */
export function whyDropped(result: string): string | undefined {
  return result.startsWith(DROPPED) ? result.slice(DROPPED.length) : undefined
}

const TOO_DEEP = 'too deep'

/**
 * Checks a value by walking through it. The walk ends at the first part that has no JSON form, or when the
 * value is too large.
 *
 * The check counts one byte for each character, so never more bytes than the JSON text will have. The check
 * collects the path of a problem only after finding the problem, while its recursive calls return. So a value
 * without problems does not pay for the path.
 */
class Check {
  #left: number
  readonly #isFree: boolean
  /**
   * The path from the problem upwards: each object or list, with the key of the part that leads to the
   * problem.
   */
  #trail: [above: object, key: string | number | undefined][] | undefined

  /**
   * @param limit the maximum size in bytes.
   * @param isFree whether values without a JSON form are left out instead of refused
   */
  constructor(limit: number, isFree: boolean) {
    this.#left = limit
    this.#isFree = isFree
  }

  /** The number of bytes that are left: below 0 if the value is too large. */
  get left(): number {
    return this.#left
  }

  get isOver(): boolean {
    return this.#left < 0
  }

  /** The problem, as a sentence or `TOO_DEEP`. Undefined if there is no problem. */
  problemOf(value: unknown, what: string): string | undefined {
    try {
      const problem = this.#find(value, 0)
      if (problem === undefined) return undefined
      const trail = this.#trail?.reverse() ?? []
      if (problem !== TOO_DEEP) return `${what}${textOf(trail)} ${problem}`
      const again = trail.findIndex(([above], i) => trail.findIndex(([each]) => each === above) < i)
      return again < 0 ? TOO_DEEP : `${what}${textOf(trail.slice(0, again))} is a cycle: it contains itself`
    } catch (error) {
      // The recursion has filled the stack, although the nesting is below the limit: the caller had used most
      // of the stack.
      if (error instanceof RangeError) return TOO_DEEP
      // A getter or a toJSON() has thrown, or a proxy is revoked.
      return `${what} cannot be read: ${textOfError(error)}`
    }
  }

  /** @param depth the number of objects and lists around the value */
  #find(value: unknown, depth: number): string | undefined {
    switch (typeof value) {
      case 'string':
        this.#left -= value.length + 2
        return undefined
      case 'number':
        this.#left--
        return this.#isFree || Number.isFinite(value) ? undefined : `is ${value}`
      case 'boolean':
        this.#left -= 4
        return undefined
      case 'bigint':
        return 'is a BigInt'
      case 'object':
        if (value !== null) return depth < MAX_DEPTH ? this.#findInObject(value, depth + 1) : TOO_DEEP
        this.#left -= 4
        return undefined
      case 'undefined':
        return this.#isFree ? undefined : 'is undefined'
      default: {
        const open = openResultOf(value)
        if (open !== undefined) return `is ${wordsOf(open)}, which only nodes of its flow can use`
        return this.#isFree ? undefined : `is a ${typeof value}`
      }
    }
  }

  #findInObject(value: object, depth: number): string | undefined {
    this.#left--
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        this.#left--
        const problem = this.#find(value[i], depth)
        if (problem !== undefined) return this.#at(value, i, problem)
        if (this.#left < 0) return undefined
      }
      return undefined
    }
    const prototype = Object.getPrototypeOf(value)
    // An object is plain if its prototype has no prototype. This rule also accepts objects from another vm
    // context.
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      const name = prototype.constructor?.name || 'a class'
      const own = (value as { toJSON?: unknown }).toJSON
      // A Date is refused although it has toJSON: `handle` would receive a text instead of a value of its
      // declared type.
      if (typeof own === 'function' && (this.#isFree || !(value instanceof Date))) {
        const form = own.call(value, '')
        if (form !== value) {
          const problem = this.#find(form, depth)
          return problem && this.#at(value, undefined, problem)
        }
      }
      if (!this.#isFree) return `is ${article(name)}`
    }
    for (const key in value) {
      const inner = (value as Record<string, unknown>)[key]
      if (inner === undefined) continue
      this.#left -= key.length + 4
      // Texts take this shorter path, because many values are texts.
      if (typeof inner === 'string') this.#left -= inner.length + 2
      else {
        const problem = this.#find(inner, depth)
        if (problem !== undefined) return this.#at(value, key, problem)
      }
      if (this.#left < 0) return undefined
    }
    return undefined
  }

  #at(above: object, key: string | number | undefined, problem: string): string {
    this.#trail ??= []
    this.#trail.push([above, key])
    return problem
  }
}

/** The text of a path, such as `.user[0]["a b"]`. */
function textOf(trail: readonly [unknown, string | number | undefined][]): string {
  const parts = trail.map(([, key]) => {
    if (key === undefined) return ''
    const isWord = typeof key === 'string' && /^[\p{L}_$][\p{L}\p{N}_$]*$/u.test(key)
    return isWord ? `.${excerpt(key)}` : `[${JSON.stringify(typeof key === 'string' ? excerpt(key) : key)}]`
  })
  return parts.join('')
}

function article(name: string): string {
  if (name === 'a class') return 'an instance of a class'
  return /^[AEIOU]/.test(name) ? `an ${name}` : `a ${name}`
}
