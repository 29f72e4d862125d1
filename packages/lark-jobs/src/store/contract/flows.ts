/**
 * The contract between the job queue and a store of flows: chains, batches, workflows. It is an interface of
 * its own, beside the job verbs (`store.ts`). `test/conformance/flows.ts` and the files beside it about
 * nodes, members and ends at home test what this comment says.
 *
 * **Flow.** A flow is kept in its home partition. A store reads neither its definition nor its state
 * (`model/flow.ts`): it keeps both texts, a number that rises with each write, and when the flow is due next.
 * A write names the number that its writer has read. So if several workers advance one flow, one of them
 * writes, and the others learn that the flow has changed. A write may queue jobs of the home partition in the
 * same atomic step. Schedules work in the same way (`schedules.ts`).
 *
 * **Due.** `schedules.due` also hands out the flows that are due, under the same short lease: until the lease
 * ends, no other call gets them, unless they are written meanwhile. `exchange` and `survey` say when the next
 * flow or schedule of a partition is due (`nextTick`). A write or an `apply` after which a flow is due sooner
 * than any other entry rings a waiting worker.
 *
 * **Nodes.** The end of a node (an index from `NODES` on) is news: it is kept with the flow, in the order of
 * arrival, until a write says that its writer has read it; and the flow is due as soon as its lease has
 * ended. Each index counts once, in whatever order and however often ends arrive. There is one exception: if
 * a node had ended without completing and completes later because it was retried, the new end replaces the
 * earlier one and is news again. So a delivery may be repeated, and no number has to survive a failover.
 * Results of nodes are kept with the flow, up to `MAX_RESULTS` in total. In place of a result that has no
 * room, a note is kept (`RESULT_NOT_KEPT`); a later result that has room is kept as usual.
 *
 * **Members.** For the members of a batch (indices below `NODES`) the flow keeps one bit for each that has
 * ended, one for each that ended without completing, one for each that was cancelled, and the three counts. A
 * member counts once. If it had not completed and completes later because it was retried, it counts as
 * completed. For the first `MAX_FAILURES` members that did not complete, the flow keeps how they ended. An
 * index from `reserved` on is unknown. A member that is started again is missing again (`reopen`). If an end
 * of its earlier start is still on its way then, the flow recognises that by its `start`. The flow is due
 * when `size` members have ended, when `alarm` members have ended without completing, and when a member
 * completes that had ended otherwise before. A write also makes the flow due if it sets a size or an alarm
 * that is reached already. That the flow is due is kept until `due` hands it out: a write before that leaves
 * it due at once. When the flow is handed out, it gets a new number, so that a writer that has read it
 * earlier can no longer write.
 *
 * **Ends at home.** If a node or a member ends in the home of its flow, the same atomic step counts its end
 * as `apply` does, and writes no effect (`effects.ts`). If the flow does not exist or has no such member,
 * nobody waits for the end, and nothing is kept of it. If an `exchange` makes a flow due, its answer says so
 * (`nextTick`). Any other verb, and an `exchange` that wants no jobs, rings a waiting worker. Jobs that end
 * elsewhere have an effect, which a worker brings to the home with `apply`.
 *
 * **Reconciliation.** A server that fails over may lose its last changes. If the home of a flow lost them,
 * members that had counted are missing again. If the partition of a member lost them, the member may run
 * again, which changes nothing once it has counted. (Members that ended at home are rolled back together with
 * their flow.) So if an open flow has had no news for a while, it asks `fates` about the members that it
 * waits for, and applies the ends of those that have ended. A member that is `unknown` was lost.
 *
 * Failures are the same as for every verb: see `store.ts`.
 */
import { defined } from '@s18i/lark/internal'
import { type EndedMember, type Member, memberOf } from '../../model/effect.ts'
import { type EndReason, NODES } from '../../model/flow.ts'
import { droppedResult } from '../../model/payload.ts'
import type { EndedState, NewJob } from '../../model/record.ts'
import type { Bound, Enqueued } from './enqueued.ts'
import type { Fate } from './watch.ts'

