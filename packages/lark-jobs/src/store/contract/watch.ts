/**
 * Watches: how a process learns that jobs have ended, even if the jobs ran in other processes.
 * `test/conformance/watching.ts` tests what this comment says.
 *
 * **Registered.** `Store.watch` registers a watch for each job that has not ended. A watch lasts until the
 * job ends or its time runs out. A watcher renews its watches with another call; the store writes only the
 * watches that have less than half of their time left. A watcher that stops makes no last call: the time of
 * its watches runs out.
 *
 * **Rings.** The verb that ends a watched job rings each watcher of the job (`noticed` of `Store.wait`), and
 * removes the watches. A ring is only a hint, and can be lost with a connection or in a failover. So a
 * watcher also calls every `WATCH_AGAIN` milliseconds, and learns of each end within a second.
 *
 * **Progress and log lines.** The answer of `extend` tells a worker which of its jobs are watched, and
 * `extend` rings the watchers of a job with new progress. If a job that has reported progress gets a new
 * watch, the worker that holds the job gets a notice. A watcher that asks for news causes a notice for every
 * watched job that a worker holds, because the worker may have log lines that the store does not know. A
 * watcher that only waits for the end does not ask for news, because a notice costs the worker that holds the
 * jobs: it renews all of its jobs in the partition, and gives back the jobs that have not begun.
 *
 * **Remembered.** The end of a watched job is kept for `RESEND_MEMORY`, like the end of an acknowledged
 * member of a flow (`effects.ts`). So the watcher can read the end even if retention or a person removes the
 * job at once.
 *
 * Some jobs are not kept after their end, because their class (`model/record.ts#Keep`) or queue says so. A
 * job that is not kept may end before a process can watch it, even before the answer to the dispatch arrives.
 * So the end of this job is remembered for `UNKEPT_MEMORY`, and only `watch` shows the end.
 *
 * If nobody watches jobs of a partition, watches need no memory and no time there.
 */
import type { EndedJob } from '../../model/effect.ts'

/** The answer of `watch` for one job: whether the job has ended, and how. */
export type Fate =
  /**
   * The job has not ended. `progress`: the progress that it reported last, as JSON text; absent if the answer
   * has no room for it. `born`: the option `born` of the job.
   */
  | { kind: 'present'; progress?: string; born?: string }
  | { kind: 'ended'; job: EndedJob }
  /** The job has ended, but the answer has no room for its end, so the watcher must ask again. */
  | { kind: 'cut' }
  /** The partition has no job with this id, and remembers no end of such a job. */
  | { kind: 'unknown' }

/**
 * Reports the fates of jobs, at most `MAX_ITEMS`: one for each id. Watches the jobs that have not ended: when
 * one of them ends, the watcher is rung. Safe to repeat.
 *
 * @param watcher an id that no worker has
 * @param ttl milliseconds after which a watch ends by itself
 * @param news whether the workers that hold these jobs get a notice, so that they send the log lines and the
 *   progress of the jobs at once
 */
export type WatchVerb = (
  partition: string,
  watcher: string,
  ids: readonly string[],
  ttl: number,
  news?: boolean,
) => Promise<Fate[]>

/** Milliseconds for which the end of a job is remembered if the job itself is not kept. */
export const UNKEPT_MEMORY = 5_000

/** Milliseconds after which a watcher that was not rung calls again. */
export const WATCH_AGAIN = 500
