/**
 * The report of a worker to people: its interface, and the plain report of a worker that was started by code.
 * `lark jobs:work` has its own (`commands/workers/work-report.ts`), and a supervised process passes reports
 * on (`supervisor/supervised.ts`).
 */
import type { ClaimedJob, LogLine, Outcome } from '../model/record.ts'
import type { Remedy } from '../model/remedy.ts'
import { behind } from '../model/run/job-error.ts'
import { print } from '../run/job-log.ts'

/** A job that runs. */
export interface RunningJob {
  job: ClaimedJob
  /** The name of its class; if no class is known, its key. */
  name: string
  queue: string
  /** Milliseconds so far. */
  took: number
}

/** How one run ended; `took` is its whole duration. */
export interface EndedRun extends RunningJob {
  outcome: Outcome
  /** Attempts in all; undefined when no class of the key is known. */
  tries?: number
  /** The class has a `retryUntil`, which counts instead of `tries`. */
  isTimed?: boolean
  /** For a released job: whether the job asked for the release itself. */
  isAsked?: boolean
}

export interface WorkerReport {
  /** A job wrote a line. */
  wrote(job: ClaimedJob, name: string, line: LogLine): void
  /** A job says how far it is. @param progress JSON */
  progressed?(job: ClaimedJob, progress: string): void
  /** Jobs that have run for some seconds and are still running; each is reported once. */
  running?(jobs: readonly RunningJob[]): void
  ended(ending: EndedRun): void
  /**
   * The store has answered for an ended run. `isLost`: its outcome does not count, because the lease was
   * lost.
   */
  settled?(id: string, isLost: boolean): void
  /**
   * A problem that does not end the worker: the store does not answer, a lease was lost.
   *
   * @param remedy what people can do about it, if anything
   */
  warn(text: string, remedy?: Remedy): void
  /** The end of such a problem, and other good news. */
  info(text: string): void
}

/** What a worker did, in jobs. */
export interface WorkerSummary {
  completed: number
  /** Attempts that failed and will be retried. */
  retried: number
  /** Failed for good. */
  failed: number
  /**
   * Put back without failing: because the worker stopped, the job asked for it, or no class here has its key.
   */
  released: number
  /** Put back because they sleep, or wait for a signal. */
  suspended: number
  cancelled: number
  /** Ended after their lease was lost; another worker has them. */
  lost: number
  /**
   * Ended, but the store did not answer before the worker stopped. They run again, unless the store received
   * the outcome.
   */
  unstored: number
  /** Milliseconds from the start of the first job to the end of the last. */
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
