/**
 * The way from a run to the limiters that workers share: what a middleware that limits reaches of its worker. A run
 * without a worker (`dispatchNow`) has none, and is let through.
 */
import { nearest } from '@s18i/lark/config'
import type { Circuit, CircuitEvent, CircuitRule } from '../circuit.ts'
import { JobsError } from '../errors.ts'
import type { Limits } from '../limit.ts'
import type { MiddlewareJob } from './middleware.ts'

/** Where a job that its middleware sees has its worker's permits; the same in every copy of this package. */
export const workerPermits = Symbol.for('s18i.lark.job.permits')

export type Taken =
  | { kind: 'granted'; giveBack(): void }
  /** `wait`: milliseconds until a rate may allow it; absent: once others give back. */
  | { kind: 'refused'; wait?: number | undefined }

export interface Permits {
  /**
   * Takes as many permits of a limiter as a job weighs, or none.
   *
   * @param limits of one that is not configured
   * @throws the signal's reason, when that is aborted first; UNKNOWN_LIMITER
   */
  take(limiter: string, weight: number, signal: AbortSignal, limits?: Limits): Promise<Taken>

  /** See `Limiters.circuit`. @throws the signal's reason, when that is aborted first; what the store throws */
  circuit(name: string, rule: CircuitRule, event: CircuitEvent, signal?: AbortSignal): Promise<Circuit>
}

/** Undefined when the job runs without a worker. */
export function permitsOf(job: MiddlewareJob): Permits | undefined {
  return (job as { [workerPermits]?: Permits })[workerPermits]
}

/** @param by the class that asks for it */
export function unknownLimiter(limiter: string, known: Iterable<string>, by?: string): JobsError {
  const names = [...known]
  const near = nearest(limiter, names)
  const listed = names.length > 0 ? `Configured are ${names.join(', ')}.` : 'None is configured.'
  return new JobsError(
    'UNKNOWN_LIMITER',
    `${by === undefined ? '' : `${by}: `}'${limiter}' is not a configured limiter`,
    {
      hint:
        near === undefined ? `${listed} Add it to jobs.limiters in lark.config.` : `Did you mean ${near}?`,
    },
  )
}
