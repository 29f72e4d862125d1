/**
 * The contract between the job queue and a store of flows: chains, batches and workflows. Flows have their
 * own interface beside the verbs for jobs (`store.ts`). `test/conformance/flows.ts`, and the files there
 * about nodes, members and ends at home, test what this comment says.
 *
 * **Flow.** A flow is kept in its home partition. The store keeps the definition and the state of a flow
 * (`model/flow.ts`) as texts that it does not read, and also a number that rises with each write, and the
 * time at which the flow is due next. A write names the number that its writer has read, and fails if the
 * number has changed. So if several workers advance one flow, only one of them writes, and the others learn
 * that the flow has changed. A write may queue jobs of the home partition in the same atomic step. The
 * writes of schedules work in the same way (`schedules.ts`).
 *
 * **Due.** `schedules.due` also hands out the flows that are due, under a short lease. Until the lease ends,
 * no other call gets these flows, unless somebody writes them. `exchange` and `survey` say when the next flow
 * or schedule of a partition is due (`nextTick`). If a write or an `apply` makes a flow due earlier than
 * every other flow and schedule of the partition, a waiting worker is rung.
 *
 * **Nodes.** A node has an index from `NODES` on. The end of a node is news: the flow keeps the news in the
 * order of arrival until a write says that its writer has read it. A flow with news is due at once, or if it
 * is handed out now, when the lease of the hand-out ends. The end of a node counts once, even if the same end
 * arrives several times. There is one exception: if a node first fails or is cancelled, and completes after a
 * retry, the new end replaces the earlier end and is news again. So ends may be delivered repeatedly, and no
 * number has to survive a failover. The flow keeps the results of its nodes, up to `MAX_RESULTS` bytes in
 * total. A result that does not fit is replaced by a note (`RESULT_NOT_KEPT`). A smaller result that arrives
 * later may still fit.
 *
 * **Members.** A member of a batch has an index below `NODES`. For each member, the flow keeps three bits:
 * whether the member has ended, whether it ended without completing, and whether it was cancelled. The flow
 * also keeps the count of each bit. A member counts once. If a member first fails or is cancelled, and
 * completes after a retry, the member counts as completed. For the first `MAX_FAILURES` members that did not
 * complete, the flow keeps how they ended. An end whose index is not below `reserved` gets the verdict
 * `unknown`. A member that is started again is missing again (`reopen`). An end of the member's earlier start
 * that arrives after `reopen` does not count: the flow recognises it by its `start`. The flow is due when
 * `size` members have ended, when `alarm` members have ended without completing, and when a member completes
 * after an earlier end. A write that sets a size or an alarm makes the flow due if that many members have
 * ended already. A flow that is due stays due until `due` hands the flow out, even if a worker writes the
 * flow in the meantime. When `due` hands the flow out, the flow gets a new number, so a writer that has read
 * the flow earlier can no longer write.
 *
 * **Ends at home.** If a node or a member ends in the home of its flow, the same atomic step counts the end
 * as `apply` does, and writes no effect (`effects.ts`). If the flow does not exist or has no such member,
 * nothing waits for the end, and the store does not keep it. If an `exchange` makes a flow due, the answer of
 * the `exchange` says so (`nextTick`), or hands the flow out, if its caller asks for that (`Want.flows`) and
 * wants jobs. An answer that is sent again hands out nothing: the flow is then due when the lease of
 * `FLOW_LEASE_MS` has ended. If another verb makes a flow due, or an `exchange` that wants no jobs,
 * a waiting worker is rung. The end of a job in another partition is an effect, which a worker brings to the
 * home with `apply`.
 *
 * **Reconciliation.** A server that fails over may lose its last changes. If the home of a flow lost changes,
 * the flow may not know of ends that it had counted. If the partition of a member lost changes, the member
 * may run again; its second end does not count again. (Members that end at home are rolled back together with
 * their flow.) So if an open flow has had no news for a while, its worker asks `fates` about the missing
 * members, and applies the ends that `fates` reports. A member that is `unknown` was lost.
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

/** A flow keeps how and why a member ended for at most this many members that did not complete. */
export const MAX_FAILURES = 1_000
/**
 * The largest number of items of news that are handed out with a flow. Further news is handed out after the
 * next write.
 */
