/**
 * All errors of the job queue, each with a code that does not change.
 *
 * There are three kinds of errors: mistakes of a caller (thrown by `dispatch`, `createJobs`, and the loading
 * of jobs), failures of a store (thrown by the verbs of the store, see `store/contract/store.ts`), and
 * reasons why a run ended (`this.signal.reason` in the handler, or the error that is kept with the job).
 * `docs/errors.md` has an entry for each code.
 */
import { branded, defined, LarkError } from '@s18i/lark/internal'
import type { CancelReason } from './record.ts'

/** Marks an error of the queue in every copy of this package. */
const brand = Symbol.for('s18i.lark.jobs.error')

/** Every error code, with its meaning in one line. */
export const jobsErrors = {
  UNKNOWN_QUEUE: 'The job names a queue that the configuration does not list.',
  UNKNOWN_JOB: 'No job with this key is known to the program that dispatches it.',
  UNKNOWN_LIMITER: 'A middleware names a limiter that the configuration does not have.',
  PAYLOAD_NOT_JSON: 'Something in the payload has no JSON form.',
  PAYLOAD_INVALID: 'The schema of the class refuses the payload.',
  PAYLOAD_VERSION: 'The payload is of an earlier version, and was not converted.',
  PAYLOAD_TOO_LARGE: 'The payload, as JSON, has more bytes than the limit.',
  CONTEXT_NOT_JSON: 'Something in the context has no JSON form.',
  CONTEXT_TOO_LARGE: 'The context, as JSON, has more bytes than the limit.',
  STORE_UNREACHABLE: 'The store did not answer; certainly nothing was queued.',
  DISPATCH_UNCERTAIN: 'The dispatch was sent and got no answer; the job may be queued.',
  ALREADY_CONFIGURED: 'Jobs.configure() was called with another configuration than before.',
  CONFIGURED_LATE: 'Jobs.configure() was called after Jobs had been used.',
  STORE_NOT_CONFIGURED: 'NODE_ENV is production, and no store is configured.',
  STORE_INVALID: 'The connection string names no store that Lark knows.',
  STORE_REFUSED: 'The store refused to write: read-only, out of memory or disk.',
  STORE_UNCERTAIN: 'A call to the store was sent and got no answer.',
  STORE_DAMAGED: 'A key of Lark contains data that Lark did not write.',
  SQLITE_MISSING: 'The embedded store found no SQLite library to use.',
  LAYOUT_UNKNOWN: 'Another version of Lark created this store.',
  JOB_INVALID: 'A job class is not valid: it has no stable key, or a field with a wrong value.',
  TOO_MANY_PRIORITIES: 'The jobs of a queue have 256 other priorities already.',
  JOB_KEY_TAKEN: 'Two job classes have the same key, or one class has two keys.',
  JOB_FAILED_TO_LOAD: 'A job file threw while it was imported.',
  JOB_ID_INVALID: 'The value that was passed as the id of a job is not a valid id.',
  JOB_ID_AMBIGUOUS: 'Several queues have a job with this id.',
  JOB_NOT_FOUND: 'No job has this id.',
  JOB_NOT_RETRIABLE: 'The job is in a state that cannot be retried.',
  JOB_NOT_MOVABLE: 'The job runs, has ended, or is in that queue already, and cannot be moved.',
  JOB_NOT_PENDING: 'The job runs or has ended, and its due time and priority cannot be changed.',
  JOB_NOT_CANCELLABLE: 'The job has ended, and cannot be cancelled.',
  JOB_NOT_EDITABLE: 'The job runs, and its payload cannot be changed.',
  COMMAND_NOT_EDITABLE: 'A job that runs a command was to be edited into one that runs another.',
  JOB_NOT_REMOVABLE: 'The job runs, and cannot be removed.',
  IMPORT_INVALID: 'A value to import is not the record of a job.',
  FILTER_INVALID: 'The filter is empty, or has a condition that is unknown or has no value.',
  CURSOR_INVALID: 'The cursor of a list or of an event is damaged, or belongs elsewhere.',
  SCHEDULE_INVALID: 'The definition of a schedule is not valid.',
  SCHEDULE_NOT_FOUND: 'No schedule has this id.',
  SCHEDULE_TAKEN: 'A job class or a command declares a schedule with this id.',
  FLOW_NOT_FOUND: 'No flow has this id.',
  FLOW_ID_AMBIGUOUS: 'Several queues have a flow with this id.',
  OPERATE_INVALID: 'operate() was given something that is not an instance of Jobs.',
  PAUSE_INVALID: 'The options of a pause are not valid.',
  CHANGE_INVALID: 'The options of a change at a pace are not valid.',
  CHANGE_NOT_FOUND: 'There is no change at a pace with this id.',
  HTTP_UNAVAILABLE: 'jobs:work --http cannot listen on that port.',
  HANDLE_RETURNED_FALSE: 'handle() returned false: a failed attempt.',
  RESULT_NOT_JSON: 'handle() returned something that has no JSON form.',
  PROGRESS_INVALID: 'this.progress() was given something that has no JSON form, or is too large.',
  JOB_TIMED_OUT: 'The attempt took longer than its timeout.',
  JOB_FAILED_ITSELF: 'The job called this.fail() without an error.',
  JOB_RELEASED: 'The job called this.release(): thrown to end its handler.',
  JOB_SUSPENDED: 'The job waits, and is put back: middleware sees this.',
  STEP_INVALID: 'An argument of a step, a wait or a signal is not valid.',
  STEP_TWICE: 'A run used the name of a step twice.',
  STEP_OUTSIDE: 'A step was used outside of a run.',
  JOB_UNDONE: 'The job ends, and its steps are undone: middleware sees this.',
  UNDO_FAILED: 'The steps of a job that failed or was cancelled could not be undone.',
  STEP_NOT_AWAITED: 'The handler ended before its steps.',
  STEP_TIMED_OUT: 'A try of a step took longer than its timeout.',
  APPROVAL_INVALID: 'The token does not belong to an approval of this store.',
  SIGNALS_FULL: 'A job has a thousand signals, or 4 MiB of them, and takes no more.',
  STEPS_TOO_MANY: 'The steps of a job recorded more than a journal holds.',
  JOURNAL_DAMAGED: 'The records of the steps of a job cannot be read.',
  RETRY_UNTIL_PASSED: 'The job released itself to a time past its retryUntil.',
  NEXT_MISUSED: 'A middleware called next() twice, or after it had ended.',
  JOB_CANCELLED: 'The job was cancelled.',
  LEASE_LOST: 'The worker lost its lease on the job; another may be running it.',
  WORKER_INVALID: 'The options of a worker are not valid.',
  JOB_NOT_QUEUED: 'The job whose result is awaited was not queued, because its queue was full.',
  JOB_FAILED: 'The job whose result is awaited has failed for good.',
  JOB_REMOVED: 'The job whose result is awaited was removed before it had ended.',
  RESULT_TIMEOUT: 'The job whose result is awaited has not ended in time.',
  RESULT_GONE: 'The store does not know the job whose result is awaited, or no longer knows it.',
  RESULT_DROPPED: 'The job has completed, but the value that it returned could not be kept.',
  FLOW_INVALID: 'The definition of a flow is not valid.',
  FLOW_TOO_LARGE: 'A flow has too many nodes or bytes, or flows in it are nested too deep.',
  FILL_ABANDONED: 'The batch did not get all of its members: the process that filled it died, or failed.',
  FLOW_ENDED: 'Something was added to a flow that has ended or is ending.',
  FLOW_ENDING:
    'A flow was to start again, but has not ended yet: it was cancelled or has failed, and some of its jobs still run.',
  FLOW_LATE: 'A flow that had not ended in time was to start again, without a new limit for its time.',
  FLOW_FAILED: 'The flow whose result is awaited has failed.',
  FLOW_CANCELLED: 'The flow whose result is awaited was cancelled.',
  FLOW_WAITS_FOR_ITSELF: 'A job of a flow waits for the result of this flow.',
  OUTBOX_NOT_CONFIGURED: 'The configuration names no database for the outbox.',
  OUTBOX_AWAY: 'The database of the outbox does not answer.',
  OUTBOX_NO_TRANSACTION: 'The handle that a dispatch was given is not in a transaction.',
  OUTBOX_HANDLE_UNKNOWN:
    'The handle that a dispatch was given does not come from a database client that Lark knows.',
  OUTBOX_NO_TABLE: 'The database has no table for the outbox, or one of an earlier version.',
  OUTBOX_REFUSED: 'The database refused the row of a dispatch in a transaction.',
  RESULT_NOT_KNOWN: 'The result of a node is used as a value while its flow is built.',
  COMMAND_FAILED: 'A command that ran as a job ended with an exit code other than 0.',
  BOOT_FAILED: 'The function boot of the configuration threw.',
  RECORD_DAMAGED: 'The record of the job in the store is damaged.',
  WORKER_DIED: 'The worker died, or went silent, while it ran the job.',
  PROCESS_DIED: 'The process of an isolated job ended before the job did.',
  MEMORY_EXCEEDED: 'An isolated job had more memory than its class allows, and its process was killed.',
  WORKER_STOPPED: 'The worker stopped before the job had ended.',
  FAKE_ASSERTION: 'An assertion about the dispatches and runs of a test does not hold.',
  FAKE_AMBIGUOUS: 'Several tests have a fake, and Lark cannot tell to which of them a call belongs.',
  FAKE_ENDED: 'A fake was used after its end.',
  FAKE_ENDLESS: 'The jobs of a test go on for ever.',
  FAKE_IDLE: 'A test waits for something that cannot happen, because nothing is left to run.',
  FAKE_INVALID: 'A call of a fake has a wrong argument, or does not fit the situation.',
} as const

