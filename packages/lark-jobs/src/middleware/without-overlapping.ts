/**
 * A middleware that keeps jobs of one name from running at the same time: each name is a limiter of one permit.
 */
import { type Duration, spread } from '../duration.ts'
import { notName, storedPair } from '../stored-name.ts'
import type { Middleware } from './middleware.ts'
import { checkOptions, refused, span } from './option.ts'
import { reachOf } from './permits.ts'

export interface OverlappingOptions {
  /** After about how long a job comes back that met another: up to a quarter sooner or later. Default 1 s. */
  releaseAfter?: Duration
  /** Classes that give the same text here share their names. Default: each class has its own. */
  shared?: string
}

/** Milliseconds: of a job that nobody can tell when it may run. */
export const RELEASE_AFTER = 1_000

/**
 * Runs jobs of one name one after the other, over all workers. One that meets another is put back, and burns no attempt;
 * when it comes again, others may have gone before.
 *
 * A name is held for as long as the run takes. If its worker is killed, it is free again within the worker's lease (15 s).
 * Under `dispatchNow()` it does nothing.
 *
 * @param by names a payload: a text or a number. Without it all jobs of the class have one name
 * @throws JOB_INVALID for options that cannot be; and when it runs, for what is no name: a failed attempt
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
  checkOptions('withoutOverlapping', options, ['releaseAfter', 'shared'])
  const { releaseAfter = RELEASE_AFTER, shared } = options
  const pause = span('withoutOverlapping', 'releaseAfter', releaseAfter)
  if (shared !== undefined && (typeof shared !== 'string' || shared === '' || notName(shared) !== undefined))
    throw refused('withoutOverlapping', 'shared', shared, "a text, such as 'accounts'")

  return async function withoutOverlapping(job, next) {
    const { permits } = reachOf(job)
    if (permits === undefined) return next()
    const value = by === undefined ? '' : by(job.payload)
    if (notName(value) !== undefined)
      throw refused('withoutOverlapping', 'the name of a payload', value, 'a text or a number')
    const scope = shared === undefined ? 'overlap' : 'shared'
    const limiter = `${scope}:${storedPair(shared ?? job.key, String(value))}`
    const taken = await permits.take(limiter, 1, job.signal, { concurrency: 1 })
    if (taken.kind === 'refused')
      return job.release(spread(pause), `another job is running that it must not overlap with`)
    try {
      return await next()
    } finally {
      taken.giveBack()
    }
  }
}
