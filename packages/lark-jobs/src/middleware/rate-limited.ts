/**
 * A middleware that takes permits of a configured limiter for a run.
 */

import { type Duration, spread } from '../duration.ts'
import { JobsError } from '../errors.ts'
import { isCount, type Limits } from '../limit.ts'
import { HEAVIEST, mostOf } from '../limiter.ts'
import type { Middleware } from './middleware.ts'
import { checkOptions, refused, span } from './option.ts'
import { reachOf, unknownLimiter } from './permits.ts'
import { RELEASE_AFTER } from './without-overlapping.ts'

export interface RateLimitedOptions {
  /** How many permits a run takes. Default 1, at most 1,000. */
  weight?: number
  /**
   * After about how long a job comes back when all permits are in use, which nobody can tell how long they will be: up to
   * a quarter sooner or later. Default 1 s. Where a rate has none left, it comes back when there are some again.
   */
  releaseAfter?: Duration
}

/** Where such a middleware has what it needs; the same in every copy of this package. */
const need = Symbol.for('s18i.lark.middleware.need')

interface Need {
  limiter: string
  weight: number
}

/**
 * Runs a job when its limiter has a permit for it; one that it has none for is put back, and burns no attempt. Permits of
 * a `concurrency` are held for as long as the run takes; if its worker is killed, they are free again within the worker's
 * lease (15 s), or at once when that was a process of `--processes`. Under `dispatchNow()` it does nothing.
 *
 * @param limiter one of `jobs.limiters` of the configuration: else no worker with the class starts (`UNKNOWN_LIMITER`)
 * @throws JOB_INVALID for options that cannot be
 * @example middleware() { return [rateLimited('stripe', { weight: 2 })] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function rateLimited(limiter: string, options: RateLimitedOptions = {}): Middleware<any> {
  if (typeof limiter !== 'string' || limiter === '')
    throw refused('rateLimited', 'the limiter', limiter, "the name of one, such as 'stripe'")
  checkOptions('rateLimited', options, ['weight', 'releaseAfter'])
  const { weight = 1, releaseAfter = RELEASE_AFTER } = options
  if (!isCount(weight) || weight > HEAVIEST)
    throw refused('rateLimited', 'weight', weight, `a whole number from 1 to ${HEAVIEST}`)
  const pause = span('rateLimited', 'releaseAfter', releaseAfter)

  const middleware: Middleware = async function rateLimited(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const taken = await permits.take(limiter, weight, job.signal)
    if (taken.kind === 'refused')
      return job.release(taken.wait ?? spread(pause), `limiter ${limiter} has no free permit`)
    try {
      return await next()
    } finally {
      taken.giveBack()
    }
  }
  return Object.assign(middleware, { [need]: { limiter, weight } satisfies Need })
}

/**
 * Refuses a class whose middleware asks a limiter for what it does not have.
 *
 * @param name of the class
 * @throws UNKNOWN_LIMITER; JOB_INVALID for a job that weighs more than its limiter ever gives out
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
    throw new JobsError(
      'JOB_INVALID',
      `${name}: rateLimited('${limiter}'): weight is ${weight}; it must be at most ${most}, which is all that the limiter gives out`,
    )
  }
}
