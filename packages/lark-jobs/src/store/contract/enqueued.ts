/** The answers for jobs that are to be queued. */
import type { State } from '../../model/record.ts'

/**
 * The answer for one job of an `enqueue`.
 *
 *   exists    the store has a job with that id already, or remembers one (`Keep.relayed`)
 *   rejected  `unique`: another job (`by`) has the lock. `throttled`: it came too soon after that job.
 *             `full`: the partition is full. `exists`: the application chose the id, and a job with that id
 *             is in the way (`state`)
 *   refused   `priorities`: `MAX_LINES` other priorities are in use. A job that returns to its line is
 *             never refused for this
 *   replaced  another job (`by`) has the lock and had not begun: it now has the payload of this one, with
 *             the options that belong to it (`options.ts`)
 */
export type Enqueued =
  | 'queued'
  | 'exists'
  | { kind: 'rejected'; reason: 'unique' | 'throttled'; by: string }
  | { kind: 'rejected'; reason: 'full' }
  | { kind: 'rejected'; reason: 'exists'; by: string; state: State }
  | { kind: 'refused'; reason: 'priorities' }
  | { kind: 'replaced'; by: string }

/** How long the id of a job that came through an outbox is remembered after its end, in milliseconds. */
export const RELAYED_MEMORY = 3_600_000

/**
 * What a full partition does with one more job: it rejects it, or drops the first job of the lowest priority.
 */
export interface Bound {
  max: number
  full: 'reject' | 'drop-oldest'
}
