/**
 * A middleware that takes permits of a configured limiter for a run.
 */

import { JobsError } from '../../model/errors.ts'
import type { Limits } from '../../model/limits.ts'
import { limiterName, mostOf, weight } from '../../options/limiter.ts'
import { type Middleware, releaseAfter } from '../../options/middleware.ts'
import { type OptionsOf, Schema, voiceOf } from '../../options/schema.ts'
import { spread } from '../../words/duration.ts'
import { reachOf, unknownLimiter } from './permits.ts'

export const rateLimitedOptions = new Schema('an object', {
  /** How many permits a run takes. Default 1, at most 1,000. */
  weight,
  /**
   * How long a job is put back if all permits are in use. The delay varies at random by up to a quarter.
   * Default 1 s. If a rate has no permits left, the job comes back when the rate has permits again.
   */
  releaseAfter,
})

export interface RateLimitedOptions extends OptionsOf<typeof rateLimitedOptions.entries> {}

/**
 * The property of this middleware that holds its `Need`. The symbol is the same in every copy of this
 * package.
 */
const need = Symbol.for('s18i.lark.middleware.need')

interface Need {
  limiter: string
  weight: number
}

/**
 * Runs a job only if the limiter has permits for the job. Without permits, the middleware puts the job back,
 * which uses no attempt. The job holds permits of a `concurrency` for as long as it runs. If the worker is
 * killed, the permits of its jobs are free again within the worker's lease (15 s), or at once if the worker
 * was a process of `--processes`. With `dispatchNow()`, this middleware does nothing.
 *
 * @param limiter the name of one of `jobs.limiters` in the configuration. A worker does not start if the
 *   limiter of one of its classes is not configured (`UNKNOWN_LIMITER`)
 * @throws JOB_INVALID for unknown options and wrong values
 * @example middleware() { return [rateLimited('stripe', { weight: 2 })] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function rateLimited(limiter: string, options: RateLimitedOptions = {}): Middleware<any> {
  const voice = voiceOf('JOB_INVALID', 'rateLimited()')
  limiterName.needed().read(limiter, 'the limiter', voice)
  const { weight, releaseAfter } = rateLimitedOptions.readAll(options, voice)

  const middleware: Middleware = async function rateLimited(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const taken = await permits.take(limiter, weight, job.signal)
    if (taken.kind === 'refused')
      return job.release(taken.wait ?? spread(releaseAfter), `limiter ${limiter} has no free permit`)
    try {
      return await next()
    } finally {
      taken.giveBack()
    }
  }
  return Object.assign(middleware, { [need]: { limiter, weight } satisfies Need })
}

/**
 * Checks the limiters and weights in the middleware of a class.
 *
 * @param name the name of the class
 * @throws UNKNOWN_LIMITER; JOB_INVALID if a weight is more than the limiter ever grants
 */
export function checkNeeds(
  name: string,
  chain: readonly Middleware[],
  limiters: ReadonlyMap<string, Limits>,
): void {
  for (const middleware of chain) {
    const needed = (middleware as { [need]?: Need })[need]
    if (needed === undefined) continue
    const { limiter, weight } = needed
    const limits = limiters.get(limiter)
    if (limits === undefined) throw unknownLimiter(limiter, limiters.keys(), name)
    const most = mostOf(limits)
    if (weight <= most) continue
    const right = `at most ${most}, which is all that the limiter gives out`
    const message = `${name}: rateLimited('${limiter}'): weight is ${weight}; it must be ${right}`
    throw new JobsError('JOB_INVALID', message)
  }
}
