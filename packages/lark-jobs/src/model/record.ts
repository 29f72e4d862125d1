/**
 * The record of a job in a store, and the outcomes of a run.
 *
 * A job is in exactly one state:
 *
 *   waiting    due: a worker may claim it now (a delayed job is waiting as soon as it is due)
 *   delayed    due later: dispatched with a delay, released, or between two attempts
 *   blocked    a node of a flow that has not started (`flow.ts`): it is kept with its flow, and no store
 *              counts it
 *   active     a worker holds a lease on it
 *   completed, failed, cancelled    ended; kept for a while, then pruned
 *
 * A new state has its name in `states` below.
 * In the stores it goes into these files, at the comment `New state:`
 *
 *   `store/contract/rules/consequence.ts`  which end of a run leads to it
 *   `store/sql/states.ts`, `store/sql/row.ts`, `store/sqlite/schema.ts`  its number, its name, its index
 *   `store/sql/end/move.ts`                the way in and out
 *   `store/sql/partition.ts`, `store/sql/look/read.ts`  its count, and its pages
 *   `store/redis/client/keys.ts`           the key with its jobs
 *   `store/redis/lua/shared/place.lua`     the way in and out
 *   `store/redis/lua/shared/locate.lua`, `store/redis/lua/shared/job-counts.lua`  who is in it, and its count
 *   `store/redis/verbs/reading.ts`         its pages
 *
 * A new kind of outcome has its type in `Outcome`. It goes into these files, at the comment `New outcome:`
 *
 *   `store/contract/rules/consequence.ts`  what becomes of the job: for SQL, and the model of the conformance
 *                                          tests
 *   `store/redis/verbs/packing.ts`, `store/redis/lua/end/shared/consequence.lua`  the same on Redis
 *   `worker/tally.ts`                      as what the worker counts it
 *
 * Every time is in milliseconds since 1970 by the store's clock. A worker sends durations, never times,
 * because its clock is not the store's.
 */

import type { Backoff } from './backoff.ts'
import type { BlockedLoop, BlockingNow } from './blocked-loop.ts'
import type { Journal, Recorded, WholeJournal } from './journal.ts'
import type { Limits } from './limits.ts'

/** The most characters of the key of a job, and of the name of a queue. */
export const MAX_NAME = 200

export const states = ['waiting', 'delayed', 'blocked', 'active', 'completed', 'failed', 'cancelled'] as const
export type State = (typeof states)[number]
export const endedStates = ['completed', 'failed', 'cancelled'] as const satisfies readonly State[]
export type EndedState = (typeof endedStates)[number]

export function isEndedState(state: State): state is EndedState {
  return (endedStates as readonly State[]).includes(state)
}

/**
 * Why a job ended `cancelled`. `removed`: a person removed it before it had ended. `skipped`: the flow that
 * it belongs to ends early. `lost`: its flow has waited too long for a worker that knows its key.
 * `rejected`: it came through an outbox, and the store did not take it.
 */
export type CancelReason =
  | 'user'
  | 'expired'
  | 'replaced'
  | 'dropped'
  | 'removed'
  | 'skipped'
  | 'lost'
  | 'rejected'

/** The most tags of a job. */
export const MAX_TAGS = 10

/** The settings in which one job differs from its class. Absent fields cost no bytes. */
export interface JobOptions {
  /** The crashes after which the job fails (`store/contract/rules/consequence.ts`). */
  maxCrashes?: number
  /** The most attempts. */
  tries?: number
  /** How long to wait before each retry. */
  backoff?: Backoff
  /** Milliseconds. */
  timeout?: number
  /** How long after it was queued attempts may begin: milliseconds, the delay included; 0: no limit. */
  retryUntil?: number
  /** How long after it was queued the job may first begin: milliseconds, the delay included; 0: no limit. */
  expiresIn?: number
  /** Words by which people find the job. */
  tags?: readonly string[]
  /** The context in which the job was dispatched (`context.ts`). */
  context?: Readonly<Record<string, unknown>>
  /** The paths of the payload that people must not see. */
  redact?: readonly string[]
  /** The trace of its dispatch (`trace.ts`). */
  trace?: Readonly<Record<string, string>>
  /**
   * Of a job that may take the place of an ended one with its id: tells the two apart. 13 characters
   * (`id.ts`). A retry by hand keeps it.
   */
  born?: string
  /** The job that began it, and awaits it (`Job.runJob`): where it was then. */
  parent?: { id: string; queue: string }
  /** When somebody edited the payload: milliseconds since 1970. */
  editedAt?: number
  /**
   * When somebody moved it to another queue last: milliseconds since 1970. Later with each move, whatever the
   * clock says.
   */
  movedAt?: number
}