export const MAX_NEWS = 1_000
/**
 * The lease of flows that an `exchange` hands out, in milliseconds. If the worker has not written a flow by
 * then, the flow is due again.
 */
export const FLOW_LEASE_MS = 2_000
/** The largest size of all flows that an `exchange` hands out, in bytes. Other flows wait for `due`. */
export const FLOW_BYTES = 65_536
/**
 * The largest size of all results that a flow keeps, in bytes: 6,710 bytes for each of 10,000 nodes, or 128
 * of the largest results. The limit exists because results take memory of the server.
 */
export const MAX_RESULTS = 67_108_864
/** The note that replaces a result which does not fit. */
export const RESULT_NOT_KEPT = droppedResult(`the results of its flow have more than ${MAX_RESULTS} bytes`)
/** The note that replaces a result which was purged. */
export const RESULT_PURGED = droppedResult('it was purged')
/** The largest number of characters that a flow keeps of an error. */
export const MAX_ERROR = 500

/** How a node or a member ended. */
export interface MemberEnd extends Pick<Member, 'flow' | 'index'> {
  state: EndedState
  /** Why the member ended, if it did not complete. */
  reason?: EndReason
  /** The message of the last error. The flow keeps at most `MAX_ERROR` characters. */
  error?: string
  /**
   * The result as JSON text, or a text that says why the result was not kept (`whyDropped`). A flow keeps
   * only the results of nodes.
   */
  result?: string
  /** When the member ended, by the clock of its partition. */
  at: number
  /**
   * For a member that did not complete: the `queuedAt` of its job, which is different for each start of the
   * member; if absent, the end belongs to the last start.
   */
  start?: number
}

/** Makes the report of a member's end to its flow from the record of the member's job. */
export function endOf({ id, state, reason, errors, result, finishedAt, queuedAt }: EndedMember): MemberEnd {
  const { flow, index } = memberOf(id)!
  const error = state === 'failed' ? errors.at(-1)?.message : undefined
  const start = index < NODES && state !== 'completed' ? queuedAt : undefined
  const more = defined({ reason, error, result, start })
  return { flow, index, state: state as MemberEnd['state'], at: finishedAt!, ...more }
}

/**
 * The end of a node or member as the flow keeps it. The flow keeps the ends of all nodes, but only of members
 * that did not complete.
 */
export type KeptEnd = Omit<MemberEnd, 'flow' | 'start'>

/** The counts of a batch's members. */
export interface Crowd {
  /** Every member has an index below this number. */
  reserved: number
  /** How many members the batch has; absent while members are still being added. */
  size?: number
  completed: number
  /** How many members ended without completing. */
  failed: number
  /** How many of the members that did not complete were cancelled; absent if none was. */
  cancelled?: number
}

/** How a node or member ended, or that the node or member has not ended. */
export type MemberFate = Exclude<Fate, { kind: 'ended' }> | { kind: 'ended'; job: EndedMember }

export interface StoredFlow {
  id: string
  /** The number of the last write (see `StoredSchedule.rev`). */
  rev: number
  /** A text that only the writers of flows and schedules understand. */
  definition: string
  /** A text that only the writers of flows and schedules understand. */
  state: string
  /** The oldest news that no writer has read: at most `MAX_NEWS`, without the results of nodes. */
  news: KeptEnd[]
  crowd: Crowd
}

/** A change of a flow. */
export type FlowWrite = {
  id: string
  /**
   * The number that the writer has read with the flow; 0 if there was no flow. If the flow has another number
   * now, nothing is written.
   */
  rev: number
  /** Jobs to queue with the change, at most `MAX_ITEMS`. */
  jobs?: readonly NewJob[]
} & (
  | {
      /** The new definition; if absent, the definition stays as it is. */
      definition?: string
      state: string
      /**
       * When the flow is due: milliseconds since 1970; if absent, the flow is due only when there is news.
       */
      next?: number | undefined
      /**
       * How many items of news the writer has read. The items that were read are not handed out again. If the
       * flow has further items, it is due at once.
       */
      heard?: number
      /** An absent field stays unchanged. A new flow has the `reserved` 0, no size and no alarm. */
      crowd?: { reserved?: number; size?: number; alarm?: number | undefined }
    }
  /** Removes the flow and all data of the flow. */
  | { remove: true }
)

