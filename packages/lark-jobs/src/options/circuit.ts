/**
 * A circuit breaker: stops the jobs of all workers from calling a service that is down.
 *
 *   closed     jobs run, and failures are counted
 *   open       too many runs failed within the period: no job runs until a pause is over
 *   half-open  the pause is over: one job runs as a trial. A successful trial closes the circuit, and a
 *              failed trial opens it again. If the trial has no result within another pause, the next job
 *              becomes the trial
 *
 * An opening (the time for which a circuit is open) is identified by its beginning. So the late result of a
 * job that began before the opening does not close the circuit.
 */

/** The rule by which a circuit opens: how many failures within a period open it, and for how long. */
export interface CircuitRule {
  /** How many failed runs within the period open the circuit. */
  failures: number
  /** The length of the period, in milliseconds. */
  per: number
  /** How long the circuit stays open, in milliseconds. */
  pause: number
}

/**
 * Words for people: the reason why a job was put back because a circuit is open.
 *
 * @param name the name of a circuit that classes share, or undefined for the circuit of a single class
 * @param key the key of the class
 */
export function isOpenWords(name: string | undefined, key: string): string {
  return `the circuit ${name ?? `of ${key}`} is open`
}

/** The highest value of `failures`. There is a maximum because the store keeps each failure. */
export const MAX_FAILURES = 1_000

/** An event of a run that the worker reports to a circuit. */
export type CircuitEvent =
  /** A job is about to run, and asks the circuit whether it may run. */
  | { kind: 'begins' }
  /**
   * @param opening the opening that the run tested, if the run was a trial
   *
   * @param id the id of this event. A second event with the same id does not count
   */
  | { kind: 'failed'; id: string; opening?: number | undefined }
  /** A trial succeeded. */
  | { kind: 'passed'; opening: number }
  /** A trial ended without a result, so the next job becomes the trial. */
  | { kind: 'undecided'; opening: number }

/** The answer to a job that asks whether it may run. */
export type Circuit =
  | { kind: 'closed' }
  /** The job may run, as the trial of this opening. */
  | { kind: 'trial'; opening: number }
  /** Milliseconds until another trial is due. */
  | { kind: 'open'; wait: number }
