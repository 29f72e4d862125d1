/**
 * Which line of the application dispatched a job, for the stack of an error that is made later and elsewhere.
 *
 * Where the caller awaits the dispatch (by itself, or in a `Promise.all`), V8 finds that line from the rejected promise,
 * and a dispatch that goes well costs nothing. Noting the stack of every dispatch would need no `await`, but takes as
 * long as the dispatch itself (2.9 µs for four frames and 5.2 for ten, where a dispatch among 100 takes 4.9, and
 * `dispatchMany` of ten took 35 µs instead of 25: Node 20, 2 cores, shared, 2026-11-25). So only the first dispatches of
 * a process note it, which wait for the store to open.
 */
import { LarkError } from '@s18i/lark/config'
import { JobsError } from '../errors.ts'

/** A stack that is made into text only when it is read. */
export interface Caller {
  readonly stack?: unknown
}

/** @param below the function whose caller is the first line */
// biome-ignore lint/complexity/noBannedTypes: what captureStackTrace takes
export function callerOf(below: Function): Caller {
  const caller = {}
  Error.captureStackTrace(caller, below)
  return caller
}

/**
 * An error of the queue, as an object of its own whose stack leads to the caller. Any other error is a bug, which its own
 * stack leads to.
 */
export function toldTo(caller: Caller, error: unknown): unknown {
  const frames = framesOf(caller)
  if (frames === '' || !LarkError.is(error)) return error
  const own = copy(error)
  own.stack = `${own.name}: ${own.message}${frames}`
  return own
}

/**
 * What a promise is resolved with to reject it: by then V8 knows who awaits that promise.
 *
 * @param end called when it is
 */
export async function rejection(error: unknown, end: () => void): Promise<never> {
  // The promise is tied to this one by a microtask that is queued after the first of these, and before the second.
  await undefined
  await undefined
  end()
  throw toldTo(callerOf(rejection), error)
}

/** The frames of the application; empty if the stack has only frames of Node. */
function framesOf({ stack }: Caller): string {
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^ {4}at /.test(line)) : []
  const others = frames.filter((line) => !line.includes('node:internal'))
  return others.map((line) => `\n${line}`).join('')
}

/** Copies the error, because several dispatches may have met the same one. */
function copy(error: LarkError): LarkError {
  if (error instanceof JobsError) return error.again()
  const { code, message, hint, exit, cause } = error
  return new LarkError(code, message, { hint, exit, cause })
}
