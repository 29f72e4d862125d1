/**
 * The contract between the job queue and a store of limiters. It is an interface of its own, independent of
 * the job verbs (`store.ts`). `test/conformance/limiters.ts` and `test/conformance/circuits.ts` test what
 * this comment says.
 *
 * **Limiter.** A limiter has a name, which does not begin with a brace, and grants permits to all workers
 * together: a number at a time, a number within a time, or both. There is nothing to set up: each call states
 * the limits. A limiter that no worker uses leaves no data, except for the times at which permits of a rate
 * were granted. A job that needs three permits takes three.
 *
 * **Holder.** A holder is a worker. For each holder the limiter knows how many permits it holds, and until
 * when: a lease by the store's clock. A holder whose lease has ended holds no permits. It may come back and
 * say how many it uses. Then these count, even beyond the limits, and no holder gets more permits until the
 * number is below the limits.
 *
 * **Calls.** A holder numbers its calls on a limiter, each higher than the last, and has one call under way
 * at a time. If it sends a call again because the answer was lost, it gets the first answer, as long as its
 * lease lasts, and nothing is counted twice. A call with a lower number than the last is refused: it comes
 * from a connection that was given up.
 *
 * **Lots.** A lot is the number of permits that one job needs. A holder that asks for lots of one size and
 * gets none waits for the time of a lease, or longer if a rate says so. Among the sizes that holders wait
 * for, the one that has waited longest goes first: the limiter reserves the permits of one such lot, so that
 * requests of other sizes cannot take them, until a lot of that size is granted to any holder. So small lots
 * cannot keep a large lot waiting for ever, nor large lots a small one. A lot that is larger than the limits
 * reserves nothing.
 *
 * **Rates** count the permits granted. A holder may say that no job has used some of them. Then the rate has
 * these again, if the store knows the call that granted them, and all calls of the holder since then. It
 * takes back no permits that were granted before the end of a lease, or before a failover that lost calls. So
 * however often permits are granted and refunded, no more of them are used within a time than the rate
 * allows.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */

import type { Limits } from '../../model/limits.ts'
import type { Circuit, CircuitEvent, CircuitRule } from '../../options/circuit.ts'

/** Permits of a rate that one call granted, and that no job has used. */
export interface UnusedPermits {
  /** The number of that call. */
  number: number
  /** The `mark` of its answer. */
  mark: number
  count: number
}

/** What a holder reports and asks for. */
export interface PermitCall {
  holder: string
  number: number
  /** The number of the holder's previous call on this limiter. Default: it is not known. */
  after?: number
  limits: Limits
  /** How many permits it uses now. If it held more, the rest are given back. */
  held: number
  /**
   * How many more permits it wants, up to `MAX_ITEMS`. With 0 the call only renews the lease and gives
   * permits back.
   */
  wanted: number
  /** The size of a lot: the holder gets a multiple of this. Default 1. */
  each?: number
  /** The permits that the rate gets back, before it grants any: at most `MAX_ITEMS` items. Default none. */
  unused?: readonly UnusedPermits[]
  /** Milliseconds. */
  leaseMs: number
}

export interface Permitted {
  granted: number
  /**
   * If fewer permits were granted than wanted: milliseconds until a rate allows `each` more. Absent if more
   * come only when other permits are given back.
   */
  wait?: number
  /**
   * Where the rate has counted the granted permits. Only the store can read it. Absent if the limiter has no
   * rate.
   */
  mark?: number
}

/** A lot that a job would need, and the limits of its limiter. */
export interface Lot {
  limits: Limits
  each: number
}

/**
 * What a limiter has granted, and the circuit with its name. At most `MAX_ITEMS` holders and sizes of lots.
 */
export interface LimiterRecord {
  /** The holders of permits, and when their leases end: milliseconds since 1970. In no order. */
  holders: { holder: string; permits: number; until: number }[]
  /** The sizes of the lots for which holders wait, since when, and until when this counts. In no order. */
  waits: { permits: number; since: number; until: number }[]
  /**
   * For the lot of the question: how many permits are free; and if the rate has too few, when it will have
   * enough.
   */
  free?: number
  nextAt?: number
  /** The circuit, only while it is open. */
  circuit?: { openedAt: number; trialAt: number }
}

export interface Limiters {
  /**
   * Reports how many permits the holder uses, and asks for more. Grants at most `wanted`, as far as the
   * limits allow.
   */
  permit(limiter: string, call: PermitCall): Promise<Permitted>

  /**
   * Renews the lease of a holder that cannot say how many permits it uses. The number of its permits stays as
   * it is.
   *
   * @returns whether the limiter still knew the holder. If not, it holds no permits, and should report what
   *   it uses
   */
  renew(limiter: string, holder: string, leaseMs: number): Promise<boolean>

  /**
   * Reports an event of a run to a circuit, and returns the state of the circuit. A run that begins when the
   * pause of the circuit is over is its trial; there is no other trial for another pause. Safe to repeat,
   * except that a second `begins` counts as a second run.
   */
  circuit(name: string, rule: CircuitRule, event: CircuitEvent): Promise<Circuit>

  /**
   * For people: what the limiter with this name has granted, and its circuit. Changes nothing.
   *
   * @param lot asks how many permits are free for such a lot
   */
  look(name: string, lot?: Lot): Promise<LimiterRecord>
}
