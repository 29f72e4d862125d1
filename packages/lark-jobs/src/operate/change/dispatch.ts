/**
 * A job that a person dispatches by hand.
 */
import type { DispatchOptions } from '../../options/dispatch-options.ts'
import type { JobConstructor } from '../../options/job-class.ts'
import type { Rejection } from '../../options/unique.ts'

/** The result of a dispatch by hand. */
export interface DispatchRequest {
  /**
   * The id of the job. If the dispatch was rejected because of another job, or replaced the payload of
   * another job, this is the id of that other job.
   */
  id: string
  queue: string
  queued: boolean
  /** Why the job was rejected. Absent if it was not rejected. */
  rejection?: Rejection
}

/**
 * The part of an instance of `Jobs` for dispatches by hand. `ByHand` dispatches only jobs of the application.
 * It cannot dispatch commands.
 */
export interface ByHand {
  /**
   * The classes that were passed in code. If undefined, the classes are in the folders of the application.
   */
  named: readonly JobConstructor[] | undefined
  classes(): Promise<readonly JobConstructor[]>
  /** @throws UNKNOWN_JOB; the errors of `Job.dispatch` */
  dispatch(key: string, payload: unknown, options: DispatchOptions): Promise<DispatchRequest>
}
