/**
 * What a telemetry is told: by the dispatcher of each dispatch, by a worker of each run. It is given as
 * `jobs.telemetry` of the configuration. Without one, a dispatch and a run cost one comparison more.
 */
import type { ClaimedJob, JobError, JobRecord } from '../record.ts'
import type { Trace } from '../trace.ts'
import type { RunEnd } from './run-counts.ts'

/** Made by `otel()`. */
export interface Telemetry {
  readonly kind: 'opentelemetry'
}

/** What Lark calls of a telemetry. Users do not see it. */
export interface TelemetryCalls extends Telemetry {
  /** A dispatch begins. */
  sending(dispatch: Dispatch): Sending
  /** The run of a job begins. */
  processing(run: TracedRun): Processing
  /** The run of a job goes on here. @param carried from the process that has told of it */
  continued(job: TracedJob, carried: Trace | undefined): Processing
  /** The function of a step is called of a job that `dispatchNow` runs: calls it in a context of its own. */
  step<T>(job: TracedJob, step: TracedStep, act: () => Promise<T>): Promise<T>
  /** The process of a run has died, and the job was taken back. */
  crashed(run: CrashedRun): void
  /**
   * Observes what a store holds, until the returned function is called. `look` is called when somebody
   * collects.
   */
  observing(look: () => Promise<Levels>): () => void
}

/** Jobs that go to one queue, or a flow. */
export interface Dispatch {
  queue: string
  /** The key of the jobs, if they have one key. */
  key?: string | undefined
  /** How many jobs. Undefined for a flow, which tells when it is sent how many members it has. */
  count?: number
  /** The id of the flow. */
  flow?: string
}

/** A dispatch that is under way. */
export interface Sending {
  /** Travels with the jobs. Undefined: there is none. */
  readonly trace: Trace | undefined
  /** The store has answered. */
  sent(answer: Sent): void
  failed(error: unknown, count?: number): void
}

export interface Sent {
  /** How many jobs, those that were rejected included. */
  count: number
  /** The id of the job, if it is one. */
  id?: string | undefined
  /** How many were not queued, for example because of a lock. 1 for a flow that was there already. */
  rejected?: number
}

/** Whose step it is. */
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
  /** Milliseconds from when it was due until it began. */
  waited: number
}

/** A run whose process has died. Nobody knows when it began. */
export interface CrashedRun extends Pick<TracedRun, 'queue' | 'partition' | 'key'> {
  job: JobRecord
  /** How the process ended. */
  error: JobError
}

/** A call of a function of a step. */
export interface TracedStep {
  what: 'step' | 'undo' | 'page'
  /** The name of the step, as people read it: `mail 7`. */
  name: string
  /** What it has in common with the others of a loop: `mail`. */
  family: string
  /** From 1. */
  attempt: number
}

/** A run that is under way. */
export interface Processing {
  /** What brings the context of the run to another process. Undefined: there is nothing to bring. */
  readonly carried: Trace | undefined
  /** Calls a function in the context of the run. */
  within<T>(act: () => T): T
  /** Calls a function of a step, in a context of its own. */
  step<T>(step: TracedStep, act: () => Promise<T>): Promise<T>
  /**
   * The run has ended.
   *
   * @param how `lost`: the lease was lost, so what the run did does not count
   * @param took milliseconds
   * @param error why it failed
   */
  ended(how: RunEnd | 'lost', took: number, error?: unknown): void
}

/** What a store holds. */
export interface Levels {
  queues: {
    queue: string
    /** Milliseconds since the first waiting job was due; 0 if none waits. */
    oldest: number
    /** How many of the waiting and delayed jobs have failed, and wait for their next try. */
    retrying: number
    /** How many of them are suspended. */
    suspended: number
    /** How many jobs no worker could read. */
    stranded: number
    /** How many jobs are in a state. */
    states: Readonly<Record<string, number>>
  }[]
  limiters: {
    limiter: string
    /** Permits in use, and how many there are at a time, if that is limited. */
    held: number
    limit?: number | undefined
  }[]
  /** By what the doctor looks for at the store, how many of its servers have that error. */
  storeErrors: ReadonlyMap<string, number>
  /** How many are late, and how many are paused. */
  schedules: { late: number; paused: number }
  /** How many errors and warnings the doctor finds, by what it looks for. */
  findings: readonly { code: string; severity: string; count: number }[]
}
