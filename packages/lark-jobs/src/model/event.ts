/** The kinds of events. An event tells other processes what happened to a job. */

/**
 *   queued      the job is in its queue: it was dispatched, or an ended job was retried by hand
 *   started     a worker has begun to run the job
 *   completed   the job has completed
 *   failed      the job has failed for good
 *   cancelled   the job was cancelled
 *   retrying    a run of the job failed, and the job will run again
 *   released    the handler put the job back with `release()`
 *   suspended   the run of the job waits (it sleeps, for example), and the store keeps the job as delayed
 *               meanwhile
 *   returned    the worker gave the job back without running it, so no run is counted
 *   crashed     the worker of the job died. The job runs again, unless another event says how the job ended
 *   removed     a person removed the job. The job may have been in any state
 *   moved       a person moved the job to another queue, where a `queued` event follows
 */
export const eventKinds = [
  'queued',
  'started',
  'completed',
  'failed',
  'cancelled',
  'retrying',
  'released',
  'suspended',
  'returned',
  'crashed',
  'removed',
  'moved',
] as const

/**
 * The kind of an event that an application has published. The id of such an event is a text in one line. Only
 * a reader that asks for this kind receives such events, because they say nothing about a job.
 */
export const PUBLISHED = 'published'

export type EventKind = (typeof eventKinds)[number]
