/**
 * A middleware that measures how long runs take.
 */

import type { Middleware, MiddlewareJob } from '../../options/middleware.ts'
import { duration, func, type OptionsOf, Schema, voiceOf } from '../../options/schema.ts'
import { readable } from '../../words/duration.ts'
import { textOf } from '../../words/thrown.ts'

export const timingOptions = new Schema('an object', {
  /**
   * The time after which a run counts as slow. The job's log gets a warning for each slow run. Default: no
   * warnings.
   */
  slow: duration(0),
  /**
   * A function that is called after every run, with the time that the run took, in milliseconds. If the
   * function throws, the job's log gets a warning.
   */
  report: func<(took: number, job: MiddlewareJob) => void>(),
})

export interface TimingOptions extends OptionsOf<typeof timingOptions.entries> {}

/**
 * Measures how long the rest of the chain takes: the middleware that follows, and `handle`.
 *
 * @throws JOB_INVALID for unknown options and wrong values
 * @example jobs: { middleware: [timing({ slow: '5s' })] }
 */
export function timing(options: TimingOptions): Middleware {
  const voice = voiceOf('JOB_INVALID', 'timing()')
  const { slow = Number.POSITIVE_INFINITY, report } = timingOptions.readAll(options, voice)
  return async function timing(job, next) {
    const began = performance.now()
    try {
      return await next()
    } finally {
      const took = performance.now() - began
      if (took > slow) job.warn(`Took ${readable(took)}, which is longer than ${readable(slow)}`)
      try {
        report?.(took, job)
      } catch (error) {
        job.warn(`timing(): report threw: ${textOf(error)}`)
      }
    }
  }
}
