/**
 * A middleware that keeps jobs with the same name from running at the same time. Each name is a limiter with
 * one permit.
 */

import { notName, storedPair } from '../../model/stored-name.ts'
import { type Middleware, releaseAfter, sharedName } from '../../options/middleware.ts'
import { type OptionsOf, refuse, Schema, voiceOf } from '../../options/schema.ts'
import { spread } from '../../words/duration.ts'
import { reachOf } from './permits.ts'

export const overlappingOptions = new Schema('an object', {
  /**
   * How long a job is put back if another job with the same name is running. The delay varies at random by up
   * to a quarter. Default 1 s.
   */
  releaseAfter,
  /**
   * A text. All classes with the same text share their names: a job of one class does not run beside a job of
   * another class that has the same name. Default: each class has names of its own.
   */
  shared: sharedName,
})

export interface OverlappingOptions extends OptionsOf<typeof overlappingOptions.entries> {}

/**
 * Runs jobs with the same name one after the other, over all workers. While a job runs, another job with the
 * same name is put back, which uses no attempt. Later jobs may run before a job that was put back.
 *
 * A job holds its name for as long as it runs. If its worker is killed, the name is free again within the
 * worker's lease (15 s). With `dispatchNow()`, this middleware does nothing.
 *
 * @param by returns the name for a payload: a text or a number. Without this function, all jobs of the class
 *   have the same name
 * @throws JOB_INVALID for unknown options and wrong values. If `by` returns a value that is not a name, the
 *   attempt fails with JOB_INVALID
 * @example middleware() { return [withoutOverlapping(({ account }: { account: string }) => account)] }
 */
export function withoutOverlapping<P>(
  by: (payload: P) => string | number,
  options?: OverlappingOptions,
): Middleware<P>
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function withoutOverlapping(options?: OverlappingOptions): Middleware<any>
export function withoutOverlapping<P>(
  first: ((payload: P) => string | number) | OverlappingOptions = {},
  second: OverlappingOptions = {},
): Middleware<P> {
  const [by, options] = typeof first === 'function' ? [first, second] : [undefined, first]
  const voice = voiceOf('JOB_INVALID', 'withoutOverlapping()')
  const { releaseAfter, shared } = overlappingOptions.readAll(options, voice)

  return async function withoutOverlapping(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const value = by === undefined ? '' : by(job.payload)
    if (notName(value) !== undefined) refuse(voice, 'the name of a payload', value, 'a text or a number')
    const scope = shared === undefined ? 'overlap' : 'shared'
    const limiter = `${scope}:${storedPair(shared ?? job.key, String(value))}`
    const taken = await permits.take(limiter, 1, job.signal, { concurrency: 1 })
    if (taken.kind === 'refused')
      return job.release(spread(releaseAfter), 'another job with its name is running')
    try {
      return await next()
    } finally {
      taken.giveBack()
    }
  }
}
