/**
 * An error that fails a job without a retry.
 */
import { branded } from '@s18i/lark/internal'

/** Marks such an error in every copy of this package. */
const brand = Symbol.for('s18i.lark.non-retryable')

/**
 * If a handler throws this error, the job fails, no matter how many tries are left.
 *
 * @param message the reason why the job cannot succeed, for people
 * @param options `cause`: the error that led to this error
 * @example throw new NonRetryableError('The card was stolen', { cause: error })
 */
export class NonRetryableError extends Error {
  override readonly name: string = 'NonRetryableError'

  /** @internal */
  get [brand](): true {
    return true
  }
}

/** Marks an error of any class as an error after which the job is not retried. */
export function asNonRetryable<E extends Error>(error: E): E {
  Object.defineProperty(error, brand, { value: true })
  return error
}

export function isNonRetryable(thrown: unknown): boolean {
  try {
    return (thrown as { [brand]?: unknown } | null | undefined)?.[brand] === true
  } catch {
    // A handler may throw any value, even a proxy that throws when it is read.
    return false
  }
}

branded(NonRetryableError, isNonRetryable)
