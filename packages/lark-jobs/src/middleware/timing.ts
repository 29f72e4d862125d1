/**
 * A middleware that looks at how long runs take.
 */
import { type Duration, durationForm, milliseconds, readable } from '../duration.ts'
import { JobsError } from '../errors.ts'
import { textOf } from '../thrown.ts'
import type { Middleware, MiddlewareJob } from './middleware.ts'

export interface TimingOptions {
  /** What takes longer is a warning in the job's log. Default: nothing is. */
  slow?: Duration
  /** Told of every run, how ever it ends: milliseconds. What it throws is a warning in the job's log. */
  report?: (took: number, job: MiddlewareJob) => void
}

/**
 * Measures what is behind it in the chain.
 *
 * @throws JOB_INVALID when `slow` is no duration
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
