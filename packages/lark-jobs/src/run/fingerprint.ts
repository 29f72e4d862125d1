/**
 * The fingerprint of a failure. Jobs that failed for the same reason have the same fingerprint. A fingerprint
 * is made from the key of the class, the name and the code of the last error, the message of that error
 * without the parts that differ from job to job, and the place where the error was thrown.
 */
import { createHash } from 'node:crypto'
import { defined } from '@s18i/lark/internal'
import type { JobRecord } from '../model/record.ts'

/**
 * The number of letters of a hash. The name of a kind of failure is the beginning of its hash, as long as
 * necessary to distinguish the kind from other kinds.
 */
const HASH = 12
/** The minimum number of letters of a name. */
const SHORTEST = 4
/** The number of characters of a message that are compared. */
const MAX_MESSAGE = 500
/** The text that replaces a part that differs from job to job. */
const PART = '…'

export interface Fingerprint {
  /** The hash: 12 hexadecimal digits, the same in every process and after a restart. */
  hash: string
  /** The message of the error, with `…` for each part that is not compared. */
  message: string
  /**
   * The place in the application where the error was thrown: the function, and the file with its folder.
   * Absent if the stack has no line of the application.
   */
  frame?: string
}

/** Whether a value can be the name of a kind of failure. */
export function isKind(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{4,12}$/.test(value)
}

/** The fingerprint of the last failure of a job, or undefined if the job has not failed. */
export function fingerprintOf({
  id,
  key,
  errors,
}: Pick<JobRecord, 'id' | 'key' | 'errors'>): Fingerprint | undefined {
  const error = errors.at(-1)
  if (error === undefined) return undefined
  const message = stableMessage(error.message, id)
  const frame = topFrame(error.stack)
  const code = error.code ?? error.cause?.code ?? ''
  const all = JSON.stringify([key, error.name, code, message, frame ?? ''])
  const hash = createHash('sha256').update(all).digest('hex').slice(0, HASH)
  return { hash, message, ...defined({ frame }) }
}

/**
 * A message without the parts that differ from job to job: quoted texts, queries of URLs, e-mail addresses,
 * ids, and numbers.
 */
export function stableMessage(text: string, id: string): string {
  return (
    text
      .slice(0, MAX_MESSAGE)
      .replaceAll(id, PART)
      // A quotation mark within a word is an apostrophe, so it does not begin or end a quoted text.
      .replace(/(?<![\p{L}\p{N}])(["'`])[^"'`\n]{0,200}\1(?![\p{L}\p{N}])/gu, `$1${PART}$1`)
      .replace(/[“«][^”»\n]{0,200}[”»]/g, PART)
      .replace(/(\w{2,10}:\/\/[^\s/?#]{1,200}[^\s?#]{0,400})[?#][^\s)\]]*/g, '$1')
      .replace(/(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}/g, PART)
      .replace(/\b[\w-]*\d[\w-]*\b/g, (word) => (isIdLike(word) ? PART : numberless(word)))
      .replace(/\b[0-9a-f]{8,}\b/gi, PART)
      .replace(/\s+/g, ' ')
      .replace(/…(?:[.,:/-]?…)+/g, PART)
      .trim()
  )
}

/**
 * Whether a word is a number, or has at least three digits. Returns false for a name with a number at its
 * end, such as `user7` or `user1234`.
 */
function isIdLike(word: string): boolean {
  return !/^\p{L}+[-_]?\d+$/u.test(word) && /\d.*\d.*\d|^[\d-]+$/.test(word)
}

/**
 * Replaces the digits of a name with a number, or of a word with one or two digits, and keeps its letters.
 */
function numberless(word: string): string {
  return word.replace(/\d+/g, PART)
}

/**
 * The first line of a stack that is in the application, without the position in the file, which changes with
 * each edit. Only the last two parts of a path are used, because releases have folders of their own.
 */
function topFrame(stack: string | undefined): string | undefined {
  const frames = stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  const own = frames.find((line) => !/node_modules|\bnode:/.test(line)) ?? frames[0]
  if (own === undefined) return undefined
  const [, name = '', place = ''] = /^\s+at (?:(.*?) \()?(.*?)\)?$/.exec(own) ?? []
  const file = place
    .replace(/[?#].*$/, '')
    .replace(/(?::\d+){1,2}$/, '')
    .split(/[\\/]/)
    .slice(-2)
    .join('/')
  return `${name.replace(/^async /, '')} ${file}`.trim()
}

/**
 * The short name of each hash: as many of the hash's first letters as are needed to distinguish it from the
 * other hashes.
 */
export function shortNames(hashes: readonly string[]): Map<string, string> {
  const sorted = hashes.toSorted()
  return new Map(
    sorted.map((hash, i) => {
      const near = [sorted[i - 1], sorted[i + 1]].map((other) => sharedLength(hash, other))
      return [hash, hash.slice(0, Math.max(SHORTEST, ...near.map((length) => length + 1)))]
    }),
  )
}

/** How many letters two texts share at their beginnings. */
function sharedLength(one: string, other = ''): number {
  let length = 0
  while (length < other.length && one[length] === other[length]) length++
  return length
}
