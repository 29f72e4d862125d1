/**
 * How a store keeps and delivers effects (`model/effect.ts`). `test/conformance/effects.ts` tests what this
 * comment says.
 *
 * **Written.** The atomic step that ends a job also writes its effects. The removal of an ended job, by a
 * person or by retention, writes no further effects. If a job is retried by hand, its effects that are not
 * acknowledged are withdrawn, and its next end writes new effects. A job that is removed before its end ends
 * as `cancelled` with the reason `removed`. The flow of such a job gets an effect, but its class does not. A
 * member that ends in the home of its flow gets no effect `member`, because the flow counts the end in the
 * same step (`flows.ts`).
 *
 * **Kept.** An effect is kept until a worker acknowledges it. If retention or a person removes a job whose
 * effect is not acknowledged, the job is hidden: it is no longer shown or counted, but its id stays taken,
 * and its record is kept for the effect. There is one exception: of a completed member, a flow needs only the
 * index, so a store may remove the job completely. Then the id is free, and only `fates` still reports that
 * the job has ended.
 *
 * **Handed out.** The answers of `exchange` and `recover` contain effects, if the caller asks for them.
 * Within each kind, the effects that have been due for the longest time come first. An answer has at most
 * `MAX_HOOKS` effects `hook` and `MAX_ITEMS` effects `member`, and at most `MAX_BYTES` in total; if members
 * are due, hooks take at most half of these bytes. A hook is handed out under a lease as long as the caller
 * asks for, and a member under a lease of `MEMBER_LEASE_MS`. When the lease ends, the effect is handed out
 * again. So effects are delivered at least once, and in any order. If a call that was sent again had already
 * been carried out, its answer contains no effects.
 *
 * **Acknowledged.** Any caller may acknowledge an effect with a later call to the same partition. If the
 * partition has no such effect, nothing happens. The end of an acknowledged member is remembered for
 * `RESEND_MEMORY`, because the home of its flow can lose the count in a failover (`flows.ts`).
 *
 * **Rings.** If a verb writes an effect and does not hand it out with its answer, a worker that waits in the
 * partition is rung. If no worker waits there, a worker that holds jobs of the partition is rung.
 */
import type { EffectName } from '../../model/effect.ts'

/**
 * The part of a call that asks for effects and acknowledges effects. A call without `EffectsWanted` gets no
 * effects.
 */
export interface EffectsWanted {
  /**
   * The lease of the hooks that are handed out, in milliseconds; if absent, no hooks are handed out, only
   * members. 0: no effects are handed out; the call only acknowledges effects.
   */
  leaseMs?: number
  /**
   * Delivered effects that the call acknowledges, at most `MAX_ITEMS`. An effect may be named twice. The
   * store acknowledges these effects before it hands out further effects.
   */
  done?: readonly EffectName[]
}

/**
 * The lease of an effect `member`, in milliseconds: the time in which its caller must deliver the end, which
 * takes one call.
 */
export const MEMBER_LEASE_MS = 500
/** Milliseconds for which the end of an acknowledged member is remembered. */
export const RESEND_MEMORY = 30_000
/** The largest number of hooks in one answer. */
export const MAX_HOOKS = 100
