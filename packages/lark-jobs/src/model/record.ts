/**
 * The record of a job in a store, and the outcomes of a run.
 *
 * A job is in exactly one state:
 *
 *   waiting    due: a worker may claim it now (a delayed job is waiting as soon as it is due)
 *   delayed    due later: dispatched with a delay, released, or between two attempts
 *   blocked    a node of a flow that has not started (`flow.ts`). Only its flow keeps such a job, so no store
 *              counts it
 *   active     a worker holds a lease on the job
 *   completed, failed, cancelled    the job has ended. It is kept for a while, and then pruned
 *
 * A new state gets its name in `states` below.
 * In the stores, the new state goes into these files, at the comment `New state:`
 *
 *   `store/contract/rules/after-run.ts`    the end of a run that leads to the state
 *   `store/sql/states.ts`, `store/sql/row.ts`, `store/sqlite/schema.ts`  the number, the name, and the index
 *   `store/sql/end/move.ts`                how jobs enter and leave the state
 *   `store/sql/partition.ts`, `store/sql/look/read.ts`  the count, and the pages
 *   `store/redis/client/keys.ts`           the key with the jobs in the state
 *   `store/redis/lua/shared/place.lua`     how jobs enter and leave the state
 *   `store/redis/lua/shared/locate.lua`, `store/redis/lua/shared/job-counts.lua`  its jobs, the count
 *   `store/redis/verbs/page-query.ts`      the pages
 *
 * A new outcome gets its type in `Outcome`. The outcome goes into these files, at the comment `New outcome:`
 *
 *   `store/contract/rules/after-run.ts`    the state of the job after the outcome: for SQL, and for the
 *                                          model of the conformance tests
 *   `store/redis/verbs/packing.ts`, `store/redis/lua/end/shared/after-run.lua`  the same on Redis
 *   `worker/tally.ts`                      the count of the worker that includes the outcome
 *
 * Every time is in milliseconds since 1970 by the store's clock. A worker sends durations and never times,
 * because its clock may differ from the store's.
 */

import type { Backoff } from './backoff.ts'
import type { BlockedLoop, BlockingNow } from './blocked-loop.ts'
import type { Journal, Recorded, WholeJournal } from './journal.ts'
import type { Limits } from './limits.ts'
import type { WorkerRuns } from './run/worker-runs.ts'

/** The maximum length of the key of a job and of the name of a queue, in characters. */
export const MAX_NAME = 200

export const states = ['waiting', 'delayed', 'blocked', 'active', 'completed', 'failed', 'cancelled'] as const
export type State = (typeof states)[number]
export const endedStates = ['completed', 'failed', 'cancelled'] as const satisfies readonly State[]
export type EndedState = (typeof endedStates)[number]

export function isEndedState(state: State): state is EndedState {
  return (endedStates as readonly State[]).includes(state)
}

/**
 * Why a job was cancelled. `removed`: a person removed the job before the job had ended. `skipped`: the flow
 * of the job ends early. `lost`: the flow of the job has waited too long for a worker that knows the key of
 * the job. `rejected`: the job came through an outbox, and the store rejected it.
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

/** The maximum number of tags of a job. */
export const MAX_TAGS = 10

/** The settings of a single job that are stored with the job. Absent fields take no space. */
export interface JobOptions {
  /** The number of crashes after which the job fails (`store/contract/rules/after-run.ts`). */
  maxCrashes?: number
  /** The maximum number of attempts. */
  tries?: number
  /** How long to wait before each retry. */
  backoff?: Backoff
  /** How long an attempt may take, in milliseconds. */
  timeout?: number
  /**
   * New attempts may begin until this many milliseconds after the dispatch. The delay of the job is included.
   * 0: no limit.
   */
  retryUntil?: number
  /**
   * The first run may begin until this many milliseconds after the dispatch. The delay of the job is
   * included. 0: no limit.
   */
  expiresIn?: number
  /** Words with which people find the job. */
  tags?: readonly string[]
  /** The context in which the job was dispatched (`context.ts`). */
  context?: Readonly<Record<string, unknown>>
  /** The paths of the payload that people must not see. */
  redact?: readonly string[]
  /** The trace of the job's dispatch (`trace.ts`). */
  trace?: Readonly<Record<string, string>>
  /**
   * 13 characters (`id.ts`) that distinguish a job from an ended job with the same id that it may have
   * replaced. A retry by hand does not change these characters.
   */
  born?: string
  /**
   * The job that started this job and awaits its end (`Job.runJob`), and the queue in which that job was at
   * the time.
   */
  parent?: { id: string; queue: string }
  /** The time at which somebody edited the payload: milliseconds since 1970. */
  editedAt?: number
  /**
   * The time at which somebody last moved the job to another queue: milliseconds since 1970. With each move,
   * this time is later than before, even if the clock was set back.
   */
  movedAt?: number
}