export type JobsErrorCode = keyof typeof jobsErrors

export interface JobsErrorOptions {
  /** Advice: what the reader of the message can do about the error. */
  hint?: string | undefined
  /** The error that led to this error. */
  cause?: unknown
  /** The exit code with which the `lark` program ends. Default 1. */
  exit?: number
  /** The id of the affected job. */
  id?: string | undefined
  /**
   * The ids of the affected jobs, if there are several: for example, the ids of a chunk of `dispatchMany`.
   */
  ids?: string[] | undefined
  /** The ids of the jobs that are queued, if a dispatch of many jobs failed half-way. */
  queued?: string[] | undefined
  /** Why the job was cancelled. */
  reason?: CancelReason | undefined
  /** The reason in words, given by the person who cancelled the job. */
  because?: string | undefined
}

/**
 * An error of the job queue.
 *
 * @example
 * try {
 *   await new SendEmailJob().dispatch({ to })
 * } catch (error) {
 *   if (!JobsError.is(error, 'STORE_UNREACHABLE')) throw error
 *   await keepForLater(to)
 * }
 */
export class JobsError extends LarkError {
  override readonly name: string = 'JobsError'
  declare readonly code: JobsErrorCode
  declare readonly id?: string
  declare readonly ids?: string[]
  declare readonly queued?: string[]
  declare readonly reason?: CancelReason
  declare readonly because?: string

