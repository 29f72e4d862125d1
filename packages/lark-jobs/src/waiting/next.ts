/**
 * Continues with a value that may be a promise. If the value is not a promise, the next function is called
 * synchronously, before the caller continues.
 */

/**
 * Whether a value must be awaited. Some query builders are not promises but have a method `then`, so they
 * must be awaited, too.
 */
export function isPromise<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function'
}

/** Calls a function with a value: synchronously, or after awaiting the value if it is a promise. */
export function next<T, R>(value: T | PromiseLike<T>, go: (value: T) => R | Promise<R>): R | Promise<R> {
  return isPromise(value) ? Promise.resolve(value).then(go) : go(value)
}
