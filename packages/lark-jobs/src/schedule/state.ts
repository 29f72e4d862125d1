/**
 * The state of a schedule. The store keeps it as JSON text beside the definition, and never reads it.
 *
 *   running   `next` is the instant of its next tick
 *   paused    `paused` says since when
 *   ended     `ended` says why. It is removed `KEEP_ENDED` later
 *   leaving   `movesTo` says where to: the process that began the move may have died, so any worker
 *             completes it after `LEAVING`
 *
 * Every time is in milliseconds since 1970 by the store's clock.
 */

export interface ScheduleState {
  /** The instant of the next tick, without the jitter. */
  next?: number
  /**
   * Instants after `next`, computed in advance by the worker that wrote the state. They apply even for a
   * worker with different time zone data.
   */
  ahead: number[]
  /** How many ticks became jobs. */
  ticks: number
  /** The instant of the last tick that became a job. */
  last?: number
  /** The instant of the last run by hand. */
  byHand?: number
  /** When the definition took effect. */
  since: number
  paused?: { at: number; because?: string; by?: string }
  /** Failures before this time do not count for `pauseAfterFailures`. */
  resumedAt?: number
  ended?: { at: number; why: 'limit' | 'over' | 'dropped' }
  /** The last ticks that did not become jobs, the latest last: at most `MAX_SKIPPED`. */
  skipped: Skipped[]
  /**
   * For a class schedule: when its definition was first seen, and other definitions of it that workers have
   * declared.
   */
  firstSeen?: number
  others?: OtherDefinition[]
  /** The time since which no living worker declares the schedule, as far as this was checked. */
  undeclaredSince?: number
  /**
   * The partition to which the schedule is moving, because its jobs now go there. It does not tick until it
   * has arrived.
   */
  movesTo?: string
}

export interface Skipped {
  /** The instants of the first and the last tick. */
  from: number
  to: number
  /** How many ticks were skipped. If it is `MAX_MISSED`, there may have been more. */
  count: number
  /**
   *   missed     late by more than the grace
   *   paused     while the schedule was paused
   *   overlap    the job before had not ended
   */
  why: 'missed' | 'paused' | 'overlap'
}

export interface OtherDefinition {
  hash: string
  firstSeen: number
  /** The text of the definition. */
  definition: string
  undeclaredSince?: number
}

export const MAX_SKIPPED = 20
/** The maximum number of missed ticks that become jobs, and up to which missed ticks are counted exactly. */
export const MAX_MISSED = 1_000
/**
 * For this many milliseconds after the beginning of a move, only the process that began it may complete it.
 */
export const LEAVING = 2_000
/** How long an ended schedule is kept, in milliseconds. If it is set after that, it is a new schedule. */
export const KEEP_ENDED = 30 * 86_400_000
