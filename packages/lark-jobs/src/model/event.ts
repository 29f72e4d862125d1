/** Events: what happens to jobs, in the form in which other processes learn about it. */

/**
 *   queued     the job is in its queue: it was dispatched, or an ended job was retried by hand
 *   started    a worker has begun to run the job
 *   completed, failed, cancelled    the job has ended in this state
 *   retrying   its run failed, and the job will run again
 *   released   its run put the job back
 *   suspended  its run is waiting, and the job is put back meanwhile
 *   returned   its worker gave the job back without running it: no run is counted
 *   crashed    its worker died. The job runs again, unless another event says how it ended
 *   removed    a person removed the job, in whichever state it was
 *   moved      a person moved the job to another queue, where it is `queued`
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
 * An event that an application has published: its id is a text in one line. Only a reader that names this
 * kind gets it, because such an event says nothing about a job.
 */
export const PUBLISHED = 'published'

export type EventKind = (typeof eventKinds)[number]
