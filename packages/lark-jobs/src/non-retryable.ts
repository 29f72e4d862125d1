/**
 * An error that says for itself that trying again is of no use.
 */
import { branded } from '@s18i/lark/config'

/** Marks such an error in every copy of this package. */
const brand = Symbol.for('s18i.lark.non-retryable')

/**
 * Thrown by a handler, it fails the job for good, however many tries are left.
 *
 * @param message what cannot be done, for people
 * @param options `cause` the error that showed it
 * @example throw new NonRetryableError('The card was stolen', { cause: error })
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'

  get [brand](): true {
    return true
  }
}

export function isNonRetryable(thrown: unknown): boolean {
  try {
    return (thrown as { [brand]?: unknown } | null | undefined)?.[brand] === true
  } catch {
    // A proxy that refuses to be read: handlers may throw anything.
    return false
  }
}

branded(NonRetryableError, isNonRetryable)
