/**
 * The contract between the job queue and a store of limiters. Limiters have their own interface, independent
 * of the verbs for jobs (`store.ts`). `test/conformance/limiters.ts` and `test/conformance/circuits.ts` test
 * what this comment says.
 *
 * **Limiter.** A limiter has a name, which does not begin with a brace. A limiter limits how many permits all
 * workers together hold at the same time, or how many permits are granted within a time (a rate), or both.
 * Each call states the limits, so a limiter need not be created. Most jobs need one permit; a job may need
 * several. The store keeps no data of a limiter that no worker uses, except the times at which permits of a
 * rate were granted.
 *
 * **Holder.** A holder is a worker that holds permits under a lease, by the store's clock. When the lease
 * ends, the holder holds no permits. If the worker calls again and says how many permits it uses, these
 * permits count again, even if the limits are exceeded. No holder gets further permits until the number of
 * permits is below the limits.
 *
 * **Calls.** A holder gives each call on a limiter a higher number than the call before, and sends the next
 * call only after the answer to the last. If an answer is lost, the holder sends the call again. While the
 * lease lasts, the answer to a repeated call is the same, and no permit counts twice. A call with a lower
 * number than the last call is refused, because it comes from a connection that the holder has given up.
 *
 * **Lots.** A lot is the number of permits that one job needs. If a holder asks for lots and gets none, the
 * limiter notes the size of the lot. The note is valid for the length of a lease, or longer if a rate allows
 * the lot only later. The size that was noted first goes first: the limiter reserves the permits of one lot
 * of this size, so that requests for lots of other sizes cannot take these permits. The reservation ends when
 * any holder gets a lot of this size. So a large lot does not wait for ever while small lots are granted, and
 * a small lot does not wait for ever while large lots are granted. A lot that is larger than the limits
 * reserves nothing.
 *
 * **Rates** count the permits that were granted. A holder may give back permits of a rate that no job has
 * used. The rate does not count these permits any more, if the store knows the call that granted them and all
 * later calls of the holder. The store does not know calls that were made before the lease ended once, or
 * before a failover that lost calls. Permits of such calls stay counted. So jobs never use more permits than
 * the rate allows, even if permits are often granted and given back.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */

import type { Limits } from '../../model/limits.ts'
import type { Circuit, CircuitEvent, CircuitRule } from '../../options/circuit.ts'

/** Permits of a rate that one call granted and no job has used. */
export interface UnusedPermits {
  /** The number of the call that granted the permits. */
  number: number
  /** The `mark` in the answer to that call. */
  mark: number
  count: number
}

/** A call of a holder: how many permits it uses, and how many more it asks for. */
export interface PermitCall {
  holder: string
  number: number
  /**
   * The number of the holder's previous call on this limiter; absent if the holder does not know the number.
   */
  after?: number
  limits: Limits
  /** How many permits the holder uses now. All other permits that the holder had are given back. */
  held: number
  /**
   * How many more permits the holder wants, at most `MAX_ITEMS`. A call that wants 0 permits only renews the
   * lease and
   * gives permits back.
   */
  wanted: number
  /** The size of a lot. The limiter grants a multiple of this number. Default 1. */
  each?: number
  /**
   * Unused permits that the holder gives back to the rate before it gets new permits: at most `MAX_ITEMS`
   * items. Default none.
   */
  unused?: readonly UnusedPermits[]
  /** The length of the lease that the call begins or renews, in milliseconds. */
  leaseMs: number
}

export interface Permitted {
  granted: number
  /**
   * Milliseconds until a rate allows `each` more permits, if fewer permits were granted than wanted; absent
   * if more permits become free only when holders give permits back.
   */
  wait?: number
  /**
   * A mark of the place where the rate has counted the granted permits; absent if the limiter has no rate.
   * Only the store understands the mark.
   */
  mark?: number
}

/** The number of permits that a job would need, and the limits of the limiter. */
export interface Lot {
  limits: Limits
  each: number
}

/**
 * The state of a limiter, and of the circuit with the same name. The lists have at most `MAX_ITEMS` holders
 * and at most `MAX_ITEMS` sizes of lots.
 */
export interface LimiterRecord {
  /** The holders of permits, in no particular order, and when their leases end: milliseconds since 1970. */
  holders: { holder: string; permits: number; until: number }[]
  /**
   * The sizes of lots for which holders wait, in no particular order: since when they wait, and until when
   * the wait counts (milliseconds since 1970).
   */
  waits: { permits: number; since: number; until: number }[]
  /**
   * How many permits are free for a lot of the given size. If the rate allows too few now, `nextAt` says when
   * it will allow enough.
   */
  free?: number
  nextAt?: number
  /** The circuit, only while it is open. */
  circuit?: { openedAt: number; trialAt: number }
}

export interface Limiters {
  /**
   * Reports how many permits the holder uses, and asks for more. The limiter grants up to `wanted` permits,
   * as many as the limits allow.
   */
  permit(limiter: string, call: PermitCall): Promise<Permitted>

  /**
   * Renews the lease of a holder, and does not change how many permits it holds. This verb is for callers
   * that do not know how many permits the holder uses, such as the lease thread.
   *
   * @returns whether the limiter still knew the holder. A holder that the limiter did not know holds no
   *   permits, and should report with `permit` how many it uses
   */
  renew(limiter: string, holder: string, leaseMs: number): Promise<boolean>

  /**
   * Reports an event of a run to a circuit, and returns the state of the circuit. The first run that begins
   * after the pause of an open circuit is the trial of the circuit. The next trial can begin one pause later.
   * Safe to repeat, except that a second `begins` counts as a second run.
   */
  circuit(name: string, rule: CircuitRule, event: CircuitEvent): Promise<Circuit>

  /**
   * Reads the state of a limiter, and of the circuit with the same name, to show it to people.
   *
   * @param lot if given, the answer says how many permits are free for a lot of this size
   */
  look(name: string, lot?: Lot): Promise<LimiterRecord>
}
