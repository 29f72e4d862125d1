/**
 * How a worker reports to people: the interface of a report, and the plain report, which a worker uses by
 * default. `lark jobs:work` has its own report (`commands/workers/work-report.ts`), and a supervised process
 * passes reports on to its supervisor (`supervisor/supervised.ts`).
 */
import type { ClaimedJob, LogLine, Outcome } from '../model/record.ts'
import type { Remedy } from '../model/remedy.ts'
import { behind } from '../model/run/job-error.ts'
import { print } from '../run/job-log.ts'

/** A job that runs. */
export interface RunningJob {
  job: ClaimedJob
  /** The name of the job's class. If this process does not know the class, the key of the job. */
  name: string
  queue: string
  /** For how many milliseconds the job has run. */
  took: number
}

/** A run that has ended. `took` is its whole duration. */
export interface EndedRun extends RunningJob {
  outcome: Outcome
  /** The total number of attempts that the class allows. Undefined if the class is not known. */
  tries?: number
  /** Whether the class has a `retryUntil`, which replaces `tries`. */
  isTimed?: boolean
  /** Whether a released job itself asked to be released. */
  isAsked?: boolean
}

export interface WorkerReport {
  /** Called when a job has written a line to its log. */
  wrote(job: ClaimedJob, name: string, line: LogLine): void
  /** Called when a job has reported progress. @param progress as JSON */
  progressed?(job: ClaimedJob, progress: string): void
  /** Called with jobs that have run for some seconds and still run. Each job is reported once. */
  running?(jobs: readonly RunningJob[]): void
  ended(ending: EndedRun): void
  /**
   * Called when the store has acknowledged the outcome of a run. `isLost` is true if the outcome does not
   * count, because the lease was lost.
   */
  settled?(id: string, isLost: boolean): void
  /**
   * Reports a problem that does not end the worker, for example that the store does not answer or that a
   * lease was lost.
   *
   * @param remedy what people can do about the problem
   */
  warn(text: string, remedy?: Remedy): void
  /** Reports that a problem has ended, or other good news. */
  info(text: string): void
}

/** What a worker did. All counts are numbers of jobs. */
export interface WorkerSummary {
  completed: number
  /** Attempts that failed and will be retried. */
  retried: number
  /** Jobs that failed for good. */
  failed: number
  /**
   * Jobs that were put back without a failure: because the worker stopped, because the job asked for it, or
   * because this process has no class for the job.
   */
  released: number
  /** Jobs that were put back because they sleep or wait for a signal. */
  suspended: number
  cancelled: number
  /** Jobs that ended after their lease was lost, and that another worker has now. */
  lost: number
  /**
   * Jobs that ended but whose outcomes the store did not acknowledge before the worker stopped. Such a job
   * runs again, unless the store did receive its outcome.
   */
  unstored: number
  /** Milliseconds from the start of the first job to the end of the last job. */
  took: number
}

/** Prints to stderr what jobs write and which problems there are. */
export class PlainReport implements WorkerReport {
  wrote(job: ClaimedJob, name: string, line: LogLine): void {
    print(name, job.id, line.level, line.text)
  }

  ended({ job, name, outcome }: EndedRun): void {
    if (outcome.kind !== 'failed') return
    const { error } = outcome
    print(name, job.id, 'error', `${error.message || error.name}${behind(error)}`)
  }

  warn(text: string): void {
    print('lark-jobs', undefined, 'warn', text)
  }

  info(text: string): void {
    print('lark-jobs', undefined, 'info', text)
  }
}
