/**
 * A circuit breaker: keeps jobs from a service that is down, over all workers.
 *
 *   closed     jobs run; those that fail are counted
 *   open       too many failed within a time: no job runs until a pause is over
 *   half-open  the pause is over: one job runs, and its end decides. If none is heard of within another pause, the next
 *              job runs in its place
 *
 * An opening is named by the time at which it began, so that an end which is heard late, of a job that began before it,
 * does not end it.
 */

/** When a circuit opens, and for how long. */
export interface CircuitRule {
  /** So many failed runs … */
  failures: number
  /** … within so many milliseconds open it … */
  per: number
  /** … for so many milliseconds. */
  pause: number
}

/** The most failures that a rule may wait for: they are remembered one by one. */
export const MAX_FAILURES = 1_000

/** What is told of a run. */
export type CircuitEvent =
  /** A job is about to run, and asks whether it may. */
  | { kind: 'begins' }
  /** @param opening when it ran as the trial of one. @param id of this event: told twice, it counts once */
  | { kind: 'failed'; id: string; opening?: number | undefined }
  /** A trial succeeded. */
  | { kind: 'passed'; opening: number }
  /** A trial ended in a way that says nothing: the next job runs in its place. */
  | { kind: 'undecided'; opening: number }

/** How a circuit stands: for a job that asks whether it may run. */
export type Circuit =
  | { kind: 'closed' }
  /** It may run, as the trial of this opening. */
  | { kind: 'trial'; opening: number }
  /** Milliseconds until another trial is due. */
  | { kind: 'open'; wait: number }