/** How long a job is kept when it has ended, in milliseconds; 0: not at all. Absent: as its queue says. */
export interface Keep {
  completed?: number
  failed?: number
  cancelled?: number
  /** How long its log is kept, if the job is kept for longer. */
  log?: number
  /**
   * At least so long in each state. After that it is kept as its queue says, unless an age above says
   * something.
   */
  least?: number
  /**
   * The job came through an outbox, which may send it again: its id stays known for `RELAYED_MEMORY` after
   * its end, even if nothing of the job is kept. Of an id that is to be reused, its `born` is known, for so
   * long after it was queued.
   */
  relayed?: true
}

/** A job on its way into a store. */
export interface NewJob {
  /**
   * Made by the dispatcher (`id.ts`): 13 characters, in order of time. Or chosen by the application
   * (`ownId`).
   */
  id: string
  /**
   * The application chose the id. `new`: the job is rejected while another job with this id is kept. `reuse`:
   * the job replaces one that has ended.
   */
  ownId?: 'new' | 'reuse'
  /** The key of its class. A store decodes neither the key nor the payload. */
  key: string
  /** JSON text. */
  payload: string
  /** -1,000…1,000, higher first. Default 0. */
  priority?: number
  /** Milliseconds until it is due, counted by the store. Default 0: due at once. */
  delay?: number
  options?: JobOptions
  lock?: Lock
  group?: Group
  /**
   * The limiter and the number of permits that the job needs (`limiter.ts#needOf`). Only a claimer that
   * brings such permits gets the job. A store only compares this text; it has no white space, comma,
   * semicolon, or equals sign.
   */
  limiter?: string
  /** How long its class has it kept. Such jobs do not count among those that its queue keeps. */
  keep?: Keep
  /** The class has a hook for jobs that end without a running handler: see `effect.ts`. */
  hooked?: boolean
}

/**
 * A lock. Only one job of a partition holds a lock of one name at a time. The lock names its job, and no
 * process frees it: a dispatch that finds the lock checks whether its job still holds it.
 */
export interface Lock {
  /** A store only compares it. */
  name: string
  /** The job holds the lock until it first starts, or until it has ended. */
  until: 'start' | 'done'
  /**
   * While the job of the lock has not begun, a new dispatch replaces its payload instead of being rejected.
   */
  replace?: boolean
  /** Milliseconds: such a dispatch also delays the job by this much from then … */
  debounce?: number
  /** … but at most until this many milliseconds after the job was queued. */
  maxWait?: number
  /** Milliseconds after a job was queued in which no other is queued, whatever became of the first. */
  throttle?: number
}

/** A group. Groups take fair turns, and may have limits of their own. */
export interface Group {
  /** A store only compares it. */
  name: string
  /** The limits of the whole group. Those of the job that was queued last apply. */
  limits?: Limits
  /** A job begins when the one before it has ended, its retries included. Then `concurrency` is 1. */
  strict?: boolean
  /** The limits are not known here: the group keeps the limits that it has, or none if it has no jobs. */
  joins?: true
}

/**
 * How many times a job was started, and how those runs ended. A run that has not ended counts only in `runs`.
 */
export interface Counters {
  runs: number
  /** Attempts that failed. `tries` limits them. */
  failures: number
  /** Runs whose worker died or lost its lease. */
  crashes: number
  /** Runs that put the job back without failing. */
  releases: number
}

/** The part of an error that is kept. If a thrown value is not an error, the message is its text. */
export interface KeptError {
  name: string
  message: string
  code?: string
  stack?: string
  /** A chain of up to five causes. */
  cause?: KeptError
  /** The first errors of an `AggregateError`. */
  errors?: KeptError[]
  /** How many more errors the `AggregateError` has. */
  more?: number
}

