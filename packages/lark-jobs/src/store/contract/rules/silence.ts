/**
 * Silences of the store: no worker's call was answered for so long that leases may have ended although their
 * holders live, or have finished the jobs and cannot say so. The store itself notices them, so that a worker
 * which started after the silence does not take jobs back too soon.
 *
 * Every worker surveys each partition at least every third of a lease, and a partition with leases keeps the
 * time of the last survey. The first survey or recovery after a longer pause notes that a silence is over.
 * From then on, each lease that has not been renewed lasts for its whole length once more. It is prolonged
 * only once before it is renewed, because surveys that are always late, as on a machine that is too busy,
 * look like one silence after another. A job that is taken back after a silence may have finished. It counts
 * no crash, except if it was taken back after an earlier silence already, because the store cannot know
 * whether it was away itself or the only worker was dead. The job is kept as a doubt, for the doctor.
 */

/**
 * The shortest silence, in milliseconds. A worker surveys every third of a lease; one second is added for the
 * time that its call takes.
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

/** How many doubts a partition keeps (the newest ones), and for how many milliseconds. */
export const MAX_DOUBTS = 1_000
export const DOUBT_AGE = 7 * 24 * 3_600_000
