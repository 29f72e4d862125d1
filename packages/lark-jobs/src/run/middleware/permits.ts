/**
 * The access of Lark's own middleware to the limiters that workers share. Other middleware has no such
 * access. A run without a worker (`dispatchNow`) has none either, and always proceeds.
 */
import { nearest } from '@s18i/lark/internal'
import { JobsError } from '../../model/errors.ts'
import type { Limits } from '../../model/limits.ts'
import type { ClaimedJob } from '../../model/record.ts'
import type { Decision } from '../../model/run/decision.ts'
import type { Circuit, CircuitEvent, CircuitRule } from '../../options/circuit.ts'
import type { MiddlewareJob } from '../../options/middleware.ts'
import type { AbortSignalLike } from '../../waiting/abort-signal.ts'
import { listed } from '../../words/listed.ts'

/** The property of a job that holds its `Reach`; the same in every copy of this package. */
export const reach = Symbol.for('s18i.lark.job.reach')

/** The permits that a job has taken. Only the first call of one of the two functions has an effect. */
export interface Granted {
  kind: 'granted'
  /** Returns the permits of a job that has begun and no longer needs them. Permits of a rate stay used. */
  giveBack(): void
  /** Returns the permits of a job that has not begun. Permits of a rate go back to the rate, too. */
  refund(): void
}

export type Taken =
  | Granted
  /**
   * `wait`: milliseconds until the rate may have permits again. Absent if the job must wait until other jobs
   * return their permits.
   */
  | { kind: 'refused'; wait?: number | undefined }

export interface Permits {
  /**
   * Takes `weight` permits of a limiter. If the limiter has too few permits, none are taken.
   *
   * @param limits the limits, if the limiter is not configured
   * @throws the signal's reason, if the signal is aborted before the store answers; UNKNOWN_LIMITER
   */
  take(limiter: string, weight: number, signal: AbortSignalLike, limits?: Limits): Promise<Taken>

  /**
   * See `Limiters.circuit`.
   *
   * @param key the key of the job, for a circuit that classes share, so that people can see which jobs wait
   *   for the circuit
   * @throws the signal's reason, if the signal is aborted before the store answers; the errors of the store
   */
  circuit(
    name: string,
    rule: CircuitRule,
    event: CircuitEvent,
    signal?: AbortSignalLike,
    key?: string,
  ): Promise<Circuit>
}

export interface Reach {
  /** The permits of the job's worker. Undefined if the job runs without a worker. */
  permits?: Permits | undefined
  /** The decision of the job so far: `fail()` or `release()`. */
  decision?: Decision | undefined
  /** The claimed job. Undefined if the job runs without a worker. */
  job?: ClaimedJob | undefined
  /** Aborts the signal of the job, also if the handler runs in another process. */
  abort?: ((reason: unknown) => void) | undefined
}

export function reachOf(job: MiddlewareJob): Reach {
  return (job as { [reach]?: Reach })[reach] ?? {}
}

/**
 * @param by the name of the class that uses the limiter. @param place words for the place where limiters are
 * configured
 */
export function unknownLimiter(
  limiter: string,
  known: Iterable<string>,
  by?: string,
  place = 'jobs.limiters in lark.config',
): JobsError {
  const names = [...known]
  const near = nearest(limiter, names)
  const configured =
    names.length > 0 ? `The configured limiters are ${listed(names)}.` : 'None is configured.'
  const hint = near === undefined ? `${configured} Add it to ${place}.` : `Did you mean ${near}?`
  const message = `${by === undefined ? '' : `${by}: `}'${limiter}' is not a configured limiter`
  return new JobsError('UNKNOWN_LIMITER', message, { hint })
}
