/**
 * Going on with a value that may be there already, or is to come: without a promise, what follows happens
 * before the caller goes on.
 */

/** Also of what query builders are: it is awaited as a promise, and is none. */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Calls a function with a value: at once, unless that is to come. */
export function next<T, R>(value: T | PromiseLike<T>, go: (value: T) => R | Promise<R>): R | Promise<R> {
  return isPromise(value) ? Promise.resolve(value).then(go) : go(value)
}
