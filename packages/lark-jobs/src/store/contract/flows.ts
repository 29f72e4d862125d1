/**
 * The contract between the job queue and a store of flows: which members of a flow have ended. It is an interface of
 * its own, beside the job verbs (`store.ts`). `test/conformance/effects.ts` tests what this comment says.
 *
 * **Flow.** A flow has a size, and is kept in its home partition: one bit for each member, and how many are set. A
 * member counts once, whatever comes how often and in which order. So a delivery may be repeated, and no number has to
 * survive a failover.
 *
 * **Reconciliation.** A server that fails over may lose its last changes. If the home of a flow lost them, members that
 * had counted are missing again. If the partition of a member lost them, the member may run again, which changes
 * nothing once it has counted. So a flow that is open, and has heard nothing for a while, asks `fates` what became of
 * the members that are `missing`, and applies those that have ended. What is `unknown` was lost with its payload.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import type { Member } from '../../model/effect.ts'
import type { Fate } from './watch.ts'

/** How many members of a flow have ended, of how many. */
export interface Progress {
  counted: number
  size: number
}

export interface Applied {
  /**
   * One for each member, in their order. `counted`: it counts now. `repeated`: it had counted before. `unknown`: there
   * is no such flow, or it has no such member.
   */
  verdicts: ('counted' | 'repeated' | 'unknown')[]
  /** By the id of each flow that is there. */
  flows: Record<string, Progress>
}

export interface Flows {
  /** Opens a flow. If it is open already, it stays as it is. @returns whether it is new */
  open(home: string, flow: string, size: number): Promise<boolean>

  /** Counts members as ended, at most `MAX_ITEMS` of one home. Safe to repeat. */
  apply(home: string, members: readonly Pick<Member, 'flow' | 'index'>[]): Promise<Applied>

  /**
   * The members of a flow that have not ended, by page.
   *
   * @param after the index before the first; -1 for the first page
   * @param count at most `MAX_ITEMS`
   * @returns indices in ascending order; none when there are no more, or for a flow that is not there
   */
  missing(home: string, flow: string, after: number, count: number): Promise<number[]>

  /**
   * What became of members, at most `MAX_ITEMS`, in the partition that has their jobs. One for each id. A member that
   * was acknowledged within `RESEND_MEMORY` is remembered.
   */
  fates(partition: string, ids: readonly string[]): Promise<Fate[]>

  /** Forgets a flow. */
  close(home: string, flow: string): Promise<void>
}
