/**
 * Where a job stands: what keeps it from beginning now, by the rules of claims, as far as its partition
 * knows. Workers and the permits of limiters are kept elsewhere. Each part is present only if the state of
 * the job makes it relevant.
 */
import type { Limits } from '../../model/limits.ts'
import type { CancelReason, JobRecord } from '../../model/record.ts'
import type { Paused } from './rules/pause.ts'

/**
 * The limit for counting the jobs before another. A store that reaches it answers this number: there may be
 * more.
 */
export const MAX_AHEAD = 10_000
/** How many active jobs of a lane are named at most. */
export const MAX_RUNNING = 10

/** Facts that claimers state about the partition, and that a store does not keep. */
export interface StandOptions {
  /** The limits of the partition (`Want.limits`). */
  limits?: Limits | undefined
  /** Priorities age (`Want.aging`). */
  aging?: number | undefined
}

export interface Stand {
  /** The record of the job, without its payload. */
  job: JobRecord
  /** Milliseconds since 1970, by the clock of the partition. */
  at: number
  /** The partition is paused: until a time, or until somebody resumes it. */
  pause?: { until?: number; because?: string } & Paused
  /** Only for a waiting job. */
  line?: LineStand
  /**
   * For a waiting job: how many active jobs of the partition each worker holds, counted over at most
   * `MAX_ITEMS` claims.
   */
  holders?: Record<string, number>
  /** Only for a waiting or delayed job that has a group, or needs permits. */
  lane?: LaneStand
  /**
   * If the caller gave limits: the number of active jobs, how many more may begin, and if a rate allows none,
   * when it allows one.
   */
  limits?: { active: number; free: number; nextAt?: number }
  /** Only for an active job. `isBegun` is false if it was prefetched, or is a suspect that must run alone. */
  lease?: { until: number; isBegun: boolean }
  /** For an active job that somebody wants to end: why, and since when (milliseconds since 1970). */
  asked?: { reason: CancelReason; because?: string; at?: number }
  /** For an ended job with a lock: the job that holds the lock now. */
  lockedBy?: string
}

/**
 * The due jobs that go before a job, among those of its lane, or among those without a lane. At most
 * `MAX_AHEAD`.
 */
export interface LineStand {
  ahead: number
  /** How many of them have a higher priority. */
  higher: number
  /**
   * How many lanes have their turn before this one: lanes without a limiter, or with the same limiter. Absent
   * if the partition has no lanes.
   */
  turns?: number
}

/** The lane of a job (`lane.ts`). */
export interface LaneStand {
  /** The group is paused. */
  pause?: { until?: number } & Paused
  /**
   * What the lane waits for. `due`: its first job is due later. `retry`: the job that goes before all others
   * is retried later. `pause`: its group is paused. `rate`: its rate. `end`: the end of one of its active
   * jobs. Absent: its jobs may begin when it is their turn.
   */
  waitsFor?: 'due' | 'retry' | 'pause' | 'rate' | 'end'
  /** Milliseconds since 1970: when that wait is over, if it is known. */
  until?: number
  limits?: Limits
  /**
   * The kind of its rate, if this version of Lark does not know it (`rules/rate.ts`): then none of its jobs
   * begins here.
   */
  unknownRate?: string
  strict?: true
  /**
   * In a strict group: the job that goes before all others because it has begun before, and when it is due.
   */
  first?: { id: string; dueAt: number }
  active: number
  /** Ids of active jobs. At most `MAX_RUNNING`, in the order in which their leases end. */
  running: string[]
}
