/** A middleware that skips jobs that are no longer needed. */
import type { Middleware, MiddlewareJob } from '../../options/middleware.ts'

/**
 * Completes the job without running it if the condition returns `true`. The job's log says so. If the
 * condition throws, the attempt has failed.
 *
 * @param condition receives the payload and the job; may be async
 * @example middleware() { return [skipWhen(async ({ userId }: { userId: number }) => isGone(userId))] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function skipWhen<P = any>(
  condition: (payload: P, job: MiddlewareJob<P>) => boolean | Promise<boolean>,
): Middleware<P> {
  return async function skipWhen(job, next) {
    if (!(await condition(job.payload, job))) return next()
    job.info('Skipped: the job is not needed')
  }
}
