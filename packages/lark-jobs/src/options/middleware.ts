/**
 * The types of middleware: the function, and the job that it receives; and the options that several
 * middlewares of Lark share.
 */

import { notName } from '../model/stored-name.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import type { Duration } from '../words/duration.ts'
import { duration, isText, option } from './schema.ts'

/** The delay of a job that a middleware puts back without knowing when the job may run. */
export const releaseAfter = duration().or('1s')

/** A name that several classes may use in order to share something, such as a circuit. */
export const sharedName = option<string>(
  "a text, such as 'stripe'",
  (value) => isText(value) && notName(value) === undefined,
)

/**
 * A function that runs around `handle`, and around the middleware that follows in the list.
 *
 * If the function throws, the attempt has failed. The return value of the function is the result of the job.
 * If the function returns nothing, the result is the value of `next()`. If the function does not call
 * `next()`, `handle` does not run.
 *
 * @param next runs the remaining middleware and `handle`, once. The promise resolves with the return value of
 *   `handle`, or rejects with the error that `handle` threw
 * @example
 * const inTransaction: Middleware = (job, next) => database.transaction(() => next())
 */
// biome-ignore lint/suspicious/noExplicitAny: middleware that looks at no payload is for jobs of every payload
export type Middleware<P = any> = (job: MiddlewareJob<P>, next: () => Promise<unknown>) => unknown

/** The job that a middleware receives. */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export interface MiddlewareJob<P = any> {
  readonly id: string
  readonly key: string
  /** The name of the job's class. */
  readonly name: string
  readonly queue: string
  /** The number of this attempt, from 1. */
  readonly attempt: number
  /** The same object that `handle` will receive. */
  readonly payload: P
  /** A signal that is aborted when the job should stop. `signal.reason` says why. */
  readonly signal: AbortSignalLike
  info(text: string): void
  success(text: string): void
  warn(text: string): void
  error(text: string): void
  /** See `Job.release`. @throws JOB_RELEASED, JOB_INVALID */
  release(delay?: Duration, because?: string): never
  /** See `Job.pauseGroup`. @throws JOB_RELEASED, JOB_INVALID */
  pauseGroup(delay: Duration): never
  /** See `Job.pauseQueue`. @throws JOB_RELEASED, JOB_INVALID */
  pauseQueue(delay: Duration, because?: string): never
  /** See `Job.fail`. @throws the error */
  fail(error?: unknown): never
}
