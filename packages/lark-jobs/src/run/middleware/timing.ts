/**
 * A middleware that measures how long runs take.
 */
import { type Duration, durationForm, milliseconds, readable } from '../../model/duration.ts'
import { JobsError } from '../../model/errors.ts'
import { textOf } from '../../model/thrown.ts'
import type { Middleware, MiddlewareJob } from '../../options/middleware.ts'

export interface TimingOptions {
  /** A run that takes longer gets a warning in the job's log. Default: no warnings. */
  slow?: Duration
  /** Called after every run, however it ended, with its milliseconds. If it throws, the job's log gets a warning. */
  report?: (took: number, job: MiddlewareJob) => void
}

/**
 * Measures the middleware after it in the chain, and `handle`.
 *
 * @throws JOB_INVALID if `slow` is not a duration
 * @example jobs: { middleware: [timing({ slow: '5s' })] }
 */
export function timing({ slow, report }: TimingOptions): Middleware {
  const most = slow === undefined ? Number.POSITIVE_INFINITY : milliseconds(slow)
  if (most === undefined) {
    const got = typeof slow === 'string' ? `'${slow}'` : String(slow)
    throw new JobsError('JOB_INVALID', `timing(): slow is ${got}; it must be ${durationForm}`)
  }
  return async function timing(job, next) {
    const began = performance.now()
    try {
      return await next()
    } finally {
      const took = performance.now() - began
      if (took > most) job.warn(`Took ${readable(took)}, which is longer than ${readable(most)}`)
      try {
        report?.(took, job)
      } catch (error) {
        job.warn(`timing(): report threw: ${textOf(error)}`)
      }
    }
  }
}
