/**
 * Silences of the store: no worker's call was answered for so long that leases may have ended although their
 * holders live, or have finished the jobs and cannot say so. The store itself notices them, so that a worker
 * which did not live through the silence does not take jobs back too soon.
 *
 * Every worker surveys each partition at least every third of a lease, and the partition keeps when that was,
 * while it has leases. The first survey or recovery after a longer pause notes that a silence is over. From
 * then on each lease that has not been renewed lasts for its whole length once more, and not again before it
 * is renewed: surveys that are always late, as on a machine that is too busy, are one silence after another.
 * A job that is taken back after that may have finished: it counts no crash, unless it was taken back after a
 * silence before, because the store cannot know whether it was away, or the only worker was dead. It is kept
 * as a doubt, for the doctor.
 */

/**
 * The least milliseconds of a silence. A worker surveys every third of a lease; a second is for the way of
 * its call.
 */
export function silenceOf(leaseMs: number): number {
  return leaseMs / 3 + 1_000
}

/** A job that was taken back after a silence. */
export interface DoubtedJob {
  id: string
  /** Milliseconds since 1970. */
  at: number
}

/** How many doubts a partition keeps, the newest, and for how many milliseconds. */
export const MAX_DOUBTS = 1_000
export const DOUBT_AGE = 7 * 24 * 3_600_000
