/**
 * A circuit breaker: stops the jobs of all workers from calling a service that is down.
 *
 *   closed     jobs run; failures are counted
 *   open       too many jobs failed within a time: no job runs until a pause is over
 *   half-open  the pause is over: one job runs as a trial, and its result decides. If there is no result
 *              within another pause, the next job becomes the trial
 *
 * Each opening is identified by the time at which it began. So the late result of a job that began before the
 * opening does not close the circuit.
 */

/**
 * The rule by which a circuit opens: after this many failures within a period, for the length of the pause.
 */
export interface CircuitRule {
  /** How many failed runs within the period open the circuit. */
  failures: number
  /** The length of the period, in milliseconds. */
  per: number
  /** How long the circuit stays open, in milliseconds. */
  pause: number
}

/**
 * Says for people that a job was put back because a circuit is open.
 *
 * @param name the name of a circuit that classes share; undefined for the circuit of a class
 * @param key the key of the class
 */
export function isOpenWords(name: string | undefined, key: string): string {
  return `the circuit ${name ?? `of ${key}`} is open`
}

/** The highest `failures`, because the store keeps each failure. */
export const MAX_FAILURES = 1_000

/** An event of a run, as it is reported to a circuit. */
export type CircuitEvent =
  /** A job is about to run, and asks whether it may. */
  | { kind: 'begins' }
  /**
   * @param opening the opening that the run tested, if it was a trial
   *
   * @param id the id of this event: a repeated event is counted only once
   */
  | { kind: 'failed'; id: string; opening?: number | undefined }
  /** A trial succeeded. */
  | { kind: 'passed'; opening: number }
  /** A trial ended without a result: the next job becomes the trial. */
  | { kind: 'undecided'; opening: number }

/** The answer to a job that asks whether it may run. */
export type Circuit =
  | { kind: 'closed' }
  /** The job may run, as the trial of this opening. */
  | { kind: 'trial'; opening: number }
  /** Milliseconds until another trial is due. */
  | { kind: 'open'; wait: number }
