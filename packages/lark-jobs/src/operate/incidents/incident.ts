/**
 * An incident: a queue that stands still or fails now, or a problem of the store. An incident consists of
 * kinds and values, and each surface has its own words for these.
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
 *   retrying   at least half of the runs fail, and their jobs are tried again
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

/** What is wrong with a queue, since when, why, what changed before, and what to do. */
export interface QueueIncident {
  kind: IncidentKind
  /** As for a finding of the doctor. `error`: the problem does not go away by itself. */
  level: 'error' | 'warning'
  queue: string
  /**
   * How many jobs the incident concerns. For `failing` and `retrying`: how many runs failed within five
   * minutes. For all other kinds: how many jobs wait.
   */
  jobs: number
  /** For `failing` and `retrying`: how many runs ended within five minutes. */
  of?: number
  /** For `late`: how long the oldest job may wait, and how long it has waited, in milliseconds. */
  target?: number
  oldest?: number
  /**
   * When the incident began, in milliseconds since 1970, as far as the store's data reaches back. Absent if
   * the store has no such data.
   */
  since?: number
  /** The reason why the next job waits. Absent if no reason was found, and for `failing` and `retrying`. */
  because?: Reason
  /** A worker whose event loop a handler blocks now, and the classes that may block it. */
  blocked?: { worker: string; by: string[]; since: number }
  /** Who paused the queue, when and why. */
  pause?: { by?: string; at?: number; because?: string; until?: number }
  /** For `failing` and `retrying`: the most frequent kind of failure. */
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
  /**
   * How many of the examined failed jobs have this kind of failure (`count`), and how many jobs were examined
   * (`of`).
   */
  count: number
  of: number
  /** When the first job with this kind of failure failed: milliseconds since 1970. */
  first?: number
  /** The releases of the application in which these jobs failed. */
  releases: string[]
  /** The id of the job that failed last. */
  job: string
}

/** An incident that belongs to no queue: an error of the store, a late schedule, a stuck limiter. */
export interface FoundIncident extends Pick<DoctorFinding, 'code' | 'subject' | 'text' | 'advice'> {
  kind: 'finding'
  level: 'error' | 'warning'
}

export type Incident = QueueIncident | FoundIncident
