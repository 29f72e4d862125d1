/**
 * The decision with which a job ends its own run, with `this.fail()` or `this.release()`. Both methods throw
 * in order to end the handler, but the decision also holds if the handler catches the error. The first
 * decision of a run is final.
 */
import { defined } from '@s18i/lark/internal'
import { keptBecause } from '../../words/because.ts'
import { type Duration, durationForm, milliseconds, readable } from '../../words/duration.ts'
import { shown } from '../../words/secret.ts'
import { JobsError } from '../errors.ts'
import { isForEver } from '../journal.ts'
import type { Outcome } from '../record.ts'
import { NonRetryableError } from './non-retryable.ts'

export type Decision =
  | {
      /** The run waits for a time or a signal, and the job is put back meanwhile. */
      readonly kind: 'suspended'
      readonly outcome: Outcome & { kind: 'suspended' }
      readonly error: JobsError
    }
  | { readonly kind: 'failed'; readonly error: unknown }
  /** No process could run the job, so the job is put back, like a job that no worker knows. */
  | { readonly kind: 'stranded'; readonly because: string; readonly error: JobsError }
  | {
      readonly kind: 'released'
      /** Milliseconds until the job is due again. */
      readonly in: number
      /** Whether the group or the queue of the job is paused for the same time. */
      readonly pauses?: 'group' | 'queue'
      /** Present if the job keeps its place before the jobs that were queued after it. */
      readonly keepsPlace?: true
      /** The reason, for people. */
      readonly because?: string
      readonly error: JobsError
    }

/** @param error the argument of `this.fail()`: an error, a text, or nothing */
export function failing(error: unknown): Decision {
  if (typeof error === 'string') return { kind: 'failed', error: new NonRetryableError(error) }
  return { kind: 'failed', error: error ?? new JobsError('JOB_FAILED_ITSELF', 'The job called this.fail()') }
}

/**
 * @param name the name of the class, for the message
 * @throws JOB_INVALID if the delay or the reason is invalid. With this error, there is no decision, and the
 *   attempt fails
 */
export function releasing(
  delay: Duration,
  name: string,
  pauses?: 'group' | 'queue',
  because?: unknown,
): Decision & { kind: 'released' } {
  const ms = milliseconds(delay)
  const call = pauses === undefined ? 'release()' : pauses === 'group' ? 'pauseGroup()' : 'pauseQueue()'
  if (ms === undefined) {
    const got = shown(delay)
    throw new JobsError('JOB_INVALID', `${name}: ${call} was given ${got}; it must be ${durationForm}`)
  }
  if (because !== undefined && typeof because !== 'string')
    throw new JobsError(
      'JOB_INVALID',
      `${name}: ${call} was given ${because === null ? 'null' : typeof because} as the reason; it must be a text`,
    )
  const error = new JobsError('JOB_RELEASED', `${name} is ${released(ms)}`, {
    hint: 'this.release() throws this to end the handler: let it pass.',
  })
  return { kind: 'released', in: ms, error, ...defined({ pauses, because: keptBecause(because) }) }
}

/**
 * Says in words how a job is suspended: `suspended for 3 d`, `suspended until approved or rejected comes, at
 * most 7 d`.
 *
 * @param names the names of the signals that the job waits for
 */
export function suspended(ms: number, names: readonly string[]): string {
  if (names.length === 0) return `suspended for ${readable(ms)}`
  const most = isForEver(ms) ? '' : `, at most ${readable(ms)}`
  return `suspended until ${names.join(' or ')} comes${most}`
}

/** Says in words for how long a job was released: `released for 5 min`. */
export function released(ms: number): string {
  return ms === 0 ? 'released' : `released for ${readable(ms)}`
}
