/**
 * Job ids: 13 letters and digits that sort by the time they were made.
 *
 * Seven say the millisecond (base 62 reaches the year 2081), six a random number, which within one millisecond is
 * raised by one instead of drawn again, so that the ids of one process keep the order in which they were made.
 * Two processes that make 100 ids each in the same millisecond meet with a chance of 1 in 280 million; the store
 * then answers `exists`, and the dispatcher takes another.
 */
import { randomInt } from 'node:crypto'
import { inspect } from 'node:util'
import { JobsError } from './errors.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const letters = [...alphabet]
/** All texts of two letters. An id is put together of what is at hand (measured: 14 ns, 119 letter by letter). */
const pairs = letters.flatMap((one) => letters.map((other) => one + other))
/** Letters of an id that say when it was made. */
export const MADE = 7
/** What three letters can say. */
const THREE = 62 ** 3

let lastTime = 0
let time = ''
/** The random number: its upper and its lower three letters. */
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

/** What each letter of the alphabet is worth, by its code; -1 for all others. */
const values = new Int8Array(128).fill(-1)
for (const [value, letter] of letters.entries()) values[letter.charCodeAt(0)] = value

/** When an id was made, by the clock of its maker: milliseconds since 1970; 0 for a text that is none of ours. */
export function madeAt(id: string): number {
  let at = 0
  for (let i = 0; i < MADE; i++) {
    const value = values[id.charCodeAt(i)] ?? -1
    if (value < 0) return 0
    at = at * 62 + value
  }
  return at
}

/** A new id, greater than every one that this process made before. */
export function newId(now = Date.now()): string {
  if (now > lastTime) {
    lastTime = now
    time = encode(now, MADE)
    // The upper half stays free, so that a busy millisecond cannot run over.
    upper = randomInt(THREE / 2)
    lower = randomInt(THREE)
    head = time + encode(upper, 3)
  } else if (++lower === THREE) {
    lower = 0
    head = time + encode(++upper, 3)
  }
  return head + pairs[Math.floor(lower / 62)] + letters[lower % 62]
}

/** Tells this process's callers from those of any other: 8 letters and digits. */
export function newNonce(): string {
  return encode(randomInt(62 ** 4), 4) + encode(randomInt(62 ** 4), 4)
}

/** The most letters of an id that is looked up. */
const LONGEST = 100

/**
 * Checks ids from outside: one, or a list. A value from a request may be anything, such as the list that Express makes
 * of `?id[]=x`.
 *
 * @throws JOB_ID_INVALID for a value that cannot be the id of a job
 */
export function readIds(named: unknown): string[] {
  const isList = typeof named === 'object' && named !== null && Symbol.iterator in named
  return Array.from(isList ? (named as Iterable<unknown>) : [named], readId)
}

/** @throws JOB_ID_INVALID */
export function readId(named: unknown): string {
  if (typeof named === 'string' && named !== '' && named.length <= LONGEST && !/\p{C}/u.test(named))
    return named
  const got = inspect(named, {
    compact: true,
    breakLength: Infinity,
    depth: 0,
    maxArrayLength: 3,
    maxStringLength: 40,
  })
  throw new JobsError('JOB_ID_INVALID', `${got} is not the id of a job`, {
    hint: "An id is the value of `job.id` after a dispatch: a text such as '0Vr5kPq3Zx1aB'",
  })
}