/**
 * How long a job is kept after it has ended, in milliseconds. 0 means not at all. If a field is absent, the
 * setting of the queue applies.
 */
export interface Keep {
  completed?: number
  failed?: number
  cancelled?: number
  /** How long the log of the job is kept, if that is shorter than the job itself. */
  log?: number
  /**
   * The minimum time for which the job is kept in any ended state. After that time the setting of the queue
   * applies, unless one of the times above is set.
   */
  least?: number
  /**
   * Present if the job came through an outbox. The outbox may send the job again, so the store remembers the
   * id of the job for `RELAYED_MEMORY` after the end of the job, even if the job itself is not kept. If the
   * id may be reused, the store remembers the job's `born` instead, for the same time after the job was
   * queued.
   */
  relayed?: true
}

/** A job that is to be put into a store. */
export interface NewJob {
  /**
   * The id of the job. Either the dispatcher made the id (`id.ts`: 13 characters that sort by time), or the
   * application chose it (`ownId`).
   */
  id: string
  /**
   * Present if the application chose the id. `new`: the job is rejected while another job with this id is
   * kept. `reuse`: the job replaces an ended job with this id.
   */
  ownId?: 'new' | 'reuse'
  /** The key of the job's class. A store reads neither the key nor the payload. */
  key: string
  /** The payload as JSON text. */
  payload: string
  /** -1,000…1,000, higher first. Default 0. */
  priority?: number
  /** Milliseconds until the job is due, by the store's clock. Default 0: the job is due at once. */
  delay?: number
  options?: JobOptions
  lock?: Lock
  group?: Group
  /**
   * The limiter and the number of permits that the job needs (`limiter.ts#needOf`). Only a claim that comes
   * with such permits gets the job. A store only compares this text. The text contains no white space, comma,
   * semicolon, or equals sign.
   */
  limiter?: string
  /**
   * How long the job is kept, if its class says so. Jobs with this setting do not count toward the number of
   * ended jobs that the queue keeps.
   */
  keep?: Keep
  /** Whether the class has a hook for jobs that end while no handler is running: see `effect.ts`. */
  hooked?: boolean
}

/**
 * A unique lock. In a partition, only one job at a time holds a lock with a certain name. The lock names the
 * job that holds it. No process frees a lock: a dispatch that finds a lock checks whether the job that is
 * named there still holds it.
 */
export interface Lock {
  /** The name. A store only compares names. */
  name: string
  /**
   * How long the job holds the lock: until the first start, or until the end of the job. With `queued`, the
   * job holds the lock only for the time `throttle`.
   */
  until: 'start' | 'done' | 'queued'
  /**
   * Whether a new dispatch replaces the payload of the job that holds the lock, instead of being rejected, as
   * long as that job has not begun.
   */
  replace?: boolean
  /** With `replace`: each such dispatch also delays the job until this many milliseconds from now. */
  debounce?: number
  /** With `debounce`: the job is not delayed longer than this many milliseconds after it was queued. */
  maxWait?: number
  /**
   * For this many milliseconds after the dispatch of a job, no other job with the lock is queued, even if the
   * first job has ended.
   */
  throttle?: number
}

/** A group. Groups take fair turns, and may have limits of their own. */
export interface Group {
  /** The name. A store only compares names. */
  name: string
  /** The limits of the whole group. The limits of the job that was queued last apply. */
  limits?: Limits
  /**
   * Whether each job begins only when the previous job has ended, including its retries. In this case
   * `concurrency` is 1.
   */
  strict?: boolean
  /**
   * Present if the dispatcher does not know the limits. In this case, a group with jobs keeps its limits, and
   * a group without jobs gets no limits.
   */
  joins?: true
}

/** How often a job was started, and how its runs ended. A run that has not ended counts only in `runs`. */
export interface Counters {
  runs: number
  /** How many attempts have failed. `tries` limits this number. */
  failures: number
  /** How many runs ended because the worker died or lost its lease. */
  crashes: number
  /** How many runs put the job back without failing. */
  releases: number
}

/** The part of an error that is kept. If the thrown value is not an error, the message is its text. */
export interface KeptError {
  name: string
  message: string
  code?: string
  stack?: string
  /** The cause of the error. A chain of causes is kept up to five levels deep. */
  cause?: KeptError
  /** The first errors of an `AggregateError`. */
  errors?: KeptError[]
  /** How many more errors the `AggregateError` has. */
  more?: number
}

