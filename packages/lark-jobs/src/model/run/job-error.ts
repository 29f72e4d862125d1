/**
 * Errors in the form that is stored with a job: shortened, with their causes, also for thrown values that are
 * no errors. And the lines that people see of them.
 */
import { defined } from '@s18i/lark/internal'
import { fieldOf, isError, textOf } from '../../words/thrown.ts'
import { JobsError } from '../errors.ts'
import type { JobError, KeptError } from '../record.ts'

/** Characters of a stack kept with an error. */
const MAX_STACK = 4_000
/** Characters of a name or a code. */
const MAX_NAME = 200
/** The most characters of all causes and inner errors of one error together. */
const MAX_BELOW = 4_000
/** How many causes and inner errors are kept with one error, … */
const MAX_PARTS = 10
/** … how deep they may be nested, … */
const MAX_DEPTH = 5
/** … and how many of the `errors` of one error. */
const MAX_HELD = 5
/**
 * The folder of this package; undefined in a bundle, whose frames cannot be told from those of the
 * application.
 */
const root = /^.*\/lark-jobs(?=\/(?:src|dist)\/)/.exec(import.meta.url ?? '')?.[0].replace('file://', '')

/** The budget that is left for the causes and inner errors of one error. */
interface Budget {
  characters: number
  parts: number
  /** The errors kept so far, because an error may be its own cause. */
  readonly seen: Set<unknown>
}

/** @param run the number of the run, from 1 @param ms how long it took */
export function jobError(thrown: unknown, run: number, ms: number): JobError {
  const room = { characters: MAX_BELOW, parts: MAX_PARTS, seen: new Set([thrown]) }
  return {
    run,
    ...own(thrown, (text, most) => text.slice(0, most)),
    ...below(thrown, room, 1),
    took: Number(ms.toFixed(1)),
  }
}

/** An error without its causes. @param cut shortens a text to what the budget allows */
function own(thrown: unknown, cut: (text: string, most: number) => string): KeptError {
  const message = cut(textOf(thrown), Number.POSITIVE_INFINITY)
  if (!isError(thrown)) return { name: 'Error', message }
  const name = fieldOf(thrown, 'name')
  const code = fieldOf(thrown, 'code')
  const stack = ownFrames(fieldOf(thrown, 'stack'), thrown)
  return {
    name: typeof name === 'string' ? cut(name, MAX_NAME) : 'Error',
    message,
    ...(typeof code === 'string' && { code: cut(code, MAX_NAME) }),
    ...(stack !== undefined && { stack: cut(stack, MAX_STACK) }),
  }
}

/** The cause and the inner errors, as far as the budget allows. */
function below(thrown: unknown, room: Budget, depth: number): Pick<KeptError, 'cause' | 'errors' | 'more'> {
  if (!isError(thrown) || depth > MAX_DEPTH) return {}
  const held = heldBy(thrown)
  const errors: KeptError[] = []
  for (let i = 0; i < held.length && i < MAX_HELD; i++) {
    const part = partOf(fieldOf(held, String(i)), room, depth)
    if (part !== undefined) errors.push(part)
  }
  const cause = fieldOf(thrown, 'cause')
  const kept = cause === undefined ? undefined : partOf(cause, room, depth)
  const more = held.length - errors.length
  return {
    ...defined({ cause: kept }),
    ...(errors.length > 0 && { errors }),
    ...(more > 0 && { more }),
  }
}

function partOf(thrown: unknown, room: Budget, depth: number): KeptError | undefined {
  if (room.parts === 0 || room.characters <= 0 || room.seen.has(thrown)) return undefined
  room.parts--
  if (Object(thrown) === thrown) room.seen.add(thrown)
  const cut = (text: string, most: number) => {
    const part = text.slice(0, Math.max(0, Math.min(most, room.characters, MAX_BELOW / 4)))
    room.characters -= part.length
    return part
  }
  return { ...own(thrown, cut), ...below(thrown, room, depth + 1) }
}

/**
 * The inner errors of an `AggregateError` or of anything else with a list `errors`; both errors of a
 * `SuppressedError`.
 */
function heldBy(error: Error): ArrayLike<unknown> {
  const errors = fieldOf(error, 'errors')
  if (isList(errors)) return errors
  const suppressed = fieldOf(error, 'suppressed')
  return suppressed === undefined ? [] : [fieldOf(error, 'error'), suppressed]
}

function isList(value: unknown): value is ArrayLike<unknown> {
  try {
    return Array.isArray(value) && Number.isSafeInteger(value.length)
  } catch {
    return false
  }
}

/** The stack without the frames of this package and of Node, which are the same for every job. */
function ownFrames(stack: unknown, error: Error): string | undefined {
  if (typeof stack !== 'string') return undefined
  const isFrame = (line: string) => /^ {4}at /.test(line)
  const isOther = (line: string) => isFrame(line) && (line.includes('node:internal') || isOurs(line))
  const lines = stack.split('\n').filter((line) => !isOther(line))
  // An error that Lark made itself often has no frame of the application.
  if (error instanceof JobsError && !lines.some(isFrame)) return undefined
  return lines.join('\n')
}

/** With source maps, the frames of `dist/` name the files of `src/`. */
function isOurs(frame: string): boolean {
  return root !== undefined && (frame.includes(`${root}/dist/`) || frame.includes(`${root}/src/`))
}

/** An error object of a kept error, with its causes. It is no instance of the class that was thrown. */
export function restored({ name, message, code, stack, cause, errors }: KeptError): Error {
  const options = cause && { cause: restored(cause) }
  const error = errors
    ? new AggregateError(errors.map(restored), message, options)
    : new Error(message, options)
  // Like the own properties of any error, these are not enumerable.
  Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true })
  const shown = stack ?? `${name}: ${message}`
  Object.defineProperty(error, 'stack', { value: shown, writable: true, configurable: true })
  return code === undefined ? error : Object.assign(error, { code })
}

/** On one line: `fetch failed (cause: ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:80)`. */
export function errorLine(error: KeptError): string {
  return `${error.message.split('\n', 1)[0] || error.name}${behind(error)}`
}

/** The causes and inner errors, as text to put after the message; empty if there are none. */
export function behind({ errors = [], more, cause }: KeptError): string {
  const parts = [
    ...errors.map(codedLine),
    ...(more === undefined ? [] : [`${more} more`]),
    ...(cause === undefined ? [] : [`cause: ${codedLine(cause)}`]),
  ]
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

/** An error in one line, with its code, unless the message has it. */
export function codedLine(part: KeptError): string {
  const { code } = part
  const line = errorLine(part)
  return code === undefined || line.includes(code) ? line : `${code}: ${line}`
}

/**
 * An error with its causes and inner errors, each with a title that says which of these it is, and its depth.
 */
export function* partsOf(
  error: KeptError,
  title: string,
  depth = 0,
): Generator<{ error: KeptError; title: string; depth: number }> {
  yield { error, title, depth }
  const { errors = [], more = 0, cause } = error
  for (const [i, part] of errors.entries())
    yield* partsOf(part, `${i + 1} of ${errors.length + more}`, depth + 1)
  if (cause !== undefined) yield* partsOf(cause, 'Caused by', depth + 1)
}
