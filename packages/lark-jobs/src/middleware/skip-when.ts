/**
 * A middleware that leaves a job undone when it need not be done any more.
 */
import type { Middleware, MiddlewareJob } from './middleware.ts'

/**
 * Completes the job without running it when the condition holds; its log says so. A condition that throws is a failed
 * attempt.
 *
 * @param condition told of the payload and the job; may be async
 * @example middleware() { return [skipWhen(async ({ userId }: { userId: number }) => isGone(userId))] }
 */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export function skipWhen<P = any>(
  condition: (payload: P, job: MiddlewareJob<P>) => boolean | Promise<boolean>,
): Middleware<P> {
  return async function skipWhen(job, next) {
    if (!(await condition(job.payload, job))) return next()
    job.info('Skipped: there is no need for it')
  }
}
