/** Events: what happens to jobs, as other processes learn it. */

/**
 *   queued     the job is in its queue: it was dispatched, or an ended job was retried by hand
 *   started    a worker runs it
 *   completed, failed, cancelled    it has ended in this state
 *   retrying   its run failed, and it will run again
 *   released   its run put it back
 *   suspended  its run waits, and the job is put back meanwhile
 *   returned   its worker gave it back, and no run is counted
 *   crashed    its worker died. It runs again, unless another event of the job follows
 *   removed    a person removed it, in whichever state it was
 *   moved      a person moved it to another queue, where it is `queued`
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

export type EventKind = (typeof eventKinds)[number]
