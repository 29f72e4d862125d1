/** What a store shows of a partition: jobs by page, counts, and the jobs that ended recently. */
import type { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'

/**
 * Jobs in their order: as many as were asked for, or as fit into `MAX_BYTES`. A larger job is alone on its
 * page. Without a `cursor`, this is the last page. A page with a `cursor` may be short, or empty.
 */
export interface Page<T = JobRecord> {
  jobs: T[]
  cursor?: string
  /** The cursor after each job except the last, if the filter asks for cursors. */
  marks?: string[]
}

/**
 * The fields for choosing and naming jobs. For an active job also its worker, and since when it has the job.
 */
export type JobHead = Pick<JobRecord, 'id' | 'key' | 'holder' | 'claimedAt'>

/**
 * Which lanes to list, and where to begin. A lane is the jobs of one group that need the same permits.
 *
 *   paused  its group is paused: in the order in which the pauses end. A group without jobs is one lane
 *   turn    a job may begin, if its claimer has the permits: by limiter, then the lane whose turn is next
 *   asleep  until a time: in the order of these times. The lane wakes with the next claim after it
 *   busy    until one of its jobs ends, by name
 *
 * A lane is shown if it stays in its place while the pages are read.
 */
export interface LaneFilter {
  state: 'paused' | 'turn' | 'asleep' | 'busy'
  /** How many lanes to look at; for `paused`, how many groups. Default 1,000, which is also the most. */
  limit?: number
  cursor?: string
}

export interface LaneRecord {
  /** Absent: jobs without a group, which need permits. */
  group?: string
  /** The permits that each of its jobs needs (`record.ts#NewJob.limiter`). */
  limiter?: string
  /** A `busy` lane is `full` if some of its jobs wait, else `running`. */
  state: 'paused' | 'turn' | 'asleep' | 'full' | 'running'
  /** Milliseconds since 1970. Absent for a lane that is paused until somebody resumes it. */
  until?: number
  /**
   * How many of its jobs are waiting or delayed. A store that would have to count them one by one stops at
   * 1,000.
   */
  pending: number
  active: number
}

/** A page may have fewer lanes than were looked at. Without a `cursor`, this is the last page. */
export interface LanePage {
  lanes: LaneRecord[]
  cursor?: string
}

/**
 * Which jobs to list, and where to begin. Order: ended jobs by the latest end first; active jobs by lease
 * end, token and place in the claim; other jobs as they would run.
 *
 * A page shows each job after the cursor that existed when the previous page was read and has not changed
 * since, whatever happened to other jobs. Only an active job may appear twice, unless `isById` is set,
 * because its place changes with each renewal.
 */
export interface Filter {
  state: State
  /** Default 100, at most 1,000. */
  limit?: number
  cursor?: string
  /** Ended jobs in the opposite order: the earliest end first. Other jobs have one order. */
  isOldestFirst?: boolean
  /** Lists active jobs by id, so that each appears once. The call reads the ids of all active jobs. */
  isById?: boolean
  /** Payloads are left empty, and do not count for the size of the page. */
  isLean?: boolean
  /** The page also has `marks`. */
  isMarked?: boolean
}

export type Counts = Record<State, number>

/**
 * How many failed jobs the partition has removed before their age so far, and when it last removed one:
 * milliseconds since 1970.
 */
export interface Dropped {
  count: number
  at: number
}

/**
 * The jobs of a partition that no worker has been able to read: each worker that got one put it back
 * (`Outcome`).
 */
export interface Stranded {
  /** How many wait, including those that are due again. */
  count: number
  /** How many of them are delayed until the next worker may get them. */
  delayed: number
  /** Since when the first of them has been waiting: milliseconds since 1970. */
  since: number
  /** The id of the first of them. */
  id: string
}

/**
 * The counts, minutes and pauses of a partition, how long its jobs have been waiting, and which jobs come
 * next.
 */
export interface Standing {
  counts: Counts
  /** How many of the waiting and delayed jobs have failed at least once, and wait for their next try. */
  retrying: number
  /** How many of the waiting and delayed jobs are suspended (`journals.ts`). */
  suspended: number
  /** Failed jobs that were removed before their age because there were too many. Absent: none. */
  dropped?: Dropped
  /**
   * The jobs that no worker has been able to read. Absent if there are none, or if the call did not ask about
   * waiting jobs. If more than 10,000 jobs wait, an embedded store looks at only 10,000.
   */
  stranded?: Stranded
  /** The partition, or one of its groups, is paused. */
  isPaused: boolean
  /**
   * When the first of the waiting jobs, or of the stranded ones, was due: milliseconds since 1970. Absent: no
   * job waits.
   */
  oldest?: number
  /** How many of the waiting jobs became due within the last 60 seconds; if there are many, an estimate. */
  arrived: number
  /** The same as `Store.minutes` returns. */
  minutes: Minute[]
  /**
   * Keys of the jobs that come next, each key once: the requested number of waiting jobs and of delayed jobs.
   */
  keys: string[]
  /**
   * STORE_DAMAGED if the call met data that Lark did not write. Everything else is then as for an empty
   * partition.
   */
  damage?: JobsError
}

/** The numbers of jobs that ended within one minute. */
export interface Minute {
  /** The first millisecond of the minute, since 1970. */
  at: number
  completed: number
  /** Jobs that failed without a further retry, because of their tries or their crashes. */
  failed: number
  /** Failed attempts that were to be retried. */
  retried: number
}
