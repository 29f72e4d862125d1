/** The times at which a schedule ticks, and what happens to ticks that were missed or come too early. */

/** The times at which a schedule ticks. Times are milliseconds since 1970. */
export type Timing = {
  /** The time before which the schedule does not tick. */
  from?: number | undefined
  /** The time after which the schedule does not tick. */
  until?: number | undefined
} & (
  | { kind: 'cron'; expression: string; timezone?: string | undefined }
  /** `ms`: milliseconds from tick to tick. The ticks are aligned to the clock in UTC. */
  | { kind: 'every'; ms: number }
)

/** What happens to ticks that are late by more than the grace. */
export const missedPolicies = ['skip', 'once', 'all'] as const
/**
 *   skip   the late ticks are recorded, and no job runs for them
 *   once   one job runs for all late ticks, with the instant of the last tick
 *   all    each late tick becomes a job, at most `MAX_MISSED` jobs
 */
export type Missed = (typeof missedPolicies)[number]

export const overlapPolicies = ['allow', 'skip', 'queue', 'cancel'] as const
/**
 * What happens to a tick while the job of an earlier tick has not ended.
 *
 *   allow    the job of the tick is queued all the same
 *   skip     the tick is recorded, and no job runs for the tick
 *   queue    the job of the tick is queued, and begins when the earlier jobs have ended
 *   cancel   the earlier job is cancelled, and the job of the tick begins when the earlier job has ended
 */
export type Overlap = (typeof overlapPolicies)[number]
