/**
 * What a store keeps of a job, and how a run of it can end.
 *
 * A job is in exactly one state:
 *
 *   waiting    due: a worker may claim it now (a delayed job that fell due is waiting)
 *   delayed    due later: dispatched with a delay, released, or between two attempts
 *   blocked    waits for another job or a signal (kept for chains and steps; nothing enters it yet)
 *   active     a worker holds a lease on it
 *   completed, failed, cancelled    ended; kept for a while, then pruned
 *
 * Every time is in milliseconds of the store's clock since 1970. What a worker measures goes in as a
 * duration, never as a time, because its clock is not the store's.
 */

import type { Backoff } from './backoff.ts'
import type { Limits } from './limit.ts'

export const states = ['waiting', 'delayed', 'blocked', 'active', 'completed', 'failed', 'cancelled'] as const
export type State = (typeof states)[number]

/** Why a job ended `cancelled`. */
export type CancelReason = 'user' | 'expired' | 'replaced' | 'dropped'

/** What one dispatch says differently from the job's class. Absent fields cost no byte. */
export interface JobOptions {
  tries?: number
  backoff?: Backoff
  /** Milliseconds. */
  timeout?: number
  /** Milliseconds from when it was queued, its delay included, in which attempts may begin; 0: no such limit. */
  retryUntil?: number
  /** Milliseconds from when it was queued, its delay included, in which it may first begin; 0: no such limit. */
  expiresIn?: number
  /** What was known where it was dispatched, beside its payload (`context.ts`). */
  context?: Readonly<Record<string, unknown>>
}

/** A job on its way into a store. */
export interface NewJob {
  /** Made by the dispatcher (`id.ts`): 13 characters, in order of time. */
  id: string
  /** The class's stable name. Neither it nor the payload is ever decoded by a store. */
  key: string
  /** JSON text. */
  payload: string
  /** -100…100, higher first; absent is 0. */
  priority?: number
  /** Milliseconds from the store's now; absent is due at once. */
  delay?: number
  options?: JobOptions
  lock?: Lock
  group?: Group
  /**
   * What it needs permits of to begin: it is handed out to a claimer only that brings some. A store compares it and
   * knows no more of it; it has no white space, comma, semicolon, or equals sign.
   */
  limiter?: string
  /** Its class has something to do when it ends where no handler runs: see `Store.endings`. */
  hooked?: boolean
}

/**
 * What only one job of a partition has at a time. It names its job, and is held as long as that job holds it: nobody
 * frees it, and whoever meets it looks whether its job still does.
 */
export interface Lock {
  /** A store compares it and knows no more of it. */
  name: string
  /** The job holds it until it is first started, or until it has ended. */
  until: 'start' | 'done'
  /** Whoever meets it, while its job has not begun, gives that job its payload instead of being refused. */
  replace?: boolean
  /** Milliseconds: whoever meets it so also puts that job off, to so long from then … */
  debounce?: number
  /** … but to no more than so many milliseconds after it was queued. */
  maxWait?: number
  /** Milliseconds after a job was queued in which there is no other, whatever became of it. */
  throttle?: number
}

/** Those that take fair turns with other groups, and may have limits of their own. */
export interface Group {
  /** A store compares it and knows no more of it. */
  name: string
  /** Those of the whole group; with each job that comes, they are what that job says. */
  limits?: Limits
  /** A job begins when the one before it has ended, its further attempts included. Then `concurrency` is 1. */
  strict?: boolean
}

/** How often a job was started, and how those runs ended. Starts that are still running count in `runs`. */
export interface Counters {
  runs: number
  /** Attempts that failed: what `tries` limits. */
  failures: number
  /** Runs whose worker died or lost its lease. */
  crashes: number
  /** Runs that put the job back without failing. */
  releases: number
}

/** What is kept of an error. If a thrown value is not an error, the message is its text. */
export interface KeptError {
  name: string
  message: string
  code?: string
  stack?: string
  /** A chain of up to five causes. */
  cause?: KeptError
  /** The first errors of an `AggregateError`. */
  errors?: KeptError[]
  /** How many further errors it has. */
  more?: number
}

/** A failed attempt, as kept with the job (the newest 10). */
export interface JobError extends KeptError {
  /** Which run it was, from 1. */
  run: number
  /** Milliseconds the attempt took. */
  took?: number
}

export type LogLevel = 'info' | 'success' | 'warn' | 'error'

/** A line that `this.info()` and its kin wrote. */
export interface LogLine {
  /** By the worker's clock: only read by people. */
  at: number
  level: LogLevel
  text: string
}

/**
 * Why a record cannot be run here: either one of its fields is damaged, and `text` is its content; or it is in a format
 * that this version does not know, and `mark` is the name of the format (`store/unreadable.ts`). Unreadable fields are
 * empty in the job.
 */
export type Unreadable = { kind: 'damaged'; field: string; text: string } | { kind: 'marked'; mark: string }

/** A job under a lease, as `exchange` hands it to the claimer. */
export interface LeasedJob extends Counters {
  id: string
  key: string
  payload: string
  priority: number
  queuedAt: number
  options?: JobOptions
  /** Name of its group. */
  group?: string
  /** What it needs permits of. */
  limiter?: string
  /** Proof of the lease: only who shows it settles the job. */
  token: string
  unreadable?: Unreadable
}

/** A job as `get` and `list` show it. */
export interface JobRecord extends Counters {
  id: string
  partition: string
  state: State
  key: string
  payload: string
  priority: number
  options?: JobOptions
  unreadable?: Unreadable
  /** Name of its group. */
  group?: string
  /** What it needs permits of. */
  limiter?: string
  queuedAt: number
  /** When a delayed or waiting job is or was due. */
  dueAt?: number
  /** When the present lease was taken. */
  claimedAt?: number
  finishedAt?: number
  /** Which worker holds it. */
  holder?: string
  /** Oldest first, at most 10. */
  errors: JobError[]
  /** JSON text of what `handle` returned, when it was neither `true` nor `undefined`. */
  result?: string
  reason?: CancelReason
  /** Why its last run put it back, while it waits for the next. */
  because?: string
}

/**
 * How a claimed job ended, as its worker tells the store: a closed union.
 *
 * `returned` was never started and goes back unburnt, to the head of its line or for a while; `released` ran and comes
 * back without having failed. Every outcome may carry the run's log. Later kinds (`suspended`) and what an outcome
 * causes elsewhere (intents: the next job of a chain, a batch's callback) are further fields of this object,
 * recorded by the same settle.
 */
export type Outcome = (
  | { kind: 'completed'; result?: string }
  /**
   * Without `retryIn` (milliseconds) the job has failed for good; then `untold` says that its class has not been told,
   * because no handler could run: see `Store.endings`.
   */
  | { kind: 'failed'; error: JobError; retryIn?: number; untold?: boolean }
  /** With `pausesGroup`, no other of its group begins before that either. `because` is for people, in a few words. */
  | { kind: 'released'; in: number; pausesGroup?: boolean; because?: string }
  /** With `in` (milliseconds), it is due only then. */
  | { kind: 'returned'; in?: number }
  | { kind: 'cancelled'; reason: CancelReason; error?: JobError }
) & { log?: LogLine[] }

/** A worker as `announce` makes it known. */
export interface WorkerRecord {
  /** Also the caller of its claims. */
  id: string
  host: string
  pid: number
  /** In the order served when `strict`. */
  queues: string[]
  strict: boolean
  concurrency: number
  /** Jobs running now. */
  running: number
  /** The keys and aliases it has a class for. */
  keys: string[]
  startedAt: number
  state: 'running' | 'quiet'
}
