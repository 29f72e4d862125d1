/**
 * The class of all jobs that `@s18i/lark-bullmq` adds. The key of such a job is its name, and the worker runs
 * jobs of all keys with one class. So an application may later write its own class whose key is the name of
 * some jobs.
 */
import { Job, JobsError, lenient } from '@s18i/lark-jobs'
import { EVERY_KEY, LARGEST } from '@s18i/lark-jobs/internal'

/** The settings are the defaults of BullMQ: one attempt, no pause before a retry, no timeout. */
export class EveryJob extends Job {
  /** BullMQ accepts everything that `JSON.stringify` accepts. */
  static override readonly schema = lenient<unknown>()
  override readonly key: string = EVERY_KEY
  override tries = 1
  override backoff: Job['backoff'] = 0
  override timeout = LARGEST.time

  override handle(_payload?: unknown): unknown {
    throw new JobsError(
      'JOB_INVALID',
      'This job was added with the classes of BullMQ: only a Worker of @s18i/lark-bullmq can run it',
    )
  }
}
