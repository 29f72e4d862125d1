/**
 * Watches: how a process learns that jobs have ended, in whichever process they ran.
 * `test/conformance/watching.ts` tests what this comment says.
 *
 * **Registered** by `Store.watch`, for each job that has not ended, until the job ends or the watch lapses. A
 * watcher that calls again renews its watches; the store writes only watches with less than half of their
 * time left. A watcher that stops says nothing: its watches lapse.
 *
 * **Rings.** The verb that ends a watched job rings each of its watchers (`noticed` of `Store.wait`), and
 * ends these watches. A ring is only a hint, and can be lost with a connection or a failover, so a watcher
 * calls again every `WATCH_AGAIN`. Thus it learns of each end within a second.
 *
 * **Progress and log lines.** The answer of `extend` tells a worker which of its jobs are watched, and
 * `extend` rings the watchers of a job with new progress. If a job that has reported progress gets a new
 * watch, the worker that holds the job gets a notice. A watcher that asks for news causes this notice for
 * every job that a worker holds, because the worker may have lines that the store does not know. A wait for
 * the end does not ask for news, because each notice makes the worker renew its jobs in the partition and
 * give back those that have not begun.
 *
 * **Remembered.** The end of a watched job is kept for `RESEND_MEMORY`, like the end of an acknowledged
 * member of a flow (`effects.ts`): the watcher can read it however soon retention or a person removes the
 * job.
 *
 * A job that is not kept after its end, because its class (`model/record.ts#Keep`) or its queue says so, may
 * have ended before its waiter can ask, even before the answer to its dispatch has arrived. So its end is
 * remembered too, for `UNKEPT_MEMORY`. Only `watch` shows it.
 *
 * A partition that nobody watches stores nothing for this, and its jobs cost nothing more.
 */
import type { EndedJob } from '../../model/effect.ts'

/** What became of a job. */
export type Fate =
  /**
   * It has not ended. `progress`: JSON text of its last report; left out if the answer has no room for it.
   * `born`: as in its options.
   */
  | { kind: 'present'; progress?: string; born?: string }
  | { kind: 'ended'; job: EndedJob }
  /** The job has ended, and the answer has no room for it: ask again. */
  | { kind: 'cut' }
  /** The partition has no such job, and remembers none. */
  | { kind: 'unknown' }

/**
 * Reports the fates of jobs, at most `MAX_ITEMS`: one for each id. The watcher is rung when a job ends that
 * has not ended yet. Safe to repeat.
 *
 * @param watcher an id that no worker has
 * @param ttl milliseconds after which the watch of a job lapses
 * @param news whether the workers that hold these jobs get a notice, so that they hand over at once what the
 *   jobs wrote
 */
export type WatchVerb = (
  partition: string,
  watcher: string,
  ids: readonly string[],
  ttl: number,
  news?: boolean,
) => Promise<Fate[]>

/** Milliseconds for which the end of a job is remembered that is not kept after its end. */
export const UNKEPT_MEMORY = 5_000

/** Milliseconds between two calls of a watcher that is not rung. */
export const WATCH_AGAIN = 500