/** The error of a failed attempt. The newest 10 are kept with the job. */
export interface JobError extends KeptError {
  /** The number of the run, from 1. */
  run: number
  /** How long the attempt took, in milliseconds. */
  took?: number
  /**
   * The time at which the attempt ended, by the store's clock: milliseconds since 1970. Absent if an earlier
   * version of Lark stored the error.
   */
  at?: number
  /**
   * The release of the application in which the attempt failed. Absent if the worker does not know the
   * release.
   */
  release?: string
}

export type LogLevel = 'info' | 'success' | 'warn' | 'error'

/** A line that `this.info()`, `success()`, `warn()` or `error()` wrote. */
export interface LogLine {
  /** The time at which the line was written, by the worker's clock. This time is only for people. */
  at: number
  level: LogLevel
  text: string
}

/**
 * Why this version of Lark cannot read a record. Either a field of the record is damaged, and `text` is the
 * content of that field; or the record has an unknown format, and `mark` is the name of the format
 * (`store/contract/rules/unreadable.ts`). Fields that cannot be read are empty in the job.
 */
export type Unreadable = { kind: 'damaged'; field: string; text: string } | { kind: 'marked'; mark: string }

/** Whether the text of the damaged field may contain a payload, and thus parts that people must not see. */
export function hasPayload(flaw: Unreadable): boolean {
  return flaw.kind === 'damaged' && (flaw.field === 'record' || flaw.field === 'payload')
}

/** A claimed job, in the form in which `exchange` returns it to the worker. */
export interface ClaimedJob extends Counters {
  id: string
  key: string
  payload: string
  priority: number
  queuedAt: number
  options?: JobOptions
  /** The name of the job's group. */
  group?: string
  /** The permits that the job needs. */
  limiter?: string
  /** The time at which the job was due, if that time differs from the time at which the job was queued. */
  dueAt?: number
  /** Proves the lease: only a call with this token can settle the job. */
  token: string
  unreadable?: Unreadable
  /**
   * The part of the job's journal that the claim returns. Absent if earlier runs have not recorded anything.
   */
  journal?: Journal
}

/** A job in the form in which `get` and `list` return it. */
export interface JobRecord extends Omit<ClaimedJob, 'token' | 'dueAt' | 'journal'> {
  partition: string
  state: State
  /** The time at which a delayed or waiting job is due or was due. */
  dueAt?: number
  /** The time at which the current lease was taken. */
  claimedAt?: number
  finishedAt?: number
  /** The id of the worker that holds the job. */
  holder?: string
  /** The errors of the latest failed attempts, at most 10, the oldest first. */
  errors: JobError[]
  /** JSON text of the value that `handle` returned, if it was neither `true` nor `undefined`. */
  result?: string
  reason?: CancelReason
  /**
   * For a job that waits for its next run, why the last run put the job back. For a cancelled job, the reason
   * that the person gave who cancelled the job.
   */
  because?: string
  /** The names of the signals that make a suspended job due earlier. */
  suspended?: string[]
  /** Present if the steps are being undone before the job ends as failed or cancelled. */
  undoing?: true
  /**
   * Present if the last worker put the job back because it could not read the job. Since this time, the job
   * has been waiting for another worker.
   */
  strandedSince?: number
  /** JSON text of the progress that the job reported last. */
  progress?: string
}

/** A complete record, from which a job can be restored. */
export interface WholeRecord extends JobRecord {
  /** What the job's steps have recorded, and its signals. */
  journal?: WholeJournal
}

/**
 * How the run of a claimed job ended, as its worker reports it to the store.
 *
 * An `unstarted` job was claimed but not started: the job goes back to the head of its queue, or is delayed,
 * and no run is counted. A `released` job ran, and goes back without having failed. A `suspended` job waits,
 * and later continues where it stopped (`store/contract/journals.ts`). Every outcome may carry the log of the
 * run, and entries of its journal.
 */
