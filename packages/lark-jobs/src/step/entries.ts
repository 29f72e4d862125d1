/**
 * The entries of a journal. An entry is one text: a letter, the name of the step, a line break, and a value.
 * The stores do not read entries. For a new kind of entry, add the letter here, the effect on a run in
 * `replay.ts`, and the words for people in `look.ts`.
 *
 *   r  result      the step ended with a result: JSON, or nothing
 *   e  error       the step failed, and its handler continued: a stored error as JSON
 *   t  try         a try of the step failed: the number of failed tries, `|`, and the time of the next try
 *   w  wait        a sleep or a wait has begun: the time at which it ends, or nothing if it has no end
 *   o  over        the time of the sleep or wait is over
 *   g  got         the wait has taken the signal with this number
 *   b  begun       a step that can be undone has begun
 *   u  undone      the step was undone: its earlier entries no longer count
 *   a  again       a try to undo the step failed: the number of failed tries, `|`, the time of the next try,
 *                  `|`, and the message
 *   s  started     the step has begun: the number of the run. Only recorded for a job that has crashed,
 *                  because the job may crash again at this step
 *   i  items       an iteration has processed some items: its place as JSON (`items.ts`)
 *   k  token       a token for an approval was made: the hash of the token, and more, as JSON (`approval.ts`)
 *   c  child       the step starts a child job: the place of the child as JSON (`child.ts`). The entry `wait`
 *                  of the same step follows
 *   f  forgotten   the earlier entries of the step no longer count. The value `+` means that the handler
 *                  threw the error of the step, and that a child job of the step may still complete
 *   j  named       (no step) the name of the job in rows in a database of the application, as JSON
 *                  (`in-database.ts`)
 *   m  spent       (no step) the number of the run that was suspended, `|`, and the milliseconds that the
 *                  attempt had taken by then
 *   n  now         (no step) a person has moved the end of all open waits: the new time. The store records
 *                  this entry (`store/contract/journals.ts`)
 *
 * Times are milliseconds since 1970 by the store's clock, in base 36 (`writeTime`), except in `n`. The value
 * of `r`, `e` and `g` begins with the time of the entry and the time that the step took (`stamp.ts`).
 */
import { JobsError } from '../model/errors.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { stampless } from './stamp.ts'

export const entryKinds = {
  r: 'result',
  e: 'error',
  t: 'try',
  w: 'wait',
  o: 'over',
  g: 'got',
  b: 'begun',
  u: 'undone',
  a: 'again',
  s: 'started',
  i: 'items',
  k: 'token',
  c: 'child',
  f: 'forgotten',
  j: 'named',
  m: 'spent',
  n: 'now',
} as const

export type EntryKind = (typeof entryKinds)[keyof typeof entryKinds]

export interface Entry {
  kind: EntryKind
  /** The name of the step (`name.ts`). */
  key: string
  value: string
}

const letters = Object.fromEntries(
  Object.entries(entryKinds).map(([letter, kind]) => [kind, letter]),
) as Record<EntryKind, string>

export function writeEntry(kind: EntryKind, key: string, value: string | number = ''): string {
  return `${letters[kind]}${key}\n${value}`
}

/** The text of a time, with five characters less than its decimal digits. */
export function writeTime(time: number): string {
  return time.toString(36)
}

export function readTime(text: string): number {
  return Number.parseInt(text, 36)
}

/**
 * Reads the value of `t` and of `a`. `until`: when the next try is due. `rest`: what follows the time, or
 * nothing.
 */
export function readTries(value: string): { failed: number; until: number; rest: string } {
  const [failed = '', until = '', ...rest] = value.split('|')
  return { failed: Number(failed), until: readTime(until), rest: rest.join('|') }
}

/** @throws JOURNAL_DAMAGED */
export function readEntry(text: string): Entry {
  const end = text.indexOf('\n')
  const kind = entryKinds[text[0] as keyof typeof entryKinds]
  if (end < 1 || kind === undefined) throw damaged(text)
  return { kind, key: text.slice(1, end), value: stampless(text.slice(end + 1)) }
}

/**
 * Parses the JSON text of an entry or a signal. Returns undefined for an empty text. @throws JOURNAL_DAMAGED
 */
export function readJson(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    throw damaged(text)
  }
}

/** The error for a damaged journal. A retry cannot repair the journal, so the job fails at once. */
export function damaged(text: string): JobsError {
  const shown = JSON.stringify(text.slice(0, 80))
  return asNonRetryable(
    new JobsError('JOURNAL_DAMAGED', `The journal of the job is damaged: it has ${shown}`),
  )
}
