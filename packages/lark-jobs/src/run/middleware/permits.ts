/**
 * Gives Lark's own middleware access to the limiters that workers share, which other middleware cannot reach.
 * A run without a worker (`dispatchNow`) has no such access, and always proceeds.
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

/** Permits of a job. Only the first call of either function counts. */
export interface Granted {
  kind: 'granted'
  /** The job has begun, and no longer needs them. Those of a rate are used up. */
  giveBack(): void
  /** The job has not begun: the permits go back to the rate. */
  refund(): void
}

export type Taken =
  | Granted
  /** `wait`: milliseconds until a rate may allow it. Absent: until other jobs give permits back. */
  | { kind: 'refused'; wait?: number | undefined }

export interface Permits {
  /**
   * Takes `weight` permits of a limiter, or none.
   *
   * @param limits for a limiter that is not configured
   * @throws the signal's reason, if the signal is aborted first; UNKNOWN_LIMITER
   */
  take(limiter: string, weight: number, signal: AbortSignalLike, limits?: Limits): Promise<Taken>

  /**
   * See `Limiters.circuit`.
   *
   * @param key of the job, for a circuit that classes share: people can then see which jobs wait for the
   *   circuit
   * @throws the signal's reason, if the signal is aborted first; what the store throws
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
  /** The permits of its worker; undefined if the job runs without a worker. */
  permits?: Permits | undefined
  /** The decision of the job so far: `fail()` or `release()`. */
  decision?: Decision | undefined
  /** What its worker holds of it. */
  job?: ClaimedJob | undefined
  /** Aborts its signal, in whichever process its handler is. */
  abort?: ((reason: unknown) => void) | undefined
}

export function reachOf(job: MiddlewareJob): Reach {
  return (job as { [reach]?: Reach })[reach] ?? {}
}

/** @param by the class that names the limiter. @param place where limiters are configured */
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
