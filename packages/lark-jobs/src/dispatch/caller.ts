/**
 * Finds the line of the application that dispatched a job, for the stack of an error that is created later
 * and elsewhere.
 *
 * If the caller awaits the dispatch (directly, or in a `Promise.all`), V8 finds the line from the rejected
 * promise, at no cost for a successful dispatch. Recording the stack of every dispatch would also work
 * without `await`, but takes as long as the dispatch itself. (Recording takes 2.9 µs for four frames and 5.2
 * µs for ten frames; for comparison, each of 100 dispatches that are sent together takes 4.9 µs. With
 * recording, `dispatchMany` of ten jobs took 35 µs instead of 25. Node 20, 2 cores, shared, 2026-11-25.) So
 * only the first dispatches of a process record their stack, while they wait for the store to open.
 */
import { LarkError } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'

/** A stack. V8 turns the stack into text only when code reads it. */
export interface Caller {
  readonly stack?: unknown
}

/** @param below a function on the stack. The result begins with the caller of this function */
// biome-ignore lint/complexity/noBannedTypes: what captureStackTrace takes
export function callerOf(below: Function): Caller {
  const caller = {}
  Error.captureStackTrace(caller, below)
  return caller
}

/**
 * Copies an error of Lark and gives the copy the stack of the caller. Any other error is a bug, and is
 * returned unchanged, because its own stack shows where the bug is.
 */
export function toldTo(caller: Caller, error: unknown): unknown {
  const frames = framesOf(caller)
  if (frames === '' || !LarkError.is(error)) return error
  const own = copy(error)
  own.stack = `${own.name}: ${own.message}${frames}`
  return own
}

/**
 * A promise that rejects a moment later. The promise of a failed dispatch is resolved with this promise
 * instead of being rejected at once. When this promise rejects, V8 knows the code that awaits the dispatch,
 * and the stack of the error includes that code.
 *
 * @param end called just before the promise rejects
 */
export async function rejection(error: unknown, end: () => void): Promise<never> {
  // Two `await`s are needed: the microtask that connects the promise of the dispatch to this promise is
  // queued after the first `await`, and runs before the second.
  await undefined
  await undefined
  end()
  throw toldTo(callerOf(rejection), error)
}

/** The frames of the application, or an empty text if the stack has only frames of Node. */
function framesOf({ stack }: Caller): string {
  const frames = typeof stack === 'string' ? stack.split('\n').filter((line) => /^ {4}at /.test(line)) : []
  const others = frames.filter((line) => !line.includes('node:internal'))
  return others.map((line) => `\n${line}`).join('')
}

/** Copies the error, because several dispatches may fail with the same error object. */
function copy(error: LarkError): LarkError {
  if (error instanceof JobsError) return error.again()
  const { code, message, hint, exit, cause } = error
  return new LarkError(code, message, { hint, exit, cause })
}