export { NODES }

/** The most members that did not complete for which a flow keeps how they ended. */
export const MAX_FAILURES = 1_000
/** The most news that are handed out with a flow. The rest comes after the next write. */
export const MAX_NEWS = 1_000
/**
 * The most bytes of results that a flow keeps: 6,710 for each of 10,000 nodes, or 128 of the largest results.
 * It limits the memory that one flow takes on a server.
 */
export const MAX_RESULTS = 67_108_864
/** What is kept in place of a result that has no room. */
export const RESULT_NOT_KEPT = droppedResult(`the results of its flow have more than ${MAX_RESULTS} bytes`)
/** What is kept in place of a result that was purged. */
export const RESULT_PURGED = droppedResult('it was purged')
/** The most characters of an error that are kept. */
export const MAX_ERROR = 500

/** How a node or a member ended. */
export interface MemberEnd extends Pick<Member, 'flow' | 'index'> {
  state: EndedState
  /** Why it ended, if it did not complete. */
  reason?: EndReason
  /** The message of the last error: at most `MAX_ERROR` characters are kept. */
  error?: string
  /**
   * The result as JSON text; or why it was not kept, as the record of a job says it (`whyDropped`). Kept only
   * for nodes.
   */
  result?: string
  /** When it ended, by the clock of its partition. */
  at: number
  /**
   * Of a member that did not complete: the `queuedAt` of its job, which distinguishes its starts. Absent: the
   * end belongs to its last start.
   */
  start?: number
}

/** How the job of a node or member ended, for its flow. */
export function endOf({ id, state, reason, errors, result, finishedAt, queuedAt }: EndedMember): MemberEnd {
  const { flow, index } = memberOf(id)!
  const error = state === 'failed' ? errors.at(-1)?.message : undefined
  const start = index < NODES && state !== 'completed' ? queuedAt : undefined
  const more = defined({ reason, error, result, start })
  return { flow, index, state: state as MemberEnd['state'], at: finishedAt!, ...more }
}

/** The end of a node, or of one of those members that did not complete. */
export type KeptEnd = Omit<MemberEnd, 'flow' | 'start'>

/** The counts of the members of a batch. */
export interface Crowd {
  /** How many indices are in use. */
  reserved: number
  /** How many members there are; absent while the batch fills. */
  size?: number
  completed: number
  /** How many members ended without completing. */
  failed: number
  /** How many of these were cancelled; absent if none. */
  cancelled?: number
}

/** What became of a node or member. */
export type MemberFate = Exclude<Fate, { kind: 'ended' }> | { kind: 'ended'; job: EndedMember }

export interface StoredFlow {
  id: string
  /** The number of the last write, as for a schedule (`StoredSchedule.rev`). */
  rev: number
  /** Text of the writer. */
  definition: string
  /** Text of the writer. */
  state: string
  /** The oldest news that no writer has read yet, at most `MAX_NEWS`, without results. */
  news: KeptEnd[]
  crowd: Crowd
}

/** A change of a flow. */
export type FlowWrite = {
  id: string
  /**
   * The number of the flow that the writer has read; 0 if there was no flow. If the number has changed since,
   * nothing is written.
   */
  rev: number
  /** Jobs to queue with the change, at most `MAX_ITEMS`. */
  jobs?: readonly NewJob[]
} & (
  | {
      /** Default: unchanged. */
      definition?: string
      state: string
      /** When the flow is due: milliseconds since 1970. Absent: only if there is news. */
      next?: number | undefined
      /**
       * How many news the writer has read. They are not handed out again. If more are left, the flow is due
       * at once.
       */
      heard?: number
      /** Default for each: unchanged. At first `reserved` is 0, and there is no size and no alarm. */
      crowd?: { reserved?: number; size?: number; alarm?: number | undefined }
    }
  /** Removes the flow with everything that is kept of it. */
  | { remove: true }
)

