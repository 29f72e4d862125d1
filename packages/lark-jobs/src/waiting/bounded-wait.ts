/** Waits for a promise until a signal is aborted or a time is over. */
import { Deferred } from './deferred.ts'
import { onAbort } from './on-abort.ts'

/** @returns the value of the promise, or undefined as soon as the signal is aborted */
export function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    promise.then(resolve, reject).finally(onAbort(signal, () => resolve(undefined)))
  })
}

/**
 * Waits for a promise until the signal is aborted.
 *
 * @param left called if the signal is aborted before the promise settles
 * @throws the signal's reason as soon as it is aborted
 */
export function orAborted<T>(signal: AbortSignal, promise: Promise<T>, left = () => {}): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      left()
      reject(signal.reason)
    }
    promise.then(resolve, reject).finally(onAbort(signal, leave))
  })
}

/**
 * Waits for a promise, but not longer than `ms` milliseconds. After the wait, no timer is left. During the
 * wait, the timer keeps the process alive.
 *
 * @param late called if the time is over before the promise settles. The wait resolves or rejects with the
 *   value that `late` returns or throws
 */
export function inTime<T, L>(ms: number, promise: Promise<T>, late: () => L): Promise<T | L> {
  const over = new Deferred<void>()
  const timer = setTimeout(over.resolve, ms)
  return Promise.race([promise, over.promise.then(late)]).finally(() => clearTimeout(timer))
}

/** Waits until a promise resolves or rejects, but not longer than `ms` milliseconds. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  await inTime(
    ms,
    promise.catch(() => {}),
    () => {},
  )
}
