/**
 * The contract between the import and BullMQ: what the import reads from BullMQ's Redis, and what it writes
 * there. The contract covers the layout of BullMQ 5 and 6. Like the calls of a store, each call has a limited
 * size, and throws the errors of a store.
 *
 * Each job is in a place. The job that BullMQ takes next comes first in its place. In the place of failed
 * jobs, the job that failed last comes first.
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
 * The places in which BullMQ keeps other jobs. Jobs in `waiting-children` are imported with their flows. All
 * other jobs in these places are only counted.
 */
export const otherBullmqPlaces = ['active', 'waiting-children', 'completed', 'repeat'] as const

export interface BullmqQueue {
  name: string
  counts: Record<BullmqPlace | (typeof otherBullmqPlaces)[number], number>
  paused: boolean
  /** How many jobs of the queue BullMQ runs at a time, over all workers, if the queue has such a limit. */
  concurrency?: number
  /** Whether the queue has a rate limit for all workers. */
  isRated: boolean
}

export interface BullmqEntry {
  id: string
  /** Whether only the id of the job is left. */
  isGone: boolean
  /** Whether the key of the job holds a value that is not a job. */
  isForeign: boolean
  name: string
  /** JSON text. Undefined if the text is too large, and was not read. */
  data: string | undefined
  /** The size of `data` in bytes. */
  bytes: number
  /** JSON text. Undefined if the text is too large, and was not read. */
  opts: string | undefined
  /**
   * Milliseconds since 1970, by the clock of the process that added the job. In all numbers of an entry, 0
   * stands for a number that cannot be read.
   */
  timestamp: number
  attemptsMade: number
  /** The time at which a delayed job is due, in milliseconds since 1970. */
  dueAt?: number
  /** The key of the job that waits for this job, if that job still exists. */
  parentKey?: string
  /** Whether the job has waited for other jobs, and has their results. */
  hasChildren: boolean
  /** The id of the scheduler that has made the job. */
  schedulerId?: string
  /** The text that `mark` wrote. */
  mark?: string
  /** Why the job failed. Absent if the job has not failed. */
  failedReason?: string
  /** The stacks of the attempts of a failed job, as a JSON list of texts. */
  stacktrace?: string
  /** The time at which the job ended. Absent if the job has not ended. */
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
  /** The children that completed, with the values that they returned as JSON text. */
  completed: (BullmqChild & { value: string })[]
  /** The children that failed and whose results the job does not need, with the reason of the failure. */
  ignored: (BullmqChild & { reason: string })[]
  /** How many children have failed and make this job fail, too. */
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
  /** Reads a queue. Undefined if there is no such queue. */
  look(queue: string): Promise<BullmqQueue | undefined>
  /** How many workers are connected to each queue. Undefined if the server does not say it. */
  workers(queues: readonly string[]): Promise<Map<string, number> | undefined>
  /** Milliseconds since 1970, by the clock of the server. */
  now(): Promise<number>
  /** The ids of some jobs of a place, which may be a place from which no jobs are imported. */
  ids(
    queue: string,
    place: BullmqPlace | (typeof otherBullmqPlaces)[number],
    count: number,
  ): Promise<string[]>
  /** At most `count` jobs of a place, after the first `offset` jobs. The list has one entry for each id. */
  entries(queue: string, place: ImportedPlace, offset: number, count: number): Promise<BullmqEntry[]>
  /** Reads one job in any place. */
  entry(queue: string, id: string): Promise<BullmqEntry>
  /**
   * The jobs that a job waits for, or has waited for.
   *
   * @param most the maximum number of children
   * @param bytes the maximum number of bytes of their results and reasons together
   * @throws Error if there are more children or bytes, or if a child has another prefix
   */
  children(queue: string, id: string, most: number, bytes: number): Promise<BullmqChildren>
  /** The schedulers after the first `offset` schedulers, in the order in which they are due. */
  schedulers(queue: string, offset: number, count: number): Promise<BullmqScheduler[]>
  /**
   * Writes a text to each of the given jobs that still exists. BullMQ does not read the text, and keeps the
   * text as long as the job.
   */
  mark(queue: string, ids: readonly string[], text: string): Promise<void>
  /**
   * Removes jobs with their logs and deduplication ids. The job and its entry in the place are removed in one
   * step.
   * @returns for each job, whether it was still in the place
   */
  remove(queue: string, place: ImportedPlace, ids: readonly string[]): Promise<boolean[]>
  /** Removes a scheduler. Jobs that it has made stay. */
  removeScheduler(queue: string, id: string): Promise<void>
}
