/**
 * Middleware: what stands around a job's `handle`, and the job as it sees it.
 */
import type { Signal } from '../abort-signal.ts'
import type { Duration } from '../duration.ts'

/**
 * Stands around `handle`, and around the middleware behind it.
 *
 * What it throws is a failed attempt. What it returns is the result; where it returns nothing, what `next()` gave is.
 * One that does not call `next()` skips `handle`.
 *
 * @param next runs the rest, once, and resolves to what `handle` returned; rejects with what it threw
 * @example
 * const inTransaction: Middleware = (job, next) => database.transaction(() => next())
 */
// biome-ignore lint/suspicious/noExplicitAny: middleware that looks at no payload is for jobs of every payload
export type Middleware<P = any> = (job: MiddlewareJob<P>, next: () => Promise<unknown>) => unknown

/** A job as its middleware sees it. */
// biome-ignore lint/suspicious/noExplicitAny: see Middleware
export interface MiddlewareJob<P = any> {
  readonly id: string
  readonly key: string
  /** The name of its class. */
  readonly name: string
  readonly queue: string
  /** Which attempt this is, from 1. */
  readonly attempt: number
  /** The very object that `handle` will receive. */
  readonly payload: P
  /** Aborted, with the reason, when the job should end. */
  readonly signal: Signal
  info(text: string): void
  success(text: string): void
  warn(text: string): void
  error(text: string): void
  /** See `Job.release`. @throws JOB_RELEASED, JOB_INVALID */
  release(delay?: Duration, because?: string): never
  /** See `Job.pauseGroup`. @throws JOB_RELEASED, JOB_INVALID */
  pauseGroup(delay: Duration): never
  /** See `Job.fail`. @throws the error */
  fail(error?: unknown): never
}
