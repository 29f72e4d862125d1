/**
 * Where a job stands: what keeps it from beginning now, as far as its partition knows, by the rules of
 * claims. Workers, and the permits of limiters, are elsewhere. Each part is there only if the job is in a
 * state for which it matters.
 */
import type { Limits } from '../../model/limits.ts'
import type { CancelReason, JobRecord } from '../../model/record.ts'
import type { Paused } from './rules/pause.ts'

/**
 * How many jobs before another are counted. A store that counts so many says this number: there may be more.
 */
export const MAX_AHEAD = 10_000
/** The most active jobs of a lane that are named. */
export const MAX_RUNNING = 10

/** What claimers say of the partition, and a store does not know. */
export interface StandOptions {
  /** The limits of the partition (`Want.limits`). */
  limits?: Limits | undefined
  /** Priorities age (`Want.aging`). */
  aging?: number | undefined
}

export interface Stand {
  /** Without its payload. */
  job: JobRecord
  /** Milliseconds since 1970, by the clock of the partition. */
  at: number
  /** The partition is paused: until a time, or until somebody resumes it. */
  pause?: { until?: number; because?: string } & Paused
  /** Only for a waiting job. */
  line?: LineStand
  /**
   * Of a waiting job: how many active jobs of the partition each worker holds. Of at most `MAX_ITEMS` claims.
   */
  holders?: Record<string, number>
  /** Only for a waiting or delayed job that has a group, or needs permits. */
  lane?: LaneStand
  /**
   * If the caller gave limits: the active jobs, how many more may begin, and if a rate allows none, when it
   * allows one.
   */
  limits?: { active: number; free: number; nextAt?: number }
  /** Only for an active job. `isBegun` is false if it was prefetched, or is a suspect that must run alone. */
  lease?: { until: number; isBegun: boolean }
  /** For an active job that was asked to end: why, and since when (milliseconds since 1970). */
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
   * How many lanes have their turn before: those without a limiter, or of the same limiter. Absent if the
   * partition has no lanes.
   */
  turns?: number
}

/** The lane of a job (`lane.ts`). */
export interface LaneStand {
  /** The group is paused. */
  pause?: { until?: number } & Paused
  /**
   * What the lane waits for: its first job is `due` later; the job that goes before all others is `retried`
   * later; its group is paused; its rate; the end of one of its active jobs. Absent: its jobs may begin when
   * it is its turn.
   */
  waitsFor?: 'due' | 'retry' | 'pause' | 'rate' | 'end'
  /** Milliseconds since 1970: when that is over, if it is known. */
  until?: number
  limits?: Limits
  /**
   * The kind of its rate, if this version of Lark does not know it (`rules/rate.ts`): then none of its jobs
   * begins here.
   */
  unknownRate?: string
  strict?: true
  /** In a strict group: the job that goes before all others, because it had begun, and when it is due. */
  first?: { id: string; dueAt: number }
  active: number
  /** Ids of active jobs. At most `MAX_RUNNING`, in the order in which their leases end. */
  running: string[]
}
