/**
 * What a store shows of a partition: its jobs page by page, the number of jobs in each state, and the numbers
 * of jobs that ended recently.
 */
import type { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'
import type { PassedJobs, Prefilter } from './prefilter.ts'

/**
 * One page of a list of jobs. The page has as many jobs as the call asks for, or fewer if they do not fit
 * into `MAX_BYTES`. A job larger than `MAX_BYTES` has a page for itself. A page without a `cursor` is the
 * last page. A page with a `cursor` may have fewer jobs than were asked for, or none.
 */
export interface Page<T = JobRecord> {
  jobs: T[]
  cursor?: string
  /**
   * For each job except the last, the cursor of a page that begins after this job; absent unless the filter
   * sets `isMarked`.
   */
  marks?: string[]
  /** How many jobs the store has looked at; present if the filter has a prefilter. */
  passed?: PassedJobs
}

/**
 * The fields by which callers choose and name jobs. For an active job, also the worker that holds the job,
 * and since when.
 */
export type JobHead = Pick<JobRecord, 'id' | 'key' | 'holder' | 'claimedAt'>

/**
 * Which lanes to list, and where to begin. A lane contains the jobs of one group that need the same permits.
 * The states and their orders are:
 *
 *   paused  The group of the lane is paused. Order: the end of the pause. A group without jobs appears as one
 *           lane.
 *   turn    A job of the lane may begin if the claimer has the permits. Order: the limiter, then the turn.
 *   asleep  The lane waits until a time, and the first claim after that time wakes the lane. Order: the time.
 *   busy    The lane waits until one of its jobs ends. Order: the name of the lane.
 *
 * If a lane changes its state or its place while a caller reads the pages, the lane may be on none of the
 * pages.
 */
export interface LaneFilter {
  state: 'paused' | 'turn' | 'asleep' | 'busy'
  /** How many lanes to look at, or for `paused`, how many groups. Default and maximum: 1,000. */
  limit?: number
  cursor?: string
}

export interface LaneRecord {
  /** The group of the lane; absent for a lane of jobs that need permits and have no group. */
  group?: string
  /** The permits that each job of the lane needs (`record.ts#NewJob.limiter`). */
  limiter?: string
  /**
   * Among the `busy` lanes of the filter, a lane is `full` if some of its jobs wait, and `running` if none of
   * its jobs waits.
   */
  state: 'paused' | 'turn' | 'asleep' | 'full' | 'running'
  /**
   * When the pause or the sleep ends: milliseconds since 1970; absent if the lane is paused until somebody
   * resumes it.
   */
  until?: number
  /**
   * How many jobs of the lane are waiting or delayed. A store that counts the jobs one by one stops at 1,000.
   */
  pending: number
  active: number
}

/**
 * One page of a list of lanes. A page may have fewer lanes than the store has looked at. A page without a
 * `cursor` is the last page.
 */
export interface LanePage {
  lanes: LaneRecord[]
  cursor?: string
}

/**
 * Which jobs to list, and where to begin. Ended jobs are listed with the latest end first. Active jobs are in
 * the order of lease end, token and place in the claim. Waiting and delayed jobs are in the order in which
 * they would run.
 *
 * If a job exists before the first page is read and does not change, it appears on exactly one page, even if
 * other jobs come and go. There is one exception: an active job may appear twice without `isById`, because
 * its place changes when its lease is renewed.
 */
export interface Filter {
  state: State
  /** The largest number of jobs on the page. Default 100, at most 1,000. */
  limit?: number
  cursor?: string
  /** Lists ended jobs with the earliest end first. Has no effect on other states. */
  isOldestFirst?: boolean
  /**
   * Lists active jobs in the order of their ids, so that each job appears once. The call reads the ids of all
   * active jobs.
   */
  isById?: boolean
  /** Leaves the payloads out, so that they do not count for the size of the page. */
  isLean?: boolean
  /** Adds `marks` to the page. */
  isMarked?: boolean
  /**
   * Lists only the jobs that pass this prefilter. `limit` is then the number of jobs that the store looks at,
   * and a page without jobs may have a `cursor`. If the prefilter has texts of the payload, the store looks
   * at no more than about `MAX_BYTES` of payloads. Only `Reading.list` uses the prefilter.
   */
  prefilter?: Prefilter
}

export type Counts = Record<State, number>

/**
 * How many failed jobs the partition has removed so far before they reached their age, and when it last did
 * so: milliseconds since 1970.
 */
export interface Dropped {
  count: number
  at: number
}

/**
 * The stranded jobs of a partition: no worker has been able to read them, and each worker that claimed one
 * has put it back (`Outcome`).
 */
export interface Stranded {
  /** The number of all stranded jobs. */
  count: number
  /** The number of stranded jobs that are delayed, because the next worker may claim them only later. */
  delayed: number
  /** Since when the first stranded job has been waiting: milliseconds since 1970. */
  since: number
  /** The id of the first stranded job. */
  id: string
}

/**
 * The state of a partition: its counts, minutes and pauses, how long jobs have been waiting, and which jobs
 * run next.
 */
export interface Standing {
  counts: Counts
  /** How many of the waiting and delayed jobs have failed at least once and will be tried again. */
  retrying: number
  /** How many of the waiting and delayed jobs are suspended (`journals.ts`). */
  suspended: number
  /**
   * Failed jobs that were removed before they reached their age, because the partition had too many; absent
   * if there are none.
   */
  dropped?: Dropped
  /**
   * The stranded jobs; absent if there are none, or if the call did not ask about waiting jobs. An embedded
   * store looks at no more than 10,000 waiting jobs.
   */
  stranded?: Stranded
  /** Whether the partition or one of its groups is paused. */
  isPaused: boolean
  /**
   * When the first of the waiting or stranded jobs was due: milliseconds since 1970; absent if no job waits.
   */
  oldest?: number
  /** How many of the waiting jobs became due within the last 60 seconds. A large number is an estimate. */
  arrived: number
  /** The counts of the last minutes, as `Store.minutes` returns them. */
  minutes: Minute[]
  /**
   * The keys of the jobs that run next, each key once. The call says for how many waiting and for how many
   * delayed jobs the keys are read.
   */
  keys: string[]
  /**
   * The error STORE_DAMAGED if the call met data that Lark did not write. If `damage` is present, all other
   * fields are as for an empty partition.
   */
  damage?: JobsError
}

/** How many jobs ended in one minute. */
export interface Minute {
  /** The first millisecond of the minute, since 1970. */
  at: number
  completed: number
  /** How many jobs failed for good: they had no tries left, or crashed too often. */
  failed: number
  /** How many attempts failed but were retried. */
  retried: number
}
