/**
 * Watches: how a process hears that jobs have ended, in whichever process they ran.
 * `test/conformance/watching.ts` tests what this comment says.
 *
 * **Registered** by `Store.watch`, for each job that has not ended, until the job ends or the watch lapses. A
 * watcher that calls again renews its watches; the store writes only those of which less than half of the
 * time is left. Nothing says that a watcher stops: its watches lapse.
 *
 * **Rings.** The verb that ends a watched job rings each of its watchers (`noticed` of `Store.wait`), and
 * ends these watches. A ring is only a hint, and can be lost with a connection or a failover, so a watcher
 * calls again every `WATCH_AGAIN`: thus it learns of each end within a second.
 *
 * **Progress and log lines.** The answer of `extend` tells a worker which of its jobs are watched, and
 * `extend` rings the watchers of a job with new progress. If a job that has reported progress gets a new
 * watch, the worker that holds the job has a notice. A watcher that asks for news leaves this notice for
 * every job that a worker holds: the worker may have lines that the store does not know. A wait for the end
 * asks for none, because each notice makes the worker renew its jobs in the partition and give back those
 * that have not begun.
 *
 * **Remembered.** The end of a watched job is kept for `RESEND_MEMORY`, as that of an acknowledged member of
 * a flow is (`effects.ts`): the watcher can read it however soon retention or a person removes the job.
 *
 * A job of which nothing is kept, because its class (`model/record.ts#Keep`) or its queue says so, may be
 * over before its waiter can ask: before the answer to its dispatch has arrived. So its end is remembered
 * too, for `UNKEPT_MEMORY`. No list and no call but `watch` shows it.
 *
 * A partition that nobody watches has no trace of this, and its jobs cost what they cost without it.
 */
import type { EndedJob } from '../../model/effect.ts'

/** What became of a job. */
export type Fate =
  /**
   * It has not ended. `progress`: JSON text of what it reported last; left out if the answer has no room for
   * it. `born`: as in its options.
   */
  | { kind: 'present'; progress?: string; born?: string }
  | { kind: 'ended'; job: EndedJob }
  /** The job has ended, and the answer has no room for it: ask again. */
  | { kind: 'cut' }
  /** The partition has no such job, and none that it remembers. */
  | { kind: 'unknown' }

/**
 * Reports what became of jobs, at most `MAX_ITEMS`: one fate for each id. Of those that have not ended, the
 * watcher is rung when one ends. Safe to repeat.
 *
 * @param watcher an id that no worker has
 * @param ttl milliseconds after which the watch of a job lapses
 * @param news the workers that hold these jobs have a notice, so that they hand over at once what the jobs
 *   wrote
 */
export type WatchVerb = (
  partition: string,
  watcher: string,
  ids: readonly string[],
  ttl: number,
  news?: boolean,
) => Promise<Fate[]>

/** Milliseconds for which the end of a job is remembered of which nothing is kept. */
export const UNKEPT_MEMORY = 5_000

/** Milliseconds between two calls of a watcher that is not rung. */
export const WATCH_AGAIN = 500
