/**
 * A job that a person dispatches by hand.
 */
import type { DispatchOptions } from '../../options/dispatch-options.ts'
import type { JobConstructor } from '../../options/job-class.ts'
import type { Rejection } from '../../options/unique.ts'

/** What became of a dispatch by hand. */
export interface DispatchRequest {
  /**
   * Of the job. If the dispatch was rejected because of another job, or replaced its payload, of that job.
   */
  id: string
  queue: string
  queued: boolean
  /** Why it was rejected. Absent: it was not. */
  rejection?: Rejection
}

/**
 * What an instance of `Jobs` does for those who dispatch by hand. It has only jobs of the application, and no
 * commands.
 */
export interface ByHand {
  /** The classes that code has named; undefined: they are in the folders of the application. */
  named: readonly JobConstructor[] | undefined
  classes(): Promise<readonly JobConstructor[]>
  /** @throws UNKNOWN_JOB; the errors of `Job.dispatch` */
  dispatch(key: string, payload: unknown, options: DispatchOptions): Promise<DispatchRequest>
}
