/**
 * The contract between the import and BullMQ: what the import reads from the Redis in which BullMQ keeps its
 * jobs, and the little that it writes there. It supports the layout of BullMQ 5 and 6. Calls are bounded,
 * like those of a store, and throw the same errors.
 *
 * Each job is in a place. The job that BullMQ takes next comes first in its place. Among the failed jobs, the
 * last to fail comes first.
 */

/**
 * The places in which BullMQ keeps the jobs that are imported. In `paused`, BullMQ 5 keeps the waiting jobs
 * of a paused queue.
 */
export const bullmqPlaces = ['wait', 'paused', 'prioritized', 'delayed', 'failed'] as const
export type BullmqPlace = (typeof bullmqPlaces)[number]

/**
 * The places from which jobs are imported. `waiting-children` has the jobs that wait for other jobs of their
 * flow.
 */
export type ImportedPlace = BullmqPlace | 'waiting-children'

/**
 * The places in which BullMQ keeps other jobs. Jobs that wait for other jobs are imported with their flows,
 * and the rest are only counted.
 */
export const otherBullmqPlaces = ['active', 'waiting-children', 'completed', 'repeat'] as const

export interface BullmqQueue {
  name: string
  counts: Record<BullmqPlace | (typeof otherBullmqPlaces)[number], number>
  paused: boolean
  /** How many jobs of the queue BullMQ runs at a time, over all workers, if it has such a limit. */
  concurrency?: number
  /** Whether the queue has a rate limit for all workers. */
  isRated: boolean
}

export interface BullmqEntry {
  id: string
  /** Whether only the id of the job is left. */
  isGone: boolean
  /** Whether its key holds something that is not a job. */
  isForeign: boolean
  name: string
  /** JSON text. Undefined: it is too large, and was not read. */
  data: string | undefined
  /** The size of `data` in bytes. */
  bytes: number
  /** JSON text. Undefined: it is too large, and was not read. */
  opts: string | undefined
  /**
   * Milliseconds since 1970, by the clock of the process that added the job. Here and below, a number that
   * cannot be read is 0.
   */
  timestamp: number
  attemptsMade: number
  /** When a delayed job is due, in milliseconds since 1970. */
  dueAt?: number
  /** The key of the job that waits for this one, if that job still exists. */
  parentKey?: string
  /** Whether the job has waited for other jobs, and has their results. */
  hasChildren: boolean
  /** The id of the scheduler that has made the job. */
  schedulerId?: string
  /** The text that `mark` wrote. */
  mark?: string
  /** Only a failed job has it. */
  failedReason?: string
  /** The stacks of the attempts of a failed job, as a JSON list of texts. */
  stacktrace?: string
  /** Only a job that has ended has it. */
  finishedOn?: number
}

/** Names a job that another job waits for. */
export interface BullmqChild {
  queue: string
  id: string
}

/** The jobs that a job waits for, or has waited for. */
export interface BullmqChildren {
  /** The children that the job waits for. */
  left: BullmqChild[]
  /** The children that completed, with what they returned as JSON text. */
  completed: (BullmqChild & { value: string })[]
  /** The children that failed and whose results the job does not need, with the reason of the failure. */
  ignored: (BullmqChild & { reason: string })[]
  /** How many children have failed whose failure makes the job fail. */
  failed: number
}

export interface BullmqScheduler {
  id: string
  /** The instant of its next tick, in milliseconds since 1970. */
  next: number
  /** The fields as BullMQ stores them: `name`, `pattern`, `every`, `tz`, `data`, `opts` and others. */
  fields: Readonly<Record<string, string>>
}

export interface BullmqSource extends AsyncDisposable {
  /** The name for people, such as `redis://host:6379/0`, without a password. */
  readonly name: string
  /** The names of the queues, in alphabetical order. The call scans the keys of the server in steps. */
  queues(): Promise<string[]>
  /** Reads a queue; undefined if there is no such queue. */
  look(queue: string): Promise<BullmqQueue | undefined>
  /** How many workers are connected to each queue; undefined if the server does not tell. */
  workers(queues: readonly string[]): Promise<Map<string, number> | undefined>
  /** Milliseconds since 1970, by the clock of the server. */
  now(): Promise<number>
  /** The ids of some jobs of a place. The place may be one from which nothing is imported. */
  ids(
    queue: string,
    place: BullmqPlace | (typeof otherBullmqPlaces)[number],
    count: number,
  ): Promise<string[]>
  /** At most `count` jobs of a place, after the first `offset`. There is one for each id. */
  entries(queue: string, place: ImportedPlace, offset: number, count: number): Promise<BullmqEntry[]>
  /** Reads one job, in whatever place it is. */
  entry(queue: string, id: string): Promise<BullmqEntry>
  /**
   * The jobs that a job waits for, or has waited for.
   *
   * @param most the most children @param bytes the most bytes of their results and reasons together
   * @throws Error if there are more, or if a child has another prefix
   */
  children(queue: string, id: string, most: number, bytes: number): Promise<BullmqChildren>
  /** The schedulers after the first `offset`, in the order in which they are due. */
  schedulers(queue: string, offset: number, count: number): Promise<BullmqScheduler[]>
  /**
   * Writes a text to each of these jobs that still exists. BullMQ does not read the text, and keeps it as
   * long as the job.
   */
  mark(queue: string, ids: readonly string[], text: string): Promise<void>
  /**
   * Removes jobs with their logs and deduplication ids, each in one step with its place.
   * @returns whether each was still in the place
   */
  remove(queue: string, place: ImportedPlace, ids: readonly string[]): Promise<boolean[]>
  /** Removes a scheduler. Jobs that it has made stay. */
  removeScheduler(queue: string, id: string): Promise<void>
}
