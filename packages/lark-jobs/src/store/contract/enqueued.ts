/** The answers for jobs that are to be queued. */
import type { State } from '../../model/record.ts'

/**
 * The answer for one job of an `enqueue`.
 *
 *   exists    The store already has a job with this id, or remembers that a job with this id came through an
 *             outbox (`Keep.relayed`).
 *   rejected  `unique`: another job (`by`) has the lock. `throttled`: the job came too soon after another job
 *             (`by`). `full`: the partition is full. `exists`: the application chose the id, and the store
 *             has a job with this id in the state `state`.
 *   refused   `priorities`: `MAX_LINES` other priorities are in use. Jobs that return to their lines are
 *             never refused for this reason.
 *   replaced  Another job (`by`) has the lock and has not begun. The other job takes the payload of the new
 *             job, and
 *             the options that belong to the payload (`options.ts`).
 */
export type Enqueued =
  | 'queued'
  | 'exists'
  | { kind: 'rejected'; reason: 'unique' | 'throttled'; by: string }
  | { kind: 'rejected'; reason: 'full' }
  | { kind: 'rejected'; reason: 'exists'; by: string; state: State }
  | { kind: 'refused'; reason: 'priorities' }
  | { kind: 'replaced'; by: string }

/**
 * Milliseconds for which the store remembers the id of a job that came through an outbox, after the job's
 * end.
 */
export const RELAYED_MEMORY = 3_600_000

/**
 * The largest number of jobs in a partition, and what a full partition does with another job: it rejects the
 * new job, or drops the first job of the lowest priority.
 */
export interface Bound {
  max: number
  full: 'reject' | 'drop-oldest'
}
