/**
 * A silence is a time in which the store has answered no worker. During a long silence, leases may end
 * although their holders live. A holder may even have finished a job without a chance to report its outcome.
 * The store notices silences itself. So even a worker that started after the silence does not take jobs back
 * too early.
 *
 * Every worker surveys each partition at least once in a third of a lease, and a partition with leases keeps
 * the time of the last survey. A survey or a recovery that comes much later than a third of a lease after the
 * last survey notes that a silence is over. Each lease that has not been renewed since the silence lasts for
 * its whole length once more. A lease is prolonged only once until its holder renews it: on a machine that is
 * too busy, every survey may be late, which looks like one silence after another. A job that is taken back
 * after a silence may have finished. The job counts no crash the first time, because the store cannot know
 * whether it was away itself or the only worker was dead. If the job was taken back after an earlier silence
 * already, it counts a crash. The job is also noted as a doubt, which the doctor shows.
 */

/**
 * Milliseconds without a survey that count as a silence. A worker surveys every third of a lease, and its
 * call may take a second.
 */
export function silenceOf(leaseMs: number): number {
  return leaseMs / 3 + 1_000
}

/** A doubt: a job that was taken back after a silence, and may have finished. */
export interface DoubtedJob {
  id: string
  /** When the job was taken back: milliseconds since 1970. */
  at: number
}

/** A partition keeps at most this many doubts (the newest ones), for `DOUBT_AGE` milliseconds. */
export const MAX_DOUBTS = 1_000
export const DOUBT_AGE = 7 * 24 * 3_600_000
