/**
 * The way from a run to the limiters that workers share: what a middleware of Lark's own reaches beyond what others see
 * of a job. A run without a worker (`dispatchNow`) has no permits, and is let through.
 */
import { nearest } from '@s18i/lark/config'
import type { Circuit, CircuitEvent, CircuitRule } from '../circuit.ts'
import type { Decision } from '../decision.ts'
import { JobsError } from '../errors.ts'
import type { Limits } from '../limit.ts'
import { listed } from '../listed.ts'
import type { MiddlewareJob } from './middleware.ts'

/** Where a job has that; the same in every copy of this package. */
export const reach = Symbol.for('s18i.lark.job.reach')

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

export interface Reach {
  /** Of its worker; undefined when the job runs without one. */
  permits?: Permits | undefined
  /** What the job has said of its run by now. */
  decision?: Decision | undefined
}

export function reachOf(job: MiddlewareJob): Reach {
  return (job as { [reach]?: Reach })[reach] ?? {}
}

/** @param by the class that asks for it. @param place where limiters are configured */
export function unknownLimiter(
  limiter: string,
  known: Iterable<string>,
  by?: string,
  place = 'jobs.limiters in lark.config',
): JobsError {
  const names = [...known]
  const near = nearest(limiter, names)
  const configured = names.length > 0 ? `Configured are ${listed(names)}.` : 'None is configured.'
  return new JobsError(
    'UNKNOWN_LIMITER',
    `${by === undefined ? '' : `${by}: `}'${limiter}' is not a configured limiter`,
    {
      hint: near === undefined ? `${configured} Add it to ${place}.` : `Did you mean ${near}?`,
    },
  )
}
