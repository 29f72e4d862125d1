/**
 * How a job ends its own run: `this.fail()` and `this.release()`. Both throw, to end the handler; but what counts is
 * the decision, which holds as well where the handler catches what was thrown. The first one stays.
 */
import { type Duration, durationForm, milliseconds, readable } from './duration.ts'
import { JobsError } from './errors.ts'
import { NonRetryableError } from './non-retryable.ts'

export type Decision =
  | { readonly kind: 'failed'; readonly error: unknown }
  /** Milliseconds. */
  | {
      readonly kind: 'released'
      readonly in: number
      readonly pausesGroup: boolean
      readonly error: JobsError
    }

/** @param error of `this.fail()`: an error, a text, or nothing */
export function failing(error: unknown): Decision {
  if (typeof error === 'string') return { kind: 'failed', error: new NonRetryableError(error) }
  return { kind: 'failed', error: error ?? new JobsError('JOB_FAILED_ITSELF', 'The job called this.fail()') }
}

/**
 * @param name of the class, for the message
 * @throws JOB_INVALID when the delay is none: then nothing is decided, and the attempt fails
 */
export function releasing(delay: Duration, name: string, pausesGroup = false): Decision {
  const ms = milliseconds(delay)
  if (ms === undefined) {
    const got = typeof delay === 'string' ? `'${delay}'` : String(delay)
    throw new JobsError(
      'JOB_INVALID',
      `${name}: ${pausesGroup ? 'pauseGroup' : 'release'}() was given ${got}; it must be ${durationForm}`,
    )
  }
  const error = new JobsError('JOB_RELEASED', `${name} is ${released(ms)}`, {
    hint: 'this.release() throws this to end the handler: let it pass.',
  })
  return { kind: 'released', in: ms, pausesGroup, error }
}

/** In words: `released for 5 min`. */
export function released(ms: number): string {
  return ms === 0 ? 'released' : `released for ${readable(ms)}`
}
