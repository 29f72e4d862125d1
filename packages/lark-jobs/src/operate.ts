/**
 * `@s18i/lark-jobs/operate`: what people do to the jobs in a store, for commands, dashboards and scripts.
 */
import { Jobs } from './api/default-jobs.ts'
import { Operate } from './operate/operate.ts'

export type {
  JobError,
  JobRecord,
  KeptError,
  LogLevel,
  LogLine,
  State,
  WorkerRecord,
} from './model/record.ts'
export {
  type CancelFilter,
  type Cancellable,
  type Cancelled,
  type CancelOptions,
  cancellable,
} from './operate/cancel.ts'
export type { Operate, StorePlace } from './operate/operate.ts'
export type { Operations } from './operate/operations.ts'
export type { EveryQueue, MetPause, PauseOptions, PauseTarget } from './operate/pause.ts'
export type { EndedCounts, QueueStatus, ShownGroup, Status } from './operate/status.ts'
export type { FailedOptions, JobDetail, StoredJob } from './operate/stored-jobs.ts'
export { RETENTION as retention } from './store/connect.ts'
export type { Counts } from './store/contract/page.ts'
export type { Retention } from './store/contract/store.ts'

export interface OperateOptions {
  /**
   * What messages of FILTER_INVALID call the conditions, if not by their names here: `{ key: '--job' }`. Default: a
   * message names the call and the condition.
   */
  names?: Readonly<Record<string, string>>
}

/**
 * Looks at jobs and changes them.
 *
 * @param jobs whose store. Default: the default instance, with the configuration of `lark.config`
 * @example
 * const { queues, workers } = await operate().status()
 * await operate(createJobs({ connection: 'redis://other' })).retry('failed')
 */
export function operate(jobs: Jobs = Jobs, { names }: OperateOptions = {}): Operate {
  return new Operate(jobs, names)
}
