/**
 * The signs of life of a worker, as plain numbers. A thread or a supervisor uses them to tell others whether
 * the worker is healthy, even if the worker itself cannot answer. A worker whose last signs of life are too
 * old does not count as healthy.
 */

export interface Vitals {
  state: 'starting' | 'running' | 'quiet' | 'stopped'
  /** While the worker is starting: the milliseconds since it began to start. */
  starting: number
  slots: number
  running: number
  /** Milliseconds since the store last answered. */
  answered: number
  /** Whether the worker's calls to the store, or to a part of the store, fail. */
  isAway: boolean
  /**
   * For how many milliseconds a worker with free slots has waited for the answer to a claim, or has failed to
   * make a claim.
   */
  unclaimed: number
  /** Milliseconds since the leases of the running jobs were renewed; 0 if no job runs. */
  unrenewed: number
  /** Milliseconds. */
  leaseMs: number
}

/**
 * Milliseconds without a sign of life after which a worker counts as unhealthy. An idle worker gets an answer
 * of the store about every five seconds.
 */
export const WELL = 20_000
export const LEAST_WELL = 10_000
/** Milliseconds that a worker may take to load the application's files and to open the store. */
const START = 60_000

/**
 * The problem of a worker that a restart could solve, as the rest of a sentence that begins with the worker's
 * name. Undefined if the worker is healthy. During an outage of the store, a worker that keeps calling counts
 * as healthy, because a restart would not help and would lose the outcomes of its jobs.
 *
 * @param age milliseconds since the vitals were reported
 * @param within how many milliseconds without a sign of life are allowed
 */
export function ailmentOf(vitals: Vitals, age: number, within = WELL): string | undefined {
  const { state, starting, answered, isAway, unclaimed, unrenewed, leaseMs, running } = vitals
  if (age > within)
    return `has not run its event loop for ${seconds(age)}: a handler blocks it, or it was stopped`
  if (state === 'stopped') return undefined
  if (state === 'starting')
    return starting + age > START ? `has been starting for ${seconds(starting + age)}` : undefined
  // The store, or a node of a Redis Cluster, does not answer, so the worker cannot renew the leases of the
  // jobs there.
  if (isAway) return undefined
  if (answered > within) return `has had no answer of the store for ${seconds(answered)}`
  if (running > 0 && unrenewed > Math.max(within, leaseMs))
    return `has not renewed its leases for ${seconds(unrenewed)}`
  if (state === 'running' && unclaimed > within)
    return `has free slots, and no claim of it was answered for ${seconds(unclaimed)}`
  return undefined
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`
}

/** Measures for how long the claims of a worker have had no answer. */
export class ClaimWatch {
  #since: number | undefined

  /** Notes that a claim is under way, or that jobs may begin. */
  wanted(): void {
    this.#since ??= performance.now()
  }

  /** Notes that a claim was answered, or that no claim is needed. */
  settled(): void {
    this.#since = undefined
  }

  get unclaimed(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }
}