export interface FlowWritten {
  /** False: nothing was written, because the flow has changed since the writer read it. */
  isWritten: boolean
  /** The new number of the flow; 0 if nothing was written, or if the flow was removed. */
  rev: number
  /** One answer for each job, in the order of the jobs. A job whose id exists already counts as queued. */
  jobs: Enqueued[]
  /** Milliseconds until the next flow or schedule of the partition is due; absent if there is none. */
  nextTick?: number
}

export interface Applied {
  /**
   * One verdict for each end, in the order of the ends. `counted`: the end counts now. `repeated`: the end
   * had counted before. `former`: the member was started again and has not ended since, and this end belongs
   * to an earlier start. `unknown`: the flow does not exist, or has no such member.
   */
  verdicts: ('counted' | 'repeated' | 'former' | 'unknown')[]
  /** Milliseconds until the next flow or schedule of the partition is due; absent if there is none. */
  nextTick?: number
}

export interface Flows {
  /**
   * Writes a flow. Either all changes of the call are made, or none.
   *
   * @param bound the limit on the number of jobs in the queue (`Bound`)
   * @param isRelied see `Schedules.write`
   */
  write(home: string, write: FlowWrite, bound?: Bound, isRelied?: boolean): Promise<FlowWritten>

  /** Reads a flow, and the present time by the store's clock. */
  get(home: string, flow: string): Promise<{ at: number; found?: StoredFlow }>

  /**
   * Reads only the state of a flow, for callers that wait for the end of the flow. The definition is not
   * read, because it may have megabytes.
   */
  state(home: string, flow: string): Promise<string | undefined>

  /**
   * Counts ends of nodes and members: at most `MAX_ITEMS` ends and about `MAX_BYTES`, for flows of one home.
   * Safe to repeat.
   */
  apply(home: string, ends: readonly MemberEnd[]): Promise<Applied>

  /**
   * Reads the ends of nodes, with their results, and the ends of the first `MAX_FAILURES` members that did
   * not complete. At most `MAX_ITEMS` ends and about `MAX_BYTES` are returned. If some ends do not fit, the
   * caller asks for these ends with another call.
   *
   * @returns the ends that the flow keeps, in the order of `indices`
   */
  ends(home: string, flow: string, indices: readonly number[]): Promise<KeptEnd[]>

  /**
   * Lists the members of a flow that have not ended, page by page.
   *
   * @param after the last index of the previous page; -1 for the first page
   * @param count at most `MAX_ITEMS`
   * @returns indices below `reserved`, in ascending order. The list is empty after the last page, and if the
   *   flow does not exist
   */
  missing(home: string, flow: string, after: number, count: number): Promise<number[]>

  /** Lists the members that ended without completing, page by page like `missing`. */
  failed(home: string, flow: string, after: number, count: number): Promise<number[]>

  /**
   * Marks members that ended without completing as missing again, at most `MAX_ITEMS`. Completed members are
   * not changed.
   *
   * @param starts the `queuedAt` of each member's new start. An end of an earlier start that arrives later
   *   gets the verdict `former`
   * @returns how many members are missing again
   */
  reopen(home: string, flow: string, indices: readonly number[], starts?: readonly number[]): Promise<number>

  /**
   * Purges the ends of nodes and members, at most `MAX_ITEMS`: removes errors, and replaces results by
   * `RESULT_PURGED`. The state, the reason and the time of the end stay. Members that have not ended or are
   * unknown are not changed. Safe to repeat.
   */
  purge(home: string, flow: string, indices: readonly number[]): Promise<void>

  /**
   * Reports the fates of nodes and members, at most `MAX_ITEMS`, in the partition that has their jobs. The
   * answer has one fate for each id. The partition remembers the end of a member for `RESEND_MEMORY` after
   * the end was acknowledged. Of a completed member, the partition may remember only the state and the time.
   */
  fates(partition: string, ids: readonly string[]): Promise<MemberFate[]>

  /**
   * Lists the flows of a partition page by page, the newest first, without their news.
   *
   * @param before the id of the last flow of the previous page. If that flow has been removed, the answer is
   * empty
   * @param count at most `MAX_ITEMS`, and about `MAX_BYTES`
   */
  list(home: string, count: number, before?: string): Promise<Omit<StoredFlow, 'news'>[]>
}
