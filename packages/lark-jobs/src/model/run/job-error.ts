/**
 * Converts errors, and thrown values that are not errors, to the form that is stored with a job: shortened,
 * and with their causes. This file also makes the lines about errors that people see.
 */
import { defined } from '@s18i/lark/internal'
import { fieldOf, isError, textOf } from '../../words/thrown.ts'
import { JobsError } from '../errors.ts'
import type { JobError, KeptError } from '../record.ts'

/** The maximum length of a stored stack, in characters. */
const MAX_STACK = 4_000
/** The maximum length of a name or a code, in characters. */
const MAX_NAME = 200
/** The maximum length of all causes and inner errors of one error together, in characters. */
const MAX_BELOW = 4_000
/** The maximum number of causes and inner errors that are kept with one error. */
const MAX_PARTS = 10
/** The maximum depth to which causes and inner errors are kept. */
const MAX_DEPTH = 5
/** The maximum number of inner errors (`errors`) that are kept for each error. */
const MAX_HELD = 5
/**
 * The folder of this package. Undefined in a bundle, because in a bundle the stack frames of this package
 * cannot be distinguished from the frames of the application.
 */
const root = /^.*\/lark-jobs(?=\/(?:src|dist)\/)/.exec(import.meta.url ?? '')?.[0].replace('file://', '')

/** The budget that is left for the causes and inner errors of one error. */
interface Budget {
  characters: number
  parts: number
  /** The errors that were already kept. The set is needed because an error may be its own cause. */
  readonly seen: Set<unknown>
}

/** @param run the number of the run, from 1 @param ms how long the run took, in milliseconds */
export function jobError(thrown: unknown, run: number, ms: number): JobError {
  const room = { characters: MAX_BELOW, parts: MAX_PARTS, seen: new Set([thrown]) }
  return {
    run,
    ...own(thrown, (text, most) => text.slice(0, most)),
    ...below(thrown, room, 1),
    took: Number(ms.toFixed(1)),
  }
}

/** An error without its causes. @param cut cuts a text to the length that the budget allows */
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

/** The cause and the inner errors of an error, as far as the budget allows. */
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
 * The inner errors of an error: the list `errors` of an `AggregateError` or of any other error with such a
 * list, or both errors of a `SuppressedError`.
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
  // An error that Lark itself has made often has no frame of the application. For such an error, no stack is
  // kept.
  if (error instanceof JobsError && !lines.some(isFrame)) return undefined
  return lines.join('\n')
}

/** Whether a frame belongs to this package. With source maps, the frames of `dist/` name files in `src/`. */
function isOurs(frame: string): boolean {
  return root !== undefined && (frame.includes(`${root}/dist/`) || frame.includes(`${root}/src/`))
}

/**
 * Makes an error object from a stored error, with its causes. The object is not an instance of the class that
 * was thrown.
 */
export function restored({ name, message, code, stack, cause, errors }: KeptError): Error {
  const options = cause && { cause: restored(cause) }
  const error = errors
    ? new AggregateError(errors.map(restored), message, options)
    : new Error(message, options)
  // These properties are not enumerable, like the properties of any other error.
  Object.defineProperty(error, 'name', { value: name, writable: true, configurable: true })
  const shown = stack ?? `${name}: ${message}`
  Object.defineProperty(error, 'stack', { value: shown, writable: true, configurable: true })
  return code === undefined ? error : Object.assign(error, { code })
}

/** An error on one line: `fetch failed (cause: ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:80)`. */
export function errorLine(error: KeptError): string {
  return `${error.message.split('\n', 1)[0] || error.name}${behind(error)}`
}

/**
 * The causes and inner errors as a text that follows the message. Empty if the error has no causes and no
 * inner errors.
 */
export function behind({ errors = [], more, cause }: KeptError): string {
  const parts = [
    ...errors.map(codedLine),
    ...(more === undefined ? [] : [`${more} more`]),
    ...(cause === undefined ? [] : [`cause: ${codedLine(cause)}`]),
  ]
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`
}

/** An error in one line, with its code, unless the message contains the code. */
export function codedLine(part: KeptError): string {
  const { code } = part
  const line = errorLine(part)
  return code === undefined || line.includes(code) ? line : `${code}: ${line}`
}

/** Yields an error, its causes and its inner errors. Each has its depth and a title, such as `Caused by`. */
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
