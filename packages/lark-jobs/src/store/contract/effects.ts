/**
 * How effects (`model/effect.ts`) are delivered. `test/conformance/effects.ts` tests what this comment says.
 *
 * **Written** with the end of the job, in the same atomic step. A job ends only once: if it is removed or
 * pruned later, this writes nothing. If it is retried by hand, its effects that are not acknowledged are
 * withdrawn, and it will end again. Removing a job that has not ended ends it as `cancelled` with the reason
 * `removed`. Then no class hears of it, but a flow does. A member that ends in the home of its flow has no
 * effect `member`: the flow counts it in the same step (`flows.ts`).
 *
 * **Kept** until somebody acknowledges it, whatever the retention says. If retention or a person removes the
 * job before, nobody sees the job any more, and it counts no longer, but its id stays taken, and its record
 * is kept for the effect. But the flow of a member that completed needs its number only. So a store may
 * forget such a job: its id is free then, and only `fates` knows that it has ended.
 *
 * **Handed out** with the answer of `exchange` and of `recover`, if the caller asks for effects. Of each
 * kind, those that are due longest come first: at most `MAX_HOOKS` hooks and `MAX_ITEMS` members, and no more
 * than `MAX_BYTES` of both together, of which hooks leave half to members that are due. The caller has a hook
 * for the lease that it asks for, and a member for `MEMBER_LEASE_MS`. After that, the effect is handed out
 * again. So delivery is at least once, and in any order. A call that is sent again is answered without
 * effects.
 *
 * **Acknowledged** with a later call to the same partition, by any caller. Acknowledging what is not there
 * does nothing. The end of an acknowledged member is remembered for `RESEND_MEMORY`, because the home of its
 * flow may lose what it has counted (`flows.ts`).
 *
 * **Rings.** A verb that writes an effect, and hands out none, rings a worker that waits in the partition; or
 * if none waits, one that holds jobs there.
 */
import type { EffectName } from '../../model/effect.ts'

/** What a call says of effects. A call without it is handed none. */
export interface EffectsWanted {
  /**
   * Milliseconds for which the caller has a hook. Absent: it is handed no hooks, only members. 0: it is
   * handed nothing, and only acknowledges.
   */
  leaseMs?: number
  /**
   * Effects that were delivered, at most `MAX_ITEMS`. Naming one twice does no harm. They are acknowledged
   * before others are handed out.
   */
  done?: readonly EffectName[]
}

/** Milliseconds that a caller has to deliver the end of a member, which takes one call. */
export const MEMBER_LEASE_MS = 500
/** Milliseconds for which the end of an acknowledged member is remembered. */
export const RESEND_MEMORY = 30_000
/** The most hooks that one answer hands out. */
export const MAX_HOOKS = 100