/** The error of a failed attempt. The newest 10 are kept with the job. */
export interface JobError extends KeptError {
  /** Which run it was, from 1. */
  run: number
  /** Milliseconds the attempt took. */
  took?: number
  /**
   * When the attempt ended, by the store's clock: milliseconds since 1970. Absent: an earlier version of Lark
   * kept it.
   */
  at?: number
  /** The release of the application in which it was. Absent: its worker was not told one. */
  release?: string
}

export type LogLevel = 'info' | 'success' | 'warn' | 'error'

/** A line that `this.info()`, `success()`, `warn()` or `error()` wrote. */
export interface LogLine {
  /** By the worker's clock, for people only. */
  at: number
  level: LogLevel
  text: string
}

/**
 * Why this version cannot run a record. Either a field of the record is damaged, and `text` is the content of
 * the field; or the record has an unknown format, and `mark` is the name of the format
 * (`store/contract/rules/unreadable.ts`). Unreadable fields are empty in the job.
 */
export type Unreadable = { kind: 'damaged'; field: string; text: string } | { kind: 'marked'; mark: string }

/** Whether the text of what is damaged may be of a payload, which may have parts that people must not see. */
export function hasPayload(flaw: Unreadable): boolean {
  return flaw.kind === 'damaged' && (flaw.field === 'record' || flaw.field === 'payload')
}

/** A claimed job, as `exchange` hands it to the claimer. */
export interface ClaimedJob extends Counters {
  id: string
  key: string
  payload: string
  priority: number
  queuedAt: number
  options?: JobOptions
  /** Name of its group. */
  group?: string
  /** The permits that it needs. */
  limiter?: string
  /** When it was due, if that is not when it was queued. */
  dueAt?: number
  /** Proof of the lease: only a call with this token settles the job. */
  token: string
  unreadable?: Unreadable
  /** What earlier runs recorded, as far as it comes with the claim; absent if nothing. */
  journal?: Journal
}

/** A job as `get` and `list` return it. */
export interface JobRecord extends Omit<ClaimedJob, 'token' | 'dueAt' | 'journal'> {
  partition: string
  state: State
  /** When a delayed or waiting job is or was due. */
  dueAt?: number
  /** When the current lease was taken. */
  claimedAt?: number
  finishedAt?: number
  /** The id of the worker that holds it. */
  holder?: string
  /** Oldest first, at most 10. */
  errors: JobError[]
  /** JSON text of the value that `handle` returned, if it was neither `true` nor `undefined`. */
  result?: string
  reason?: CancelReason
  /**
   * While the job waits for its next run: why the last run put it back. Of a cancelled job: what the person
   * wrote who cancelled it.
   */
  because?: string
  /** While it is suspended: the names of the signals that make it go on before it is due. */
  suspended?: string[]
  /** Its steps are being undone, before it ends as failed or cancelled. */
  undoing?: true
  /** While it waits, and the last run put it back because no worker could read it: since when it waits. */
  strandedSince?: number
  /** JSON text of the progress that it reported last. */
  progress?: string
}

/** From which a job can be put back. */
export interface WholeRecord extends JobRecord {
  /** What its steps have recorded, and its signals. */
  journal?: WholeJournal
}

/**
 * How the run of a claimed job ended, as its worker reports it to the store: a closed union.
 *
 * An `unstarted` job was never started: it goes back to the head of its line, or is delayed, and counts no
 * run. A `released` job ran and goes back without having failed. A `suspended` job waits, and goes on where
 * it was (`store/contract/journals.ts`). Every outcome may carry the log of the run, and entries of its
 * journal.
 */
