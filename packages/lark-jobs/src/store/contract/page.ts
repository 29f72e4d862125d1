/**
 * What a store shows people of a partition: jobs by page, their numbers, and the jobs that ended lately.
 */
import type { JobsError } from '../../model/errors.ts'
import type { JobRecord, State } from '../../model/record.ts'

/**
 * Jobs in their order: as many as were asked for, or as fit into `MAX_BYTES`. A larger job is alone on its
 * page. Without a `cursor`, this is the last page. A page with a `cursor` may be short, or empty.
 */
export interface Page<T = JobRecord> {
  jobs: T[]
  cursor?: string
  /** The cursor after each job but the last, if the filter asks for them. */
  marks?: string[]
}

/**
 * The fields that are needed to choose jobs and to name them. Of an active job also its worker, and since
 * when.
 */
export type JobHead = Pick<JobRecord, 'id' | 'key' | 'holder' | 'claimedAt'>

/**
 * Which lanes, and from where on. A lane is the jobs of one group that need the same permits.
 *
 *   paused  its group is paused: in the order in which the pauses end. A group without jobs is one lane
 *   turn    a job may begin, if its claimer brings the permits: by limiter, then the lane whose turn is next
 *   asleep  until a time: in the order of these times. The lane wakes with the next claim after it
 *   busy    until one of its jobs ends, by name
 *
 * A lane is shown if it stays in its place while the pages are read.
 */
export interface LaneFilter {
  state: 'paused' | 'turn' | 'asleep' | 'busy'
  /** How many lanes to look at; of `paused`, groups. Default and at most 1,000. */
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
  /** Milliseconds since 1970. Of a paused lane, absent: until somebody resumes it. */
  until?: number
  /** How many of its jobs wait or are delayed. A store that would have to count them counts up to 1,000. */
  pending: number
  active: number
}

/** A page may have fewer lanes than were looked at. Without a `cursor`, this is the last page. */
export interface LanePage {
  lanes: LaneRecord[]
  cursor?: string
}

/**
 * Which jobs, and from where on. Order of ended jobs: the latest end first. Of active jobs: by lease end,
 * token, place in the claim. Of others: the order in which they would run.
 *
 * A page shows each job after the cursor that was there when the page before was read and has not changed
 * since, whatever became of the other jobs. Only an active job may come twice, unless `isById`: its place
 * changes with each renewal.
 */
export interface Filter {
  state: State
  /** Default 100, at most 1,000. */
  limit?: number
  cursor?: string
  /** Ended jobs in the opposite order: the earliest end first. Other jobs have one order. */
  isOldestFirst?: boolean
  /**
   * Active jobs in the order of their ids: then each comes once. The call reads the ids of all active jobs.
   */
  isById?: boolean
  /** Payloads are left empty, and do not count among the bytes of the page. */
  isLean?: boolean
  /** The page also has `marks`. */
  isMarked?: boolean
}

export type Counts = Record<State, number>

/**
 * How many failed jobs the partition has ever removed before their age, and when it last removed one:
 * milliseconds since 1970.
 */
export interface Dropped {
  count: number
  at: number
}

/** The jobs of a partition that no worker could read so far: each that met one put it back (`Outcome`). */
export interface Stranded {
  /** How many wait: those that are due again too. */
  count: number
  /** How many of them are delayed until the next worker may meet them. */
  delayed: number
  /** Since when the first of them waits: milliseconds since 1970. */
  since: number
  /** The id of that one. */
  id: string
}

/** The counts, minutes and pauses of a partition, since when its jobs wait, and what comes next there. */
export interface Standing {
  counts: Counts
  /** How many of the waiting and delayed jobs have failed at least once, and wait for their next try. */
  retrying: number
  /** How many of the waiting and delayed jobs are suspended (`journals.ts`). */
  suspended: number
  /** Failed jobs that were removed before their age, because there were too many. Absent: none. */
  dropped?: Dropped
  /**
   * Absent: there are none, or what waits was not asked for. Of more than 10,000, an embedded store looks at
   * 10,000.
   */
  stranded?: Stranded
  /** The partition, or one of its groups, is paused. */
  isPaused: boolean
  /**
   * When the first of the waiting jobs, or of the stranded ones, was due: milliseconds since 1970. Absent:
   * none waits.
   */
  oldest?: number
  /** How many of the waiting jobs became due within the last 60 seconds; of many, about. */
  arrived: number
  /** The same as `Store.minutes` returns. */
  minutes: Minute[]
  /**
   * Keys of the jobs that come next, each once: of those that wait and those that are delayed, as many as
   * were asked for.
   */
  keys: string[]
  /** STORE_DAMAGED: what met there data which Lark did not write. The rest is as of an empty partition. */
  damage?: JobsError
}

/** The numbers of jobs that ended within one minute. */
export interface Minute {
  /** The first millisecond of the minute, since 1970. */
  at: number
  completed: number
  /** Jobs that failed without a further retry, by their tries or by their crashes. */
  failed: number
  /** Failed attempts that were to be retried. */
  retried: number
}
