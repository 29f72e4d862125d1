/**
 * The interface of a telemetry, which is set as `jobs.telemetry` in the configuration. The dispatcher calls
 * it for each dispatch, and the worker for each run. Without a telemetry, this costs one comparison for each
 * dispatch and run.
 */
import type { ClaimedJob, JobError, JobRecord } from '../record.ts'
import type { Trace } from '../trace.ts'
import type { RunEnd } from './run-counts.ts'

/** A telemetry. `otel()` makes one. */
export interface Telemetry {
  readonly kind: 'opentelemetry'
}

/** The methods of a telemetry that Lark calls. Users do not see them. */
export interface TelemetryCalls extends Telemetry {
  /** A dispatch begins. */
  sending(dispatch: Dispatch): Sending
  /** The run of a job begins. */
  processing(run: TracedRun): Processing
  /**
   * The run of a job continues in this process.
   *
   * @param carried the context from the process that has reported the run
   */
  continued(job: TracedJob, carried: Trace | undefined): Processing
  /** Calls the function of a step in a context of its own, for a job that `dispatchNow` runs. */
  step<T>(job: TracedJob, step: TracedStep, act: () => Promise<T>): Promise<T>
  /** The process of a run has died, and the job was taken back. */
  crashed(run: CrashedRun): void
  /**
   * Observes the contents of a store until the returned function is called. `look` is called whenever metrics
   * are collected.
   */
  observing(look: () => Promise<Levels>): () => void
}

/** A dispatch: jobs for one queue, or a flow. */
export interface Dispatch {
  queue: string
  /** The key of the jobs, if they have one key. */
  key?: string | undefined
  /**
   * The number of jobs. Undefined for a flow, because the number of its members is reported only when the
   * flow has been sent.
   */
  count?: number
  /** The id of the flow. */
  flow?: string
}

/** An open dispatch: the store has not answered yet. */
export interface Sending {
  /** The trace that is stored with the jobs. Undefined if there is none. */
  readonly trace: Trace | undefined
  /** The store has answered. */
  sent(answer: Sent): void
  failed(error: unknown, count?: number): void
}

export interface Sent {
  /** The number of jobs, including rejected jobs. */
  count: number
  /** The id of the job, if there is only one. */
  id?: string | undefined
  /**
   * How many jobs were not queued, for example because of a unique lock. For a flow that already existed, the
   * number is 1.
   */
  rejected?: number
}

/** The job that a step belongs to. */
export interface TracedJob {
  id: string
  queue: string
  /** The key of its class. */
  key: string
}

export interface TracedRun {
  job: ClaimedJob
  queue: string
  partition: string
  /** The key of its class. */
  key: string
  /** The time from when the job was due until it began, in milliseconds. */
  waited: number
}

/** A run whose process has died. The time at which the run began is not known. */
export interface CrashedRun extends Pick<TracedRun, 'queue' | 'partition' | 'key'> {
  job: JobRecord
  /** How the process ended. */
  error: JobError
}

/** A call of the function of a step. */
export interface TracedStep {
  what: 'step' | 'undo' | 'page'
  /** The name of the step, in the form for people: `mail 7`. */
  name: string
  /** The part of the name that all steps of a loop have in common: `mail`. */
  family: string
  /** The number of the attempt, from 1. */
  attempt: number
}

/** A run that has not ended yet. */
export interface Processing {
  /** The data that carries the context of the run to another process. Undefined if there is no context. */
  readonly carried: Trace | undefined
  /** Calls a function in the context of the run. */
  within<T>(act: () => T): T
  /** Calls the function of a step in a context of its own. */
  step<T>(step: TracedStep, act: () => Promise<T>): Promise<T>
  /**
   * The run has ended.
   *
   * @param how how the run ended. `lost`: the lease was lost, so the outcome of the run does not count
   * @param took how long the run took, in milliseconds
   * @param error the error with which the run failed
   */
  ended(how: RunEnd | 'lost', took: number, error?: unknown): void
}

/** The contents of a store, in numbers. */
export interface Levels {
  queues: {
    queue: string
    /** Milliseconds since the first waiting job was due; 0 if no job waits. */
    oldest: number
    /** How many of the waiting and delayed jobs have failed and wait for their next try. */
    retrying: number
    /** How many of the waiting and delayed jobs are suspended. */
    suspended: number
    /** How many jobs no worker could read. */
    stranded: number
    /** How long runs of the last minutes had waited, in milliseconds, by quantile, such as `0.95`. */
    waited: Readonly<Record<string, number>>
    /** How long runs of the last minutes took, in milliseconds, by quantile. */
    took: Readonly<Record<string, number>>
    /** How many jobs are in each state. */
    states: Readonly<Record<string, number>>
  }[]
  limiters: {
    limiter: string
    /**
     * How many permits are in use. `limit`: how many permits may be in use at a time, if the limiter limits
     * this.
     */
    held: number
    limit?: number | undefined
  }[]
  /** How many servers have the error of each check that the doctor makes on the store. */
  storeErrors: ReadonlyMap<string, number>
  /** How many schedules are late, and how many are paused. */
  schedules: { late: number; paused: number }
  /** How many errors and warnings the doctor finds, for each check. */
  findings: readonly { code: string; severity: string; count: number }[]
}
