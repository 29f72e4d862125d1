/**
 * The state of a schedule. The store keeps it as JSON text beside the definition, and never reads it.
 *
 *   running   `next` is the instant of the next tick
 *   paused    `paused` says since when
 *   ended     `ended` says why. The schedule is removed `KEEP_ENDED` later
 *   leaving   `movesTo` names the new partition. The process that began the move may have died, so any worker
 *             completes the move after `LEAVING`
 *
 * Every time is in milliseconds since 1970 by the store's clock.
 */

export interface ScheduleState {
  /** The instant of the next tick, without the jitter. */
  next?: number
  /**
   * Instants after `next`, computed in advance by the worker that wrote the state. A worker with other time
   * zone data uses these instants, too.
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
   * For the schedule of a class: when its definition was first seen, and which other definitions workers have
   * declared for it.
   */
  firstSeen?: number
  others?: OtherDefinition[]
  /** Since when no living worker declares the schedule, according to the last check. */
  undeclaredSince?: number
  /**
   * The partition to which the schedule is moving, because its jobs now go there. The schedule does not tick
   * before it is in the new partition.
   */
  movesTo?: string
}

export interface Skipped {
  /** The instants of the first and the last tick. */
  from: number
  to: number
  /** How many ticks were skipped. If this number is `MAX_MISSED`, more ticks may have been skipped. */
  count: number
  /**
   *   missed     late by more than the grace
   *   paused     while the schedule was paused
   *   overlap    the job of the previous tick had not ended
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
/** At most this many missed ticks become jobs. Missed ticks are counted exactly only up to this number. */
export const MAX_MISSED = 1_000
/**
 * For this many milliseconds after the beginning of a move, only the process that began the move may complete
 * it.
 */
export const LEAVING = 2_000
/**
 * How long an ended schedule is kept, in milliseconds. If a schedule with this id is set later, it is a new
 * schedule.
 */
export const KEEP_ENDED = 30 * 86_400_000