export type Outcome = (
  | { kind: 'completed'; result?: string }
  /**
   * `retryIn`: milliseconds until the retry. If `retryIn` is absent, the job has failed and is not retried.
   * In that case, `untold` says that `failed()` of its class was not called, because no handler could run:
   * see `effect.ts`. `alike`: the fingerprint that the job shares with other jobs that failed for the same
   * reason (`run/fingerprint.ts`).
   */
  | { kind: 'failed'; error: JobError; retryIn?: number; untold?: boolean; alike?: string }
  /**
   * `in`: milliseconds until the job is due. `pauses`: until then, no other job of its group, or of its
   * partition, begins either. `keepsPlace`: the job gets back its former place in the queue, and `in` is only
   * the length of the pause. `because`: the reason, for people, in a few words. `isStranded`: the worker
   * could not read the job, because it does not know the key, the version of the payload, or the format.
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
  /** `in`: milliseconds until the job is due. If `in` is absent, the job is due at once. */
  | { kind: 'unstarted'; in?: number }
  /**
   * `in`: milliseconds until the job is due. `waits`: the names of the signals that make the job due earlier.
   * `heard`: how many signals the run knew. `undoing`: present if the steps of the job must be undone before
   * the job ends. The text says how the job ends after that (`rules/undoing.ts`). `rests`: the store must
   * record how long the job is suspended (`Journal.rested`).
   */
  | ({ kind: 'suspended'; in: number; waits: readonly string[]; heard: number } & {
      undoing?: string
      rests?: true
      /**
       * The names to show to people instead of `waits`, if `waits` has internal names. These names are not
       * stored.
       */
      awaits?: readonly string[]
    })
  | { kind: 'cancelled'; reason: CancelReason; error?: JobError }
) & {
  log?: LogLine[]
  /** JSON text of the latest progress report that the run has not sent yet. */
  progress?: string
  /**
   * How long the run took, in milliseconds. Present only for a completed job of a schedule (`tick.ts`), for
   * the history of the schedule.
   */
  took?: number
  /** The entries that the run has recorded and not sent yet. */
  steps?: Recorded
}

/** A worker, in the form in which people see it. */
export interface WorkerRecord {
  /** The id of the worker, which is also the caller of its claims. */
  id: string
  host: string
  pid: number
  /** The queues that the worker serves. If `strict`, the worker serves the queues in this order. */
  queues: string[]
  strict: boolean
  concurrency: number
  /** How many jobs are running now. */
  running: number
  /**
   * The job that runs alone: the worker starts no other job beside this job, because the job may have killed
   * its process before. `until`: the latest time at which other jobs start again, by the clock of the worker.
   * Absent if no job runs alone, or if the worker's version of Lark does not report this.
   */
  alone?: { job: string; until: number }
  /**
   * The handler that is blocking the worker's event loop now, according to the lease thread. Absent if no
   * handler is blocking the event loop, or if the lease thread does not know.
   */
  blocks?: BlockingNow
  /** The classes that have blocked the worker's event loop within the last hour. Absent if there are none. */
  blocked?: BlockedLoop[]
  /** The keys and aliases of the worker's job classes. */
  keys: string[]
  /** The time at which the worker started, by the worker's clock. */
  startedAt: number
  /**
   * The time at which the worker announced this record, by the worker's clock. A worker announces its record
   * every five seconds. Absent if the worker's version of Lark does not report this time.
   */
  seenAt?: number
  state: WorkerState
  /**
   * Present if the worker can restart by ending, because a supervisor or a service manager starts it again.
   * Absent if the worker belongs to an application, which must be restarted as a whole, or if its version of
   * Lark does not report this.
   */
  restarts?: true
  /**
   * Present if a supervisor (`--processes`) has started the process of the worker. Absent if no supervisor
   * has, or if the worker's version of Lark does not report this.
   */
  supervised?: true
  /** The version of Lark. Absent if the version is too early to report itself. */
  version?: string
  /** The release of the application. Absent if the configuration has none. */
  release?: string
  /** The stored names of the limiters that the worker has used, at most 100. Absent if there are none. */
  limiters?: string[]
  circuits?: string[]
  /** The limits of those limiters that belong to a class, by name. Absent if there are none. */
  ownLimits?: Record<string, Limits>
  /**
   * For each named circuit, at most 100 keys of jobs that have used the circuit. Absent if there are no
   * circuits.
   */
  circuitKeys?: Record<string, string[]>
  /** The schedules that the worker declares, with the hash of each definition. Absent without schedules. */
  schedules?: Record<string, string>
}

/**
 * `quiet`: the worker takes no more jobs. `stopping` and `restarting`: the worker takes no more jobs, and
 * ends when its running jobs have ended.
 */
export const workerStates = ['running', 'quiet', 'stopping', 'restarting'] as const
export type WorkerState = (typeof workerStates)[number]

/** The record that a worker announces to the store. */
export interface AnnouncedWorker extends WorkerRecord {
  /**
   * The counts of the worker's runs. Absent if no run has begun, or if the worker's version of Lark does not
   * report these counts.
   */
  runs?: WorkerRuns
}
