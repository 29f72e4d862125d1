/**
 * Job ids: 13 letters and digits that sort by the time they were made.
 *
 * Seven characters encode the millisecond (base 62 reaches the year 2081). Six encode a random number. Within
 * one millisecond, the number is raised by one instead of drawn again, so that the ids of one process keep
 * the order in which they were made. If two processes make 100 ids each in the same millisecond, the chance
 * that two ids are equal is 1 in 280 million. The store then answers `exists`, and the dispatcher makes
 * another id.
 */
import { randomInt } from 'node:crypto'
import { inspect } from 'node:util'
import { oneLine } from '../words/secret.ts'
import { JobsError } from './errors.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const letters = [...alphabet]
/**
 * All texts of two letters. Joining prepared texts makes an id in 14 ns; letter by letter it takes 119 ns.
 */
const pairs = letters.flatMap((one) => letters.map((other) => one + other))
/** How many letters of an id encode its time. */
export const MADE = 7
/** How many different texts three letters have. */
const THREE = 62 ** 3

let lastTime = 0
let time = ''
/** The random number: the values of its upper and its lower three letters. */
let upper = 0
let lower = 0
/** The time and the upper half, as text. */
let head = ''

function encode(number: number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) {
    text = alphabet[number % 62] + text
    number = Math.floor(number / 62)
  }
  return text
}

/** The value of each letter of the alphabet, by its character code; -1 for all other characters. */
const values = new Int8Array(128).fill(-1)
for (const [value, letter] of letters.entries()) values[letter.charCodeAt(0)] = value

/**
 * When an id was made: milliseconds since 1970, by the clock of its process; 0 for a text that is not an id
 * of Lark.
 */
export function madeAt(id: string): number {
  let at = 0
  for (let i = 0; i < MADE; i++) {
    const value = values[id.charCodeAt(i)] ?? -1
    if (value < 0) return 0
    at = at * 62 + value
  }
  return at
}

/** A new id, greater than all ids that this process made before. */
export function newId(now = Date.now()): string {
  if (now > lastTime) {
    lastTime = now
    time = encode(now, MADE)
    // The number begins in the lower half of its range, so that it cannot overflow within a millisecond.
    upper = randomInt(THREE / 2)
    lower = randomInt(THREE)
    head = time + encode(upper, 3)
  } else if (++lower === THREE) {
    lower = 0
    head = time + encode(++upper, 3)
  }
  return head + pairs[Math.floor(lower / 62)] + letters[lower % 62]
}

/**
 * A random text of 8 letters and digits that distinguishes the callers of this process from those of others.
 */
export function newNonce(): string {
  return encode(randomInt(62 ** 4), 4) + encode(randomInt(62 ** 4), 4)
}

/** The most characters that an id from outside may have: 300 bytes of UTF-8. */
export const MAX_ID = 100

/** Whether a value can be the id of a job. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID && !/\p{C}/u.test(value)
}

/**
 * Checks one id, or a list of ids, from outside. A value from a request may be anything, such as the list
 * that Express makes of `?id[]=x`.
 *
 * @throws JOB_ID_INVALID for a value that cannot be the id of a job
 */
export function readIds(named: unknown): string[] {
  const isList = typeof named === 'object' && named !== null && Symbol.iterator in named
  return Array.from(isList ? (named as Iterable<unknown>) : [named], readId)
}

/** @throws JOB_ID_INVALID */
export function readId(named: unknown): string {
  if (isId(named)) return named
  const got = inspect(named, { ...oneLine, depth: 0, maxArrayLength: 3, maxStringLength: 40 })
  throw new JobsError('JOB_ID_INVALID', `${got} is not the id of a job`, {
    hint: "An id is the value of `job.id` after a dispatch: a text such as '0Vr5kPq3Zx1aB'",
  })
}
