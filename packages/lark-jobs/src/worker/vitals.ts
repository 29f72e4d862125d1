/**
 * The signs of life of a worker, as plain numbers: for a thread or a supervisor that tells others whether the
 * worker is healthy, even when the worker itself cannot. A worker that has sent nothing for a while does not
 * count as healthy either.
 */

export interface Vitals {
  state: 'starting' | 'running' | 'quiet' | 'stopped'
  /** While the worker is starting: the milliseconds since it began to start. */
  starting: number
  slots: number
  running: number
  /** Milliseconds since the store last answered. */
  answered: number
  /** The worker's calls to the store, or to a part of it, fail. */
  isAway: boolean
  /**
   * Milliseconds for which a worker with free slots has waited for the answer to a claim, or should have made
   * a claim and has not.
   */
  unclaimed: number
  /** Milliseconds since the leases of the running jobs were renewed; 0 if none runs. */
  unrenewed: number
  /** Milliseconds. */
  leaseMs: number
}

/**
 * Milliseconds without a sign of life after which a worker counts as unhealthy. An idle worker gets an answer
 * of the store every five seconds, or a little later.
 */
export const WELL = 20_000
export const LEAST_WELL = 10_000
/** Milliseconds that a worker may take to start: it loads the application's files, and opens the store. */
const START = 60_000

/**
 * The problem of a worker that a restart could solve, in words that follow its name; undefined if it is
 * healthy. While the store is away, a worker that keeps calling it counts as healthy: a new worker would know
 * less, and the outcomes of this one would be lost.
 *
 * @param age milliseconds since the vitals were reported
 * @param within the most milliseconds without a sign of life
 */
export function ailmentOf(vitals: Vitals, age: number, within = WELL): string | undefined {
  const { state, starting, answered, isAway, unclaimed, unrenewed, leaseMs, running } = vitals
  if (age > within)
    return `has not run its event loop for ${seconds(age)}: a handler blocks it, or it was stopped`
  if (state === 'stopped') return undefined
  if (state === 'starting')
    return starting + age > START ? `has been starting for ${seconds(starting + age)}` : undefined
  // The whole store may be away, or a node of a cluster, so the leases of its jobs cannot be renewed.
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

  /** A claim is under way, or jobs may begin. */
  wanted(): void {
    this.#since ??= performance.now()
  }

  /** A claim was answered, or none is wanted. */
  settled(): void {
    this.#since = undefined
  }

  get unclaimed(): number {
    return this.#since === undefined ? 0 : performance.now() - this.#since
  }
}
