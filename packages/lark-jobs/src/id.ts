/**
 * Job ids: 13 letters and digits that sort by the time they were made.
 *
 * Seven say the millisecond (base 62 reaches the year 2081), six a random number, which within one millisecond is
 * raised by one instead of drawn again, so that the ids of one process keep the order in which they were made.
 * Two processes that make 100 ids each in the same millisecond meet with a chance of 1 in 280 million; the store
 * then answers `exists`, and the dispatcher takes another.
 */
import { randomInt } from 'node:crypto'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
/** Letters of an id that say when it was made. */
export const MADE = 7
const CHANCE = 62 ** 6

let lastTime = 0
let prefix = ''
let chance = 0

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
for (const [value, letter] of [...alphabet].entries()) values[letter.charCodeAt(0)] = value

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
    prefix = encode(now, MADE)
    // The upper half stays free, so that a busy millisecond cannot run over.
    chance = randomInt(CHANCE / 2)
  } else {
    chance++
  }
  return prefix + encode(chance, 6)
}

/** Tells this process's callers from those of any other: 8 letters and digits. */
export function newNonce(): string {
  return encode(randomInt(62 ** 4), 4) + encode(randomInt(62 ** 4), 4)
}