export type Outcome = (
  | { kind: 'completed'; result?: string }
  /**
   * `retryIn`: milliseconds until the retry. Without it the job has failed and is not retried. Then `untold`
   * says that `failed()` of its class was not called, because no handler could run: see `effect.ts`. `alike`:
   * what it has in common with others that failed for the same reason (`run/fingerprint.ts`).
   */
  | { kind: 'failed'; error: JobError; retryIn?: number; untold?: boolean; alike?: string }
  /**
   * `in`: milliseconds until the job is due. `pauses`: no other job of its group, or of its partition, begins
   * before that either. `keepsPlace`: the job is in its line again where it was, and `in` says only how long
   * the pause is.
   * `because` is for people, in a few words. `isStranded`: the worker could not read the job: it does not
   * know its key, its payload's version, or its format.
   */
  | { kind: 'released'; in: number; pauses?: 'group' | 'queue'; because: string; isStranded: true }
  | {
      kind: 'released'
      in: number
      pauses?: 'group' | 'queue'
      keepsPlace?: true
      because?: string
      isStranded?: undefined
    }
  /** `in`: milliseconds until the job is due; without it, at once. */
  | { kind: 'unstarted'; in?: number }
  /**
   * `in`: milliseconds until it is due. `waits`: the names of the signals that make it due before. `heard`:
   * how many signals the run knew. `undoing`: the steps of the job must be undone before it ends; how it ends
   * then (`rules/undoing.ts`). `rests`: the store keeps for how long the job is suspended
   * (`Journal.rested`).
   */
  | ({ kind: 'suspended'; in: number; waits: readonly string[]; heard: number } & {
      undoing?: string
      rests?: true
      /** What people read instead of `waits`, if these have names that they do not know. It is not stored. */
      awaits?: readonly string[]
    })
  | { kind: 'cancelled'; reason: CancelReason; error?: JobError }
) & {
  log?: LogLine[]
  /** JSON text: what the run reported last, and has not sent yet. */
  progress?: string
  /**
   * Milliseconds that the run took: of a completed job of a schedule (`tick.ts`), for the history of the
   * schedule.
   */
  took?: number
  /** What it has recorded, and not sent yet. */
  steps?: Recorded
}

/** A worker, as people see it. */
export interface WorkerRecord {
  /** Also the caller of its claims. */
  id: string
  host: string
  pid: number
  /** If `strict`, in the order in which they are served. */
  queues: string[]
  strict: boolean
  concurrency: number
  /** Jobs running now. */
  running: number
  /**
   * The job beside which it starts no other: it may have killed its process before, and runs alone. `until`:
   * when others start at the latest, by the clock of the worker. Absent: there is none, or its version of
   * Lark does not say.
   */
  alone?: { job: string; until: number }
  /** A handler blocks its event loop now, as its lease thread has found. Absent: none, or it is not known. */
  blocks?: BlockingNow
  /** The classes that have blocked its event loop within the last hour. Absent: none. */
  blocked?: BlockedLoop[]
  /** The keys and aliases of its job classes. */
  keys: string[]
  /** By the worker's clock. */
  startedAt: number
  /** When it made this known, by its clock: every five seconds. Absent: its version of Lark does not say. */
  seenAt?: number
  state: WorkerState
  /**
   * Whether it restarts when it is told to: what started its process starts it again. Absent: it belongs to
   * an application, which must be restarted as a whole, or its version of Lark does not say.
   */
  restarts?: true
  /**
   * Whether a supervisor (`--processes`) has started its process. Absent: none has, or its version of Lark
   * does not say.
   */
  supervised?: true
  /** The version of Lark. Absent: an earlier version, which does not say. */
  version?: string
  /** The release of the application. Absent: its configuration says none. */
  release?: string
  /** The limiters and circuits that it has used, as the store names them: at most 100 each. Absent: none. */
  limiters?: string[]
  circuits?: string[]
  /** What those of the limiters grant that belong to a class, by their names. Absent: none does. */
  ownLimits?: Record<string, Limits>
  /**
   * The keys of the jobs that have met a circuit with a name, by its name: at most 100 each. Absent: none.
   */
  circuitKeys?: Record<string, string[]>
  /** The schedules that its classes declare, with the hash of each definition. Absent: none. */
  schedules?: Record<string, string>
}

/**
 * `quiet`: takes no more jobs. `stopping` and `restarting`: takes no more, and ends when those that run have
 * ended.
 */
export const workerStates = ['running', 'quiet', 'stopping', 'restarting'] as const
export type WorkerState = (typeof workerStates)[number]

/** What a worker makes known. */
export interface AnnouncedWorker extends WorkerRecord {
  /** How its runs went. Absent: none has begun, or its version of Lark does not say. */
  runs?: WorkerRuns
}

/** How the runs of a worker went. Each text is a `RunCounts` (`run-counts.ts`). */
export interface WorkerRuns {
  /** Since it started: by queue and key, with a space between them. */
  all: Record<string, string>
  /** The counts of the last minutes, by queue. */
  lately: Record<string, string>
  /** How many runs became due, by queue and minute: `minute:count`, with spaces between them. */
  arrived: Record<string, string>
}
