/**
 * How effects (`model/effect.ts`) are delivered. `test/conformance/effects.ts` tests what this comment says.
 *
 * **Written** with the end of the job, in the same atomic step. A job ends only once: if it is removed or
 * pruned later, this writes nothing. If the job is retried by hand, its effects that are not acknowledged are
 * withdrawn; its next end writes new ones. Removing a job that has not ended ends it as `cancelled` with the
 * reason `removed`. Then its flow is told, but its class is not. A member that ends in the home of its flow
 * has no effect `member`: the flow counts it in the same step (`flows.ts`).
 *
 * **Kept** until somebody acknowledges it, whatever the retention says. If retention or a person removes the
 * job before that, the job is no longer shown or counted, but its id stays taken, and its record is kept for
 * the effect. There is one exception: a flow needs only the index of a completed member, so a store may
 * forget such a job. Then its id is free, and only `fates` knows that it has ended.
 *
 * **Handed out** with the answer of `exchange` and of `recover`, if the caller asks for effects. Within each
 * kind, the effects that have been due for longest come first. An answer has at most `MAX_HOOKS` hooks and
 * `MAX_ITEMS` members, and no more than `MAX_BYTES` of both together; hooks leave half of that to members
 * that are due. The lease of a hook is as long as the caller asks for, the lease of a member
 * `MEMBER_LEASE_MS`. After that, the effect is handed out again. So delivery is at least once, and in any
 * order. If a call is sent again, its answer has no effects.
 *
 * **Acknowledged** with a later call to the same partition, by any caller. Acknowledging an effect that is
 * not there does nothing. The end of an acknowledged member is remembered for `RESEND_MEMORY`, because a
 * failover can make the home of its flow lose the count (`flows.ts`).
 *
 * **Rings.** A verb that writes an effect and hands out none rings a worker that waits in the partition. If
 * no worker waits, it rings one that holds jobs there.
 */
import type { EffectName } from '../../model/effect.ts'

/** What a call asks about effects. A call without it gets none. */
export interface EffectsWanted {
  /**
   * Milliseconds: the lease of the hooks that are handed out. Absent: only members are handed out, no hooks.
   * 0: nothing is handed out, effects are only acknowledged.
   */
  leaseMs?: number
  /**
   * Effects that were delivered, at most `MAX_ITEMS`. Duplicates do no harm. They are acknowledged before
   * others are handed out.
   */
  done?: readonly EffectName[]
}

/** Milliseconds that a caller has to deliver the end of a member, which takes one call. */
export const MEMBER_LEASE_MS = 500
/** Milliseconds for which the end of an acknowledged member is remembered. */
export const RESEND_MEMORY = 30_000
/** The most hooks that one answer hands out. */
export const MAX_HOOKS = 100