export interface FlowWritten {
  /** False: the flow has changed since it was read, and nothing was written. */
  isWritten: boolean
  /** The new number of the flow; 0 if nothing was written, or if the flow was removed. */
  rev: number
  /** The answer for each job, in their order. A job whose id is taken counts as queued. */
  jobs: Enqueued[]
  /** Milliseconds until a flow or a schedule of the partition is due; absent if none will be. */
  nextTick?: number
}

export interface Applied {
  /**
   * One for each end, in their order. `counted`: the end counts now. `repeated`: it had counted before.
   * `former`: the end is of an earlier start of a member that was started again and is missing. `unknown`:
   * the flow does not exist, or has no such member.
   */
  verdicts: ('counted' | 'repeated' | 'former' | 'unknown')[]
  /** Milliseconds until a flow or a schedule of the partition is due; absent if none will be. */
  nextTick?: number
}

export interface Flows {
  /**
   * Writes a flow: all of its changes or none.
   *
   * @param bound of the queue, for the jobs
   * @param isRelied as for schedules
   */
  write(home: string, write: FlowWrite, bound?: Bound, isRelied?: boolean): Promise<FlowWritten>

  /** Reads a flow, and the time by the store's clock. */
  get(home: string, flow: string): Promise<{ at: number; found?: StoredFlow }>

  /** Reads only the state of a flow, for callers that wait for its end. Its definition may have megabytes. */
  state(home: string, flow: string): Promise<string | undefined>

  /** Counts ends, at most `MAX_ITEMS` of one home and about `MAX_BYTES`. Safe to repeat. */
  apply(home: string, ends: readonly MemberEnd[]): Promise<Applied>

  /**
   * Reads how nodes ended, with their results, and how those members ended that were among the first not to
   * complete. At most `MAX_ITEMS`, and about `MAX_BYTES`: ends that have no room are left out and must be
   * asked for again.
   *
   * @returns the ends of those that have ended, in the order of `indices`
   */
  ends(home: string, flow: string, indices: readonly number[]): Promise<KeptEnd[]>

  /**
   * The members of a flow that have not ended, by page.
   *
   * @param after the index before the first; -1 for the first page
   * @param count at most `MAX_ITEMS`
   * @returns indices below `reserved`, in ascending order; none when there are no more, or for a flow that is
   *   not there
   */
  missing(home: string, flow: string, after: number, count: number): Promise<number[]>

  /** The members that ended without completing, by page like `missing`. */
  failed(home: string, flow: string, after: number, count: number): Promise<number[]>

  /**
   * Makes members that ended without completing missing again, at most `MAX_ITEMS`. Other members stay as
   * they are.
   *
   * @param starts for each member, the `queuedAt` of its new start. From then on, ends of its earlier starts
   *   that still arrive are `former`
   * @returns how many members are missing again
   */
  reopen(home: string, flow: string, indices: readonly number[], starts?: readonly number[]): Promise<number>

  /**
   * Purges the ends of nodes and members, at most `MAX_ITEMS`. Only whether, how, why and when they ended
   * stays: errors are removed, and results become `RESULT_PURGED`. Members that have not ended or are unknown
   * are unchanged. Safe to repeat.
   */
  purge(home: string, flow: string, indices: readonly number[]): Promise<void>

  /**
   * What became of nodes and members, at most `MAX_ITEMS`, in the partition that has their jobs. One answer
   * for each id. A member whose end was acknowledged within `RESEND_MEMORY` is remembered; for a completed
   * one, perhaps only that and when it completed.
   */
  fates(partition: string, ids: readonly string[]): Promise<MemberFate[]>

  /**
   * The flows of a partition by page, the newest first. Without news.
   *
   * @param before the last flow of the previous page. If that flow is gone, the answer is empty
   * @param count at most `MAX_ITEMS`, and about `MAX_BYTES`
   */
  list(home: string, count: number, before?: string): Promise<Omit<StoredFlow, 'news'>[]>
}
