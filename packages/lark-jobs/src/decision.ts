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
      /** For people. */
      readonly because?: string
      readonly error: JobsError
    }

/** @param error of `this.fail()`: an error, a text, or nothing */
export function failing(error: unknown): Decision {
  if (typeof error === 'string') return { kind: 'failed', error: new NonRetryableError(error) }
  return { kind: 'failed', error: error ?? new JobsError('JOB_FAILED_ITSELF', 'The job called this.fail()') }
}

/** Characters kept of why a job was put back. */
const MAX_BECAUSE = 200

/**
 * @param name of the class, for the message
 * @throws JOB_INVALID when the delay or the text is invalid: then nothing is decided, and the attempt fails
 */
export function releasing(delay: Duration, name: string, pausesGroup = false, because?: unknown): Decision {
  const ms = milliseconds(delay)
  if (ms === undefined) {
    const got = typeof delay === 'string' ? `'${delay}'` : String(delay)
    throw new JobsError(
      'JOB_INVALID',
      `${name}: ${pausesGroup ? 'pauseGroup' : 'release'}() was given ${got}; it must be ${durationForm}`,
    )
  }
  if (because !== undefined && typeof because !== 'string')
    throw new JobsError(
      'JOB_INVALID',
      `${name}: release() was given ${because === null ? 'null' : typeof because} as the reason; it must be a text`,
    )
  const error = new JobsError('JOB_RELEASED', `${name} is ${released(ms)}`, {
    hint: 'this.release() throws this to end the handler: let it pass.',
  })
  const why = because ? { because: because.slice(0, MAX_BECAUSE) } : {}
  return { kind: 'released', in: ms, pausesGroup, error, ...why }
}

/** In words: `released for 5 min`. */
export function released(ms: number): string {
  return ms === 0 ? 'released' : `released for ${readable(ms)}`
}
