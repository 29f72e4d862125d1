/**
 * Reads the texts that a store keeps of a job. A stored text may be damaged, or have the format of a later
 * version of Lark. No function of this file throws, because one bad record must not prevent a caller from
 * reading other records.
 *
 * The options of a job are a JSON object, or begin with a mark: `!`, the name of a format, and `;`. If there
 * is a mark, the options, the key and the payload of the record are in the format that the mark names. This
 * version of Lark writes no marks, and cannot read records with a mark.
 */
import type { JobError, JobOptions, LogLine, Unreadable } from '../../../model/record.ts'
import { isDamagedLane, readLane } from './lane.ts'

/** How many characters of a damaged list are shown. */
const MAX_TEXT = 2_000

const MARK = '!'
/** The options of a job that are numbers. */
const numbers = ['maxCrashes', 'tries', 'timeout', 'retryUntil', 'expiresIn'] as const

/** @param text the value that the store returned; in a damaged store it may be of any type */
export function damaged(field: string, text: unknown): Unreadable {
  return { kind: 'damaged', field, text: String(text) }
}

/** Parses the options of a record. */
export function readOptions(text: unknown): { options?: JobOptions; unreadable?: Unreadable } {
  const mark = typeof text === 'string' && /^!([^;]*);/.exec(text)?.[1]
  if (typeof mark === 'string') return { unreadable: { kind: 'marked', mark } }
  const options = parsed(text) as JobOptions | undefined
  const isSound =
    typeof options === 'object' &&
    options !== null &&
    !Array.isArray(options) &&
    numbers.every((name) => options[name] === undefined || typeof options[name] === 'number') &&
    (options.tags === undefined || Array.isArray(options.tags))
  return isSound ? { options } : { unreadable: damaged('options', text) }
}

/**
 * Whether a record has a format that this version does not know. A record with an unknown format must not be
 * changed.
 */
export function isMarked(options: unknown): boolean {
  return typeof options === 'string' && options.startsWith(MARK)
}

/** Reads the group and the limiter from the name of a lane. */
export function readLaneName(lane: unknown): ReturnType<typeof readLane> & { unreadable?: Unreadable } {
  const names = readLane(lane as string)
  return isDamagedLane(lane) ? { ...names, unreadable: damaged('group', lane) } : names
}

/**
 * Parses the JSON text of a list. A damaged list is replaced by one entry that says that the list is damaged.
 */
export function readList<T>(text: unknown, instead: (text: string) => T): T[] {
  const list = parsed(text)
  return Array.isArray(list) ? list : [instead(String(text).slice(0, MAX_TEXT))]
}

/** Parses a text with one JSON value in each line. */
export function readLines<T>(text: string, instead: (text: string) => T): T[] {
  return text.split('\n').map((line) => {
    const item = parsed(line)
    return typeof item === 'object' && item !== null ? (item as T) : instead(line.slice(0, MAX_TEXT))
  })
}

/** The error that replaces a damaged list of errors. */
export function damagedErrors(text: string): JobError {
  return {
    run: 0,
    name: 'JobsError',
    code: 'RECORD_DAMAGED',
    message: `the stored errors of the job cannot be read: ${text}`,
  }
}

/** The log line that replaces a damaged line. */
export function damagedLine(text: string): LogLine {
  return { at: 0, level: 'warn', text: `damaged: ${text}` }
}

/** Parses a JSON text. The result is undefined if the text is not JSON. */
export function parsed(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
