/**
 * The stand of a job says what prevents the job from beginning now, by the rules of claims. A stand contains
 * only what the partition of the job knows; workers and the permits of limiters are kept elsewhere. A field
 * is present only if it is relevant for the state of the job.
 */
import type { Limits } from '../../model/limits.ts'
import type { CancelReason, JobRecord } from '../../model/record.ts'
import type { Paused } from './rules/pause.ts'

/**
 * A store counts the jobs that go before another job up to this number. If the count is `MAX_AHEAD`, there
 * may be more such jobs.
 */
export const MAX_AHEAD = 10_000
/** The largest number of active jobs of a lane that the answer names. */
export const MAX_RUNNING = 10

/** Rules of the partition that claimers state with each call, because a store does not keep them. */
export interface StandOptions {
  /** The limits of the partition (`Want.limits`). */
  limits?: Limits | undefined
  /** The value of `Want.aging`, if priorities age. */
  aging?: number | undefined
}

export interface Stand {
  /** The record of the job, without its payload. */
  job: JobRecord
  /** The time of the answer: milliseconds since 1970, by the clock of the partition. */
  at: number
  /** The pause of the partition. Without `until`, it lasts until somebody resumes the queue. */
  pause?: { until?: number; because?: string } & Paused
  /** The jobs that go before a waiting job. */
  line?: LineStand
  /**
   * For a waiting job: how many active jobs each worker holds in the partition. At most `MAX_ITEMS` claims
   * are counted.
   */
  holders?: Record<string, number>
  /** The lane of a waiting or delayed job that has a group or needs permits. */
  lane?: LaneStand
  /**
   * Present if the caller has given limits, or if limits are stored with the partition: how many jobs are
   * active, how many more jobs may begin, and if the rate allows no job now, when it allows the next job.
   */
  limits?: { active: number; free: number; nextAt?: number }
  /**
   * The lease of an active job. `isBegun` is false for a prefetched job, and for a suspect that waits until
   * it can run alone.
   */
  lease?: { until: number; isBegun: boolean }
  /**
   * For an active job that somebody has asked to cancel: the reason, and the time of the request
   * (milliseconds since 1970).
   */
  asked?: { reason: CancelReason; because?: string; at?: number }
  /** For an ended job with a lock: the id of the job that holds the lock now. */
  lockedBy?: string
}

/**
 * The number of due jobs that go before a job, at most `MAX_AHEAD`. For a job in a lane, only jobs of this
 * lane count; for any other job, only jobs without a lane.
 */
export interface LineStand {
  ahead: number
  /** How many of these jobs have a higher priority. */
  higher: number
  /**
   * How many lanes have their turn before the lane of the job; absent if the partition has no lanes. Only
   * lanes with the same limiter count, or if the lane of the job has no limiter, lanes without a limiter.
   */
  turns?: number
}

/** The lane of a job (`lane.ts`). */
export interface LaneStand {
  /** The pause of the group. */
  pause?: { until?: number } & Paused
  /**
   * What the lane waits for. `due`: the due time of its first job. `retry`: the next try of the job that goes
   * before all other jobs of the lane. `pause`: the end of the group's pause. `rate`: a job that the rate
   * allows. `end`: the end of an active job of the lane. Absent: the jobs of the lane may begin when it is
   * their turn.
   */
  waitsFor?: 'due' | 'retry' | 'pause' | 'rate' | 'end'
  /** When the wait is over, if this is known: milliseconds since 1970. */
  until?: number
  limits?: Limits
  /**
   * The kind of the lane's rate, if this version of Lark does not know the kind. Workers of this version
   * begin no job of the lane (`rules/rate.ts`).
   */
  unknownRate?: string
  strict?: true
  /**
   * In a strict group: the job that goes before all other jobs because it has begun once already, and the due
   * time of this job.
   */
  first?: { id: string; dueAt: number }
  active: number
  /** Ids of active jobs of the lane, in the order in which their leases end: at most `MAX_RUNNING`. */
  running: string[]
}
