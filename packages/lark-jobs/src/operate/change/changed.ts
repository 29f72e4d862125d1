/**
 * What callers see of the changes by hand: in which states each change is possible, the filters and options,
 * and the answers. All of it is public: both entries of the package export everything in this file. How each
 * change is made is in the table (`job-changes.ts`).
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
export const undoableChanges = ['retry', 'run-now', 'reschedule', 'move', 'remove'] as const
export type UndoableChange = (typeof undoableChanges)[number]

/** At least one condition, or `{ all: true }`. Without a state: failed jobs. */
export type RetryFilter = JobFilter<Retriable>

/** At least one condition, or `{ all: true }` for every job of the store. */
export type CancelFilter = JobFilter<Cancellable>

/** At least one condition, or `{ all: true }` for every job of the store that waits or is delayed. */
export type PendingFilter = JobFilter<Pending>

/** At least one condition, or `{ all: true }` for every job of the store that does not run. */
export type EditFilter = JobFilter<Editable>

/** At least one condition, or `{ all: true }` for every job of the store. */
export type TagFilter = JobFilter

/** At least one condition, or `{ all: true }` for every job of the store that does not run. */
export type RemoveFilter = JobFilter<Removable>

/** The options of a change that `operate().undo()` can undo. */
export interface UndoableOptions
  extends ChangeOptions,
    OptionsOf<{
      /**
       * Called and awaited with the whole records of each lot of jobs before it is changed, so that they can
       * be kept. Nothing is hidden in their payloads. If it resolves to `'enough'`, it is not called again:
       * the other jobs are changed without it.
       */
      before: typeof before
    }> {}

/**
 * `dryRun`: only counts the jobs that would be queued now. `queue`: the queue of the ids, or of all failed
 * jobs.
 */
export interface RetryOptions
  extends UndoableOptions,
    OptionsOf<{
      /**
       * Forgets what the steps of the jobs have recorded. By default, failed and cancelled jobs go on at the
       * step at which they ended, and completed ones start from the beginning. The records cannot be
       * restored, not even with `before`.
       */
      fromStart: typeof fromStart
    }> {}

/**
 * `dryRun`: only counts the jobs that would be cancelled now. `queue`: the queue of the ids. `because`: why,
 * for people. `ifNotBegun`: leaves jobs as they are that run, or have run before.
 */
export interface CancelOptions
  extends ChangeOptions,
    OptionsOf<{
      /** Why, for people. The first 200 characters are kept with the job. */
      because: typeof because
      /** Leaves jobs as they are that run, or have run before. */
      ifNotBegun: typeof ifNotBegun
    }> {}

/** `dryRun`: only counts the jobs that would be changed now. `queue`: the queue of the ids. */
export interface RescheduleOptions extends UndoableOptions {}

/** `dryRun`: only counts the jobs that would be moved now. `queue`: the queue of the ids. */
export interface MoveOptions extends UndoableOptions {}

/**
 * `dryRun`: only counts the jobs that would be removed now. `queue`: the queue of the ids. `ifNotBegun`:
 * leaves jobs as they are that run, or have run before. `before`: called with the records of jobs before they
 * are removed.
 */
export interface RemoveOptions
  extends ChangeOptions,
    OptionsOf<{
      /** Leaves jobs as they are that run, or have run before. */
      ifNotBegun: typeof ifNotBegun
      /**
       * Called and awaited with the whole records of each lot of jobs before it is removed, so that they can
       * be kept. Nothing is hidden in their payloads. A job that is run, edited or queued again between the
       * two steps is left as it is. If it resolves to `'enough'`, it is not called again: the other jobs are
       * removed without it.
       */
      before: typeof before
    }> {}

/** `dryRun`: only counts the jobs that would be purged now. `queue`: the queue of the ids. */
export interface PurgeOptions extends ChangeOptions {}

export interface Cancelled {
  /** Jobs that were not running, and are cancelled now. */
  cancelled: number
  /** Running jobs. Their workers will abort their signals. */
  asked: number
  /** Only with `ifNotBegun`: jobs that were left as they are, because they had begun or ended. */
  left?: number
}

export interface Rescheduled {
  /** Jobs whose due time is changed. */
  rescheduled: number
}

export interface Prioritized {
  /** Jobs that have the priority now. */
  prioritized: number
  /**
   * Jobs that were left as they are: they began meanwhile, or their queue has 256 other priorities in use.
   */
  left: number
}

export interface Moved {
  /** Jobs that are in the queue now. */
  moved: number
  /**
   * Jobs that were left as they are: they began or ended meanwhile, they are damaged, or the queue has a job
   * with the same id or the same unique lock.
   */
  left: number
}

/** `dryRun`: only counts the jobs that would be edited now. `queue`: the queue of the ids. */
export interface EditOptions
  extends ChangeOptions,
    OptionsOf<{
      /**
       * Includes jobs whose steps have recorded something. The effects of these steps stay, although they
       * used the old payload.
       */
      force: typeof force
    }> {}

export interface Edited {
  /** Jobs that have the payload now. */
  edited: number
  /**
   * Jobs that the filter matches and that were left as they are, because they run or their steps have
   * recorded something.
   */
  running: number
}

export interface Tagged {
  /** Jobs that have the tags now. */
  tagged: number
  /** Jobs that were left as they are: with these tags they would have too many. */
  left: number
}

export interface Untagged {
  /** Jobs that do not have the tags now. */
  untagged: number
}

export interface Removed {
  /** Jobs that are gone. */
  removed: number
  /** Jobs that the filter matches and that run. They are left as they are. */
  running: number
  /**
   * Only with `ifNotBegun` or `before`: jobs that were left as they are, because they had begun or have
   * changed.
   */
  left?: number
}
