/**
 * The public types of the changes by hand: the states in which each change is possible, the filters, the
 * options, and the answers. Both entries of the package export everything in this file. The table in
 * `job-changes.ts` says how each change is made.
 */
import type { OptionsOf } from '../../options/schema.ts'
import type {
  because,
  before,
  ChangeOptions,
  force,
  fromStart,
  ifNotBegun,
  JobFilter,
} from '../look/filter.ts'

/** The states in which a job can be cancelled. */
export const cancellable = ['waiting', 'delayed', 'blocked', 'active'] as const
export type Cancellable = (typeof cancellable)[number]

/** The states in which a job can be retried by hand. */
export const retriable = ['failed', 'cancelled', 'completed'] as const
export type Retriable = (typeof retriable)[number]

/** The states of a job that has not started. */
export const pending = ['waiting', 'delayed'] as const
export type Pending = (typeof pending)[number]

/** The states in which a job can be moved. */
export const movable: readonly Pending[] = pending

/** The states in which a job can be removed. */
export const removable = ['waiting', 'delayed', 'blocked', 'completed', 'failed', 'cancelled'] as const
export type Removable = (typeof removable)[number]

/** The states in which the payload of a job can be changed. */
export const editable = removable
export type Editable = Removable

/** The changes that `operate().undo()` can undo. */
export const undoableChanges = ['retry', 'cancel', 'run-now', 'reschedule', 'move', 'remove'] as const
export type UndoableChange = (typeof undoableChanges)[number]

/** At least one condition, or `{ all: true }`. A filter without a state chooses failed jobs. */
export type RetryFilter = JobFilter<Retriable>

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter = JobFilter<Cancellable>

/** At least one condition, or `{ all: true }` for every waiting or delayed job of the store. */
export type PendingFilter = JobFilter<Pending>

/** At least one condition, or `{ all: true }` for every job of the store that is not running. */
export type EditFilter = JobFilter<Editable>

/** At least one condition, or `{ all: true }` for every job of the store. */
export type TagFilter = JobFilter

/** At least one condition, or `{ all: true }` for every job of the store that is not running. */
export type RemoveFilter = JobFilter<Removable>

/** The options of a change that `operate().undo()` can undo. */
export interface UndoableOptions
  extends ChangeOptions,
    OptionsOf<{
      /**
       * A function that is called with the complete records of each lot of jobs before the lot is changed, so
       * that the records can be kept. The call is awaited. No part of the payloads is hidden. If the function
       * resolves to `'enough'`, it is not called again: the other jobs are changed without it.
       */
      before: typeof before
    }> {}

/**
 * `dryRun`: only counts the jobs that would be queued now. `queue`: the queue of the jobs with these ids, or
 * of all failed jobs.
 */
export interface RetryOptions
  extends UndoableOptions,
    OptionsOf<{
      /**
       * Forgets what the steps of the jobs have recorded. By default, failed and cancelled jobs continue at
       * the step at which they ended, and completed jobs start from the beginning. The records cannot be
       * restored, not even with `before`.
       */
      fromStart: typeof fromStart
    }> {}

/**
 * `dryRun`: only counts the jobs that would be cancelled now. `queue`: the queue of the jobs with these ids.
 * `because`: the reason, for people. `ifNotBegun`: jobs that are running or have run before are not changed.
 */
export interface CancelOptions
  extends UndoableOptions,
    OptionsOf<{
      /** The reason, for people. Its first 200 characters are kept with the job. */
      because: typeof because
      /** If true, jobs that are running or have run before are not cancelled. */
      ifNotBegun: typeof ifNotBegun
    }> {}

/**
 * `dryRun`: only counts the jobs that would be changed now. `queue`: the queue of the jobs with these ids.
 */
export interface RescheduleOptions extends UndoableOptions {}

/** `dryRun`: only counts the jobs that would be moved now. `queue`: the queue of the jobs with these ids. */
export interface MoveOptions extends UndoableOptions {}

/**
 * `dryRun`: only counts the jobs that would be removed now. `queue`: the queue of the jobs with these ids.
 * `ifNotBegun`: jobs that are running or have run before are not removed. `before`: called with the records
 * of jobs before they are removed.
 */
export interface RemoveOptions
  extends ChangeOptions,
    OptionsOf<{
      /** If true, jobs that are running or have run before are not removed. */
      ifNotBegun: typeof ifNotBegun
      /**
       * A function that is called with the complete records of each lot of jobs before the lot is removed, so
       * that the records can be kept. The call is awaited. No part of the payloads is hidden. A job that
       * begins to run, is edited or is queued again between this call and the removal is left unchanged. If
       * the function resolves to `'enough'`, it is not called again: the other jobs are removed without it.
       */
      before: typeof before
    }> {}

/** `dryRun`: only counts the jobs that would be purged now. `queue`: the queue of the jobs with these ids. */
export interface PurgeOptions extends ChangeOptions {}

export interface Cancelled {
  /** How many jobs were not running and are cancelled now. */
  cancelled: number
  /** How many running jobs were asked to end: their workers will abort their signals. */
  asked: number
  /** Only with `ifNotBegun`: how many jobs were left unchanged because they had begun or ended meanwhile. */
  left?: number
}

export interface Rescheduled {
  /** How many jobs have another due time now. */
  rescheduled: number
}

export interface Prioritized {
  /** How many jobs have the new priority now. */
  prioritized: number
  /**
   * How many jobs were left unchanged because they began meanwhile, or because 256 other priorities are in
   * use in their queue.
   */
  left: number
}

export interface Moved {
  /** How many jobs are in the new queue now. */
  moved: number
  /**
   * How many jobs were left where they are, because they began or ended meanwhile, because their records are
   * damaged, or because the new queue has a job with the same id or the same unique lock.
   */
  left: number
}

/** `dryRun`: only counts the jobs that would be edited now. `queue`: the queue of the jobs with these ids. */
export interface EditOptions
  extends ChangeOptions,
    OptionsOf<{
      /**
       * Includes jobs whose steps have recorded something. What these steps have done is kept, although they
       * used the old payload.
       */
      force: typeof force
    }> {}

export interface Edited {
  /** How many jobs have the new payload now. */
  edited: number
  /**
   * How many matching jobs were left unchanged because they are running, because their steps have recorded
   * something, or because they are no longer in a state of the filter.
   */
  running: number
}

export interface Tagged {
  /** How many jobs have the tags now. */
  tagged: number
  /** How many jobs were left unchanged because they would have too many tags. */
  left: number
}

export interface Untagged {
  /** How many of the chosen jobs do not have the tags now. Jobs that never had the tags count, too. */
  untagged: number
}

export interface Removed {
  /** How many jobs were removed. */
  removed: number
  /**
   * How many matching jobs were left unchanged because they are running, or because they are no longer in a
   * state of the filter.
   */
  running: number
  /**
   * Only with `ifNotBegun` or `before`: how many jobs were left unchanged because they had begun or have
   * changed.
   */
  left?: number
}
