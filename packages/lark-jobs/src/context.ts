/**
 * Context: what a dispatch knows beside its payload, such as the request that it is for. It travels with the job, is
 * there again while the job runs, and goes on to what that dispatches.
 *
 * What follows calls through `await` costs every promise of a process a little, so it is made when the first context
 * is, and never in a process that has none.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { JobsError } from './errors.ts'
import { decode, encode } from './payload.ts'

export type Context = Readonly<Record<string, unknown>>

const slot = Symbol.for('s18i.lark.context')
const everywhere = globalThis as { [slot]?: { storage?: AsyncLocalStorage<Context | undefined> } }
everywhere[slot] ??= {}
/** One for all copies of this package: a job of one may dispatch a job of another. */
const shared = everywhere[slot]

/**
 * Runs a function, and everything that it begins, in a context. What is dispatched in there takes it along. Inside of
 * another context it adds to that one.
 *
 * @param values as JSON at most 4 KiB, together with what is there already; a copy is kept
 * @returns what the function returns
 * @throws CONTEXT_NOT_JSON naming the path, CONTEXT_TOO_LARGE
 * @example await withContext({ requestId: 'r1' }, () => new SendEmailJob().dispatch({ to }))
 */
export function withContext<T>(values: object, act: () => T): T {
  if (Array.isArray(values) || typeof values !== 'object' || values === null) {
    const got = Array.isArray(values) ? 'a list' : values === null ? 'null' : `a ${typeof values}`
    throw new JobsError('CONTEXT_NOT_JSON', `withContext(): context is ${got}; it must be an object`)
  }
  const all = { ...context(), ...values }
  const copy = decode(encode(all, 'withContext()', 'context')) as Context
  return inContext(copy, act)
}

/** The context here, or undefined. It is a copy, and not to be changed. */
export function context<T extends object = Record<string, unknown>>(): Readonly<T> | undefined {
  return shared.storage?.getStore() as Readonly<T> | undefined
}

/**
 * Runs a function in this context, or in none: where this process has had any, out of that of whatever began it. The
 * arguments are handed on, as a closure costs each job 6 ns (measured: 11 for 5).
 */
export function inContext<A extends unknown[], T>(
  values: Context | undefined,
  act: (...args: A) => T,
  ...args: A
): T {
  if (values === undefined && shared.storage === undefined) return act(...args)
  shared.storage ??= new AsyncLocalStorage()
  return shared.storage.run(values && Object.freeze(values), act, ...args)
}
