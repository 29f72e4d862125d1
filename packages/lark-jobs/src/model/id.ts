/**
 * Job ids: 13 letters and digits. Ids sort by the time at which they were made.
 *
 * Seven characters encode the time in milliseconds (in base 62, which lasts until the year 2081), and six
 * characters encode a random number. For further ids within the same millisecond, the number is incremented
 * instead of drawn again, so that the ids of one process keep the order in which they were made. If two
 * processes make 100 ids each in the same millisecond, the chance that two ids are equal is 1 in 280 million.
 * The store then answers `exists`, and the dispatcher makes another id.
 */
import { randomInt } from 'node:crypto'
import { inspect } from 'node:util'
import { oneLine } from '../words/secret.ts'
import { JobsError } from './errors.ts'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const letters = [...alphabet]
/**
 * All texts of two characters. Joining an id from these texts takes 14 ns. Making an id character by
 * character takes 119 ns.
 */
const pairs = letters.flatMap((one) => letters.map((other) => one + other))
/** The number of characters of an id that encode its time. */
export const MADE = 7
/** The number of different texts of three characters. */
const THREE = 62 ** 3

let lastTime = 0
let time = ''
/** The random number in two halves: the values of its first three and its last three characters. */
let upper = 0
let lower = 0
/** The text of the time and of the first half of the random number. */
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
 * The time at which an id was made: milliseconds since 1970, by the clock of the process that made it.
 * Returns 0 for a text that is not an id of Lark.
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

/** The earliest time that an id of Lark can have: 2025-01-01. */
const FIRST = 1_735_689_600_000
const DAY = 86_400_000

/**
 * Whether Lark has probably made this id: it has the form of such an id, and its time is not in the future.
 * An id of the application may have 13 letters and digits, too. For example, the time in a number of a
 * product (`4006381333931`) would be in the year 1977. The clocks of processes may differ by up to a day.
 */
export function isMade(id: string, now = Date.now()): boolean {
  if (!/^[\dA-Za-z]{13}$/.test(id)) return false
  const at = madeAt(id)
  return at >= FIRST && at <= now + DAY
}

/** Makes a new id, which sorts after all earlier ids of this process. */
export function newId(now = Date.now()): string {
  if (now > lastTime) {
    lastTime = now
    time = encode(now, MADE)
    // The random number starts in the lower half of its range, so that incrementing it within a millisecond
    // cannot overflow.
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
 * A random text of 8 letters and digits that distinguishes the callers of this process from the callers of
 * other processes.
 */
export function newNonce(): string {
  return encode(randomInt(62 ** 4), 4) + encode(randomInt(62 ** 4), 4)
}

/**
 * The maximum length of an id that the application chose, in characters. An id of this length has at most 300
 * bytes in UTF-8.
 */
export const MAX_ID = 100

/** Whether a value can be the id of a job. */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID && !/\p{C}/u.test(value)
}

/**
 * Checks one id or a list of ids that a caller has passed. The caller may pass on a value from a request, so
 * it may be anything: from `?id[]=x`, Express makes a list.
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
