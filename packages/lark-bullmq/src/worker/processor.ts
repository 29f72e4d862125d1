import type { Any, BullJob } from '../job/bull-job.ts'

/**
 * Does the work of a job.
 *
 * @param token the proof of the lease, for `job.moveToDelayed()`
 * @param signal aborted when the job should end, because the worker stops, the lease is lost, or
 *   `cancelJob()` was called. As in BullMQ, the signal is undefined if the function has no third parameter
 */
export type Processor<DataType = Any, ResultType = Any, NameType extends string = string> = (
  job: BullJob<DataType, ResultType, NameType>,
  token?: string,
  signal?: AbortSignal,
) => Promise<ResultType>

/** The function that the file of a processor exports. */
export type SandboxedJobProcessor<DataType = Any, ResultType = Any> = Processor<DataType, ResultType>