  constructor(code: JobsErrorCode, message: string, options: JobsErrorOptions = {}) {
    super(code, message, options)
    const { id, ids, queued, reason, because } = options
    Object.assign(this, defined({ id, ids, queued, reason, because }))
  }

  /**
   * Whether a value is an error of the queue, thrown by this copy of the package or by another copy.
   *
   * @param code if given, the code that the error must also have
   * @example if (JobsError.is(error, 'DISPATCH_UNCERTAIN')) await lookFor(error.id!)
   */
  static override is<C extends JobsErrorCode>(value: unknown, code?: C): value is JobsError & { code: C } {
    return LarkError.is(value) && brand in value && (code === undefined || value.code === code)
  }

  /**
   * Makes a copy of the error. If several calls fail because of one error, each call throws a copy of its
   * own.
   *
   * @internal
   * @param changes the fields that differ in the copy
   */
  again({ message = this.message, ...changes }: JobsErrorOptions & { message?: string } = {}): JobsError {
    const { code, hint, cause, exit, id, ids, queued, reason, because } = this
    const all = { hint, cause, exit, id, ids, queued, reason, because }
    return new JobsError(code, message, { ...all, ...changes })
  }
}
Object.defineProperty(JobsError.prototype, brand, { value: true })
branded(JobsError, (value) => JobsError.is(value))
