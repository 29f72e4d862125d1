/**
 * The entries of a journal. An entry is one text: a letter, the name of the step, a line break, and a value.
 * The stores do not read entries. New kind: add its letter here, what it means for a run in `replay.ts`, and
 * what people see of it in `look.ts`.
 *
 *   r  result      the step ended with a result: JSON, or nothing
 *   e  error       the step failed, and its handler went on: a kept error as JSON
 *   t  try         a try failed: how many have, `|`, and until when the next waits
 *   w  wait        a sleep or a wait has begun: until when, or nothing for ever
 *   o  over        it is over: its time has come
 *   g  got         it got the signal with this number
 *   b  begun       a step that can be undone has begun
 *   u  undone      it is undone: what was recorded of it does not count any more
 *   a  again       a try to undo it failed: how many have, `|`, until when the next waits, `|`, and the
 *                  message
 *   s  started     the step runs: the number of the run. Only of a job that has crashed, which may crash at
 *                  this step
 *   i  items      so far an iteration is done: its place as JSON (`items.ts`)
 *   k  token       a token was made, which answers an approval: its hash, and more, as JSON (`approval.ts`)
 *   c  child       a job is begun and awaited: its place as JSON (`child.ts`). The wait for it follows
 *   f  forgotten   what was recorded of the step before does not count any more. `+`: its error went through
 *                  the handler, and a job that it began may still complete
 *   j  named       (without a name) what its rows in a database of the application call the job, as JSON
 *                  (`in-database.ts`)
 *   m  spent       (without a name) the number of the run that was suspended, `|`, and the milliseconds that
 *                  the attempt had taken by then
 *   n  now         (without a name) a person has moved the end of all waits that had begun: until when. The
 *                  store records it (`store/contract/journals.ts`)
 *
 * Times are milliseconds since 1970 by the store's clock. The value of `r`, `e` and `g` begins with the time
 * of the entry, and how long it took (`stamp.ts`).
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

/** @throws JOURNAL_DAMAGED */
export function readEntry(text: string): Entry {
  const end = text.indexOf('\n')
  const kind = entryKinds[text[0] as keyof typeof entryKinds]
  if (end < 1 || kind === undefined) throw damaged(text)
  return { kind, key: text.slice(1, end), value: stampless(text.slice(end + 1)) }
}

/**
 * The value of an entry or a signal, from its JSON text; undefined for an empty text. @throws JOURNAL_DAMAGED
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
