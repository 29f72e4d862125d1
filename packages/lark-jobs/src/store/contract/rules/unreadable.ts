/**
 * Reads the texts that a store keeps of a job. They may be damaged, or have a later format. No function here
 * throws: one bad record must not make the others unreadable.
 *
 * Options are a JSON object, or begin with a mark: `!`, a name, and `;`. A mark says that the options, key
 * and payload of the record are in the format of that name. This version writes no marks, and cannot read
 * such a format.
 */
import type { JobError, JobOptions, LogLine, Unreadable } from '../../../model/record.ts'
import { isDamagedLane, readLane } from './lane.ts'

/** The most characters of a damaged list that are shown. */
const MAX_TEXT = 2_000

const MARK = '!'
/** The numeric options. */
const numbers = ['maxCrashes', 'tries', 'timeout', 'retryUntil', 'expiresIn'] as const

/** @param text the text as the store returned it; a damaged file or field may have any value */
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

/** Whether a record has another format, so that it must not be changed. */
export function isMarked(options: unknown): boolean {
  return typeof options === 'string' && options.startsWith(MARK)
}

/** Parses group and limiter from the name of a lane. */
export function readLaneName(lane: unknown): ReturnType<typeof readLane> & { unreadable?: Unreadable } {
  const names = readLane(lane as string)
  return isDamagedLane(lane) ? { ...names, unreadable: damaged('group', lane) } : names
}

/** Parses the JSON text of a list. A damaged list becomes one entry which says so. */
export function readList<T>(text: unknown, instead: (text: string) => T): T[] {
  const list = parsed(text)
  return Array.isArray(list) ? list : [instead(String(text).slice(0, MAX_TEXT))]
}

/** Parses JSON texts, one in each line. */
export function readLines<T>(text: string, instead: (text: string) => T): T[] {
  return text.split('\n').map((line) => {
    const item = parsed(line)
    return typeof item === 'object' && item !== null ? (item as T) : instead(line.slice(0, MAX_TEXT))
  })
}

/** The entry in place of damaged errors of a job. */
export function damagedErrors(text: string): JobError {
  return {
    run: 0,
    name: 'JobsError',
    code: 'RECORD_DAMAGED',
    message: `the stored errors of the job cannot be read: ${text}`,
  }
}

/** The entry in place of damaged lines of a log. */
export function damagedLine(text: string): LogLine {
  return { at: 0, level: 'warn', text: `damaged: ${text}` }
}

/** The value of a JSON text; undefined if the text is not JSON. */
export function parsed(text: unknown): unknown {
  try {
    return typeof text === 'string' ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}
