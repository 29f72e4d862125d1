/**
 * An incident: something that stands still or fails now. It is made of kinds and values, and each surface has
 * its own words for them.
 */
import type { Remedy } from '../../model/remedy.ts'
import type { DoctorFinding } from '../findings/finding-codes.ts'
import type { Reason } from '../why/reason.ts'

/**
 * The kinds of incidents of a queue, the worst first.
 *
 *   damaged    the queue has data that Lark did not write
 *   still      jobs wait, and none begins or ends
 *   stranded   the queue has jobs that no worker could read
 *   late       the oldest job waits for longer than the target of the queue
 *   failing    many jobs fail for good
 *   retrying   half of the runs fail, and their jobs are tried again
 *   paused     the queue is paused, and jobs wait
 */
export const incidentKinds = [
  'damaged',
  'still',
  'stranded',
  'late',
  'failing',
  'retrying',
  'paused',
] as const
export type IncidentKind = (typeof incidentKinds)[number]

/** What a queue does not do, since when, why, what has changed before, and what to do. */
export interface QueueIncident {
  kind: IncidentKind
  /** As for a finding of the doctor. `error`: nothing gets better by waiting. */
  level: 'error' | 'warning'
  queue: string
  /**
   * How many jobs the incident concerns. For `failing` and `retrying`, how many runs failed within five
   * minutes; otherwise how many jobs wait.
   */
  jobs: number
  /** For `failing` and `retrying`: how many runs ended within five minutes. */
  of?: number
  /** For `late`: how long the oldest job may wait, and how long it has waited, in milliseconds. */
  target?: number
  oldest?: number
  /**
   * When the incident began, in milliseconds since 1970, as far as the store has kept this. Absent if the
   * store has kept nothing about it.
   */
  since?: number
  /** The reason why the next job waits. Absent if it has no reason, and for `failing` and `retrying`. */
  because?: Reason
  /** The worker whose process a handler blocks now. */
  blocked?: { worker: string; by: string[]; since: number }
  /** Who paused the queue, when and why. */
  pause?: { by?: string; at?: number; because?: string; until?: number }
  /** For `failing` and `retrying`: the kind of failure that most of the jobs have. */
  failure?: IncidentFailure
  /** The last release of the application that workers began to run in the hour before the incident. */
  release?: { name: string; at: number }
  /** The workers of the queue that have died since shortly before the incident. */
  died?: { count: number; worker: string; host: string; at: number }
  /** The first thing to do. */
  action: Remedy
}

/** A failure, by its kind: see `failures()`. */
export interface IncidentFailure {
  kind: string
  key: string
  name: string
  message: string
  /** How many of the failed jobs that were looked at have this kind, and how many were looked at. */
  count: number
  of: number
  /** When the first of them failed: milliseconds since 1970. */
  first?: number
  /** The releases in which they failed. */
  releases: string[]
  /** The job that failed last. */
  job: string
}

/** An incident that belongs to no queue: an error of the store, a late schedule, a stuck limiter. */
export interface FoundIncident extends Pick<DoctorFinding, 'code' | 'subject' | 'text' | 'advice'> {
  kind: 'finding'
  level: 'error' | 'warning'
}

export type Incident = QueueIncident | FoundIncident
