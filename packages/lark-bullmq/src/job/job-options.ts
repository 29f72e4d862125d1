/** The options of a job in BullMQ, and what corresponds to them in Lark. */
import { defined } from '@s18i/lark/internal'
import { type BackoffOption, context, exponential, JobsError, type UniqueOptions } from '@s18i/lark-jobs'
import { type Drafted, isName, isObject, isReserved, LARGEST, shown } from '@s18i/lark-jobs/internal'
import { checkOptions, refusedValue, unsupported, wrongValue } from '../compared/unsupported.ts'
import type { ChildFailureOptions } from '../flow/flow-rules.ts'
import type { JobTelemetry } from '../store/telemetry.ts'
import { EveryJob } from './every-job.ts'
import { checkRemove, keepOf, type RemoveOption } from './kept-jobs.ts'
import { larkId } from './own-id.ts'
import { larkPriority, MOST } from './priority.ts'
import type { RepeatOptions } from './repeat-options.ts'

export interface BackoffOptions {
  /** `fixed`, `exponential`, or a name that `settings.backoffStrategy` of the worker knows. */
  type: 'fixed' | 'exponential' | (string & {})
  /** Milliseconds. */
  delay?: number
  /** The share of each pause that is random, from 0 to 1. */
  jitter?: number
}

export interface DeduplicationOptions {
  id: string
  /** Milliseconds. */
  ttl?: number
  /** With `ttl` and `replace`: each further job with the same id starts this time again. */
  extend?: boolean
  /** A further job with the same id replaces the data of the first job, if the first job has not begun. */
  replace?: boolean
  /**
   * While a job runs, one more job with the same id may wait. The waiting job has the data that was added
   * last.
   */
  keepLastIfActive?: boolean
}

/** The options that may also be defaults of a queue. */
export interface DefaultJobOptions extends ChildFailureOptions {
  /** The number of attempts, including the first attempt. Default: 1. */
  attempts?: number
  /** The pause before each retry, in milliseconds, or how the pause grows. Default: no pause. */
  backoff?: number | BackoffOptions
  /** Milliseconds. */
  delay?: number
  /**
   * The time at which the job was added, in milliseconds since 1970. The delay of the job counts from this
   * time. Default: now.
   */
  timestamp?: number
  /** Jobs with priority 0 go first, then jobs with priority 1, then 2, up to 2,097,151. Default: 0. */
  priority?: number
  /**
   * With `true`, no job is kept. With a number, this many of the newest jobs are kept. `{ age }` is in
   * seconds. Default: the settings of the queue in Lark.
   */
  removeOnComplete?: RemoveOption
  /** The same as `removeOnComplete`, for jobs that have failed. */
  removeOnFail?: RemoveOption
  /** The maximum size of the data as JSON, in bytes. */
  sizeLimit?: number
  /** The maximum number of lines of the log that `getJobLogs()` returns. Lark keeps the last 100 lines. */
  keepLogs?: number
  /**
   * The maximum number of stack traces in `stacktrace`. Lark keeps the stack traces of the last 10 errors.
   */
  stackTraceLimit?: number
  telemetry?: JobTelemetry
}

/** The job of a flow that waits for a child. */
export interface ParentOptions {
  id: string
  /** The prefix and the name of the queue of that job in BullMQ: `prefix:queue`. */
  queue: string
}

export interface JobsOptions extends DefaultJobOptions {
  /** An id that you choose. While the queue has a job with this id, no other job with this id is added. */
  jobId?: string
  deduplication?: DeduplicationOptions
  /** With this option, `queue.add()` makes a repeatable job, as BullMQ 5 does. */
  repeat?: RepeatOptions
  /** The job that waits for this job, if that job calls `moveToWaitingChildren()`. That job must exist. */
  parent?: ParentOptions
}

/** The options of a job in `queue.addBulk()`. */
export type BulkJobOptions = Omit<JobsOptions, 'repeat'>

/** A job to be added. */
export interface AddedJob {
  name: string
  data: unknown
  /** The options of the job, including the defaults of its queue. */
  opts: JobsOptions
}

type Context = Readonly<Record<string, unknown>>

/**
 * The context of a job keeps the original options of the job under this key. `lark jobs:show` shows the
 * context.
 */
const SLOT = 'bullmq'
/** The options that say what happens to the parent if the job fails. */
const onFailure = [
  'removeDependencyOnFailure',
  'failParentOnFailure',
  'continueParentOnFailure',
  'ignoreDependencyOnFailure',
] as const

/** @throws BULLMQ_UNSUPPORTED, JOB_INVALID */
export function checkJobOptions(who: string, opts: JobsOptions | undefined): JobsOptions {
  if (isObject(opts) && 'debounce' in opts && opts.debounce !== undefined)
    throw unsupported(
      who,
      'the option debounce. Debounce option has been removed. Use deduplication option instead',
      '`deduplication`',
      'unique-jobs.md#options',
    )
  const read = checkOptions(who, 'options of a job', opts)
  const { attempts, delay, priority, backoff, sizeLimit, deduplication } = read
  if (read.repeat !== undefined)
    throw unsupported(
      who,
      'the option repeat here',
      '`repeat` of a job that queue.add() adds',
      'schedules.md',
    )
  const whole = (name: string, value: unknown, most: number) => {
    if (
      value === undefined ||
      (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most)
    )
      return
    throw wrongValue(who, name, value, `a whole number from 0 to ${most}`)
  }
  whole('attempts', attempts, Number.MAX_SAFE_INTEGER)
  if (priority !== undefined && !Number.isInteger(priority))
    throw refusedValue(who, 'priority', priority, 'Priority should not be float')
  if (priority !== undefined && (priority < 0 || priority > MOST))
    throw refusedValue(who, 'priority', priority, `Priority should be between 0 and ${MOST}`)
  checkOwnId(who, read.jobId)
  if (read.telemetry !== undefined && !isObject(read.telemetry))
    throw wrongValue(who, 'telemetry', read.telemetry, '{ metadata, omitContext }')
  whole('sizeLimit', sizeLimit, Number.MAX_SAFE_INTEGER)
  whole('keepLogs', read.keepLogs, Number.MAX_SAFE_INTEGER)
  whole('stackTraceLimit', read.stackTraceLimit, Number.MAX_SAFE_INTEGER)
  if (delay !== undefined && !isTime(delay)) throw wrongValue(who, 'delay', delay, 'milliseconds')
  if (read.timestamp !== undefined && !Number.isFinite(read.timestamp))
    throw wrongValue(who, 'timestamp', read.timestamp, 'milliseconds since 1970')
  checkRemove(who, 'removeOnComplete', read.removeOnComplete)
  checkRemove(who, 'removeOnFail', read.removeOnFail)
  if (backoff !== undefined) checkBackoff(who, backoff)
  if (deduplication !== undefined) uniqueOf(who, deduplication)
  if (read.parent !== undefined && read.parent !== null) checkParent(who, read)
  const rules = onFailure.filter((name) => read[name])
  if (rules.length > 1)
    throw refusedValue(
      who,
      rules[0]!,
      true,
      `The following options cannot be used together: ${rules.join(', ')}`,
    )
  // In BullMQ, an empty id has the same meaning as no id.
  if (read.jobId !== '') return read
  const { jobId: _, ...others } = read
  return others
}

function checkParent(who: string, { parent, deduplication }: JobsOptions): void {
  const { id, queue } = isObject(parent) ? parent : {}
  if (typeof id !== 'string' || typeof queue !== 'string')
    throw wrongValue(who, 'parent', parent, '{ id, queue }, with `prefix:queue` as the queue')
  if (deduplication !== undefined)
    throw refusedValue(who, 'parent', id, 'Deduplication and parent options cannot be used together')
}

/** Checks an id. A dispatch of Lark checks the other rules for ids. */
function checkOwnId(who: string, id: unknown): void {
  if (typeof id !== 'string') return
  if (String(Number.parseInt(id, 10)) === id) throw wrongId(who, id, 'Custom Id cannot be integers')
  // BullMQ takes ids with two colons, because the jobs of its old schedulers had such ids.
  if (id.includes(':') && id.split(':').length !== 3) throw wrongId(who, id, 'Custom Id cannot contain :')
}

/** @param said the whole message of BullMQ */
export function wrongId(who: string, id: string, said: string): JobsError {
  return new JobsError('JOB_INVALID', said, { hint: `${who} was given the jobId ${shown(id)}` })
}

function isTime(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= LARGEST.time
}

function checkBackoff(who: string, backoff: unknown): void {
  if (isTime(backoff)) return
  if (!isObject(backoff))
    throw wrongValue(who, 'backoff', backoff, 'milliseconds, or { type, delay, jitter }')
  const {
    type,
    delay = 0,
    jitter = 0,
  } = checkOptions(who, 'options of backoff', backoff) as Partial<BackoffOptions>
  if (typeof type !== 'string' || type === '')
    throw wrongValue(who, 'backoff.type', type, "'fixed', 'exponential', or the name of a strategy")
  if (!isTime(delay)) throw wrongValue(who, 'backoff.delay', delay, 'milliseconds')
  if (typeof jitter !== 'number' || !(jitter >= 0 && jitter <= 1))
    throw refusedValue(who, 'backoff.jitter', jitter, 'Jitter should be between 0 and 1')
}

/** The options that are stored with a job. @throws JOB_INVALID if the options are too long */
function stored(who: string, opts: JobsOptions): Context {
  const text = JSON.stringify(opts)
  if (text.length <= LARGEST.context) return JSON.parse(text)
  const right = `an object of at most ${LARGEST.context} characters, as JSON`
  throw wrongValue(who, 'the object of options', `${text.slice(0, 40)}…`, right)
}

/**
 * Makes the draft that Lark dispatches for a job.
 *
 * @throws BULLMQ_UNSUPPORTED, JOB_INVALID
 */
export function draftedBy(who: string, queueName: string, { name, data = {}, opts }: AddedJob): Drafted {
  checkName(who, name)
  checkSize(who, name, data, opts.sizeLimit)
  const { attempts, priority, jobId, deduplication } = opts
  const delay = delayFrom(opts)
  const backoff = larkBackoff(opts.backoff)
  const keep = keepOf(opts)
  const kept = stored(who, opts)
  return {
    Class: EveryJob,
    key: name,
    payload: data,
    fields: {
      queueName,
      ...(attempts && { tries: attempts }),
      ...(delay && { delay }),
      ...(priority && { priority: larkPriority(priority) }),
      ...defined({ backoff }),
      ...(deduplication && { unique: uniqueOf(who, deduplication) }),
    },
    ...(jobId !== undefined && { ownId: { id: larkId(jobId), options: {} } }),
    ...(keep && { keep }),
    ...(Object.keys(kept).length > 0 && { context: { [SLOT]: kept } }),
  }
}

/** The delay from now. */
function delayFrom({ delay, timestamp }: JobsOptions): number | undefined {
  if (!delay || timestamp === undefined) return delay
  return Math.max(0, timestamp + delay - Date.now())
}

/** Reads the options with which a job was added from its context. */
export function optionsIn(all: Context | undefined): JobsOptions {
  const opts = all?.[SLOT]
  return isObject(opts) ? { ...opts } : {}
}

/**
 * The current context without the options of BullMQ, because jobs that a processor adds do not inherit these
 * options.
 */
export function contextWithout(): Context | undefined {
  const { [SLOT]: _, ...others } = context() ?? {}
  return Object.keys(others).length > 0 ? others : undefined
}

function checkName(who: string, name: string): void {
  if (!isName(name)) {
    const right = `a text of 1 to ${LARGEST.name} characters, without control characters`
    throw wrongValue(who, 'the name of a job', name, right)
  }
  checkUnreserved(who, 'the name of a job', name)
}

/** The name of a job is its key in Lark. */
export function checkUnreserved(who: string, what: string, name: string): void {
  const right = "a key that does not begin with lark:, because such jobs are Lark's own"
  if (isReserved(name)) throw wrongValue(who, what, name, right)
}

function checkSize(who: string, name: string, data: unknown, limit: number | undefined): void {
  if (limit === undefined) return
  const bytes = Buffer.byteLength(JSON.stringify(data) ?? '')
  if (bytes <= limit) return
  throw new JobsError(
    'PAYLOAD_TOO_LARGE',
    `${who}: the data has ${bytes} bytes. The size of job ${name} exceeds the limit ${limit} bytes`,
  )
}

/**
 * The backoff in the form of Lark. Undefined if the job has no backoff, or if the backoff names a strategy of
 * the worker.
 */
function larkBackoff(backoff: number | BackoffOptions | undefined): BackoffOption | undefined {
  if (backoff === undefined || typeof backoff === 'number') return backoff
  const { type, delay = 0, jitter = 0 } = backoff
  if (type === 'fixed')
    return jitter === 0 || delay === 0 ? delay : exponential({ from: delay, to: delay, jitter })
  // A pause of 0 does not grow.
  if (type === 'exponential') return delay === 0 ? 0 : exponential({ from: delay, to: LARGEST.time, jitter })
  return undefined
}

/**
 * The name of the worker's strategy that computes the pause. Undefined if Lark can compute the pause itself.
 */
export function strategyOf({ backoff }: JobsOptions): string | undefined {
  const type = typeof backoff === 'object' ? backoff.type : 'fixed'
  return type === 'fixed' || type === 'exponential' ? undefined : type
}

/** @throws BULLMQ_UNSUPPORTED for a combination that Lark does not have, JOB_INVALID */
function uniqueOf(who: string, given: DeduplicationOptions): UniqueOptions & { by: () => string } {
  const read = checkOptions(who, 'options of deduplication', given)
  const { id, ttl, extend = false, replace = false, keepLastIfActive = false } = read
  if (typeof id !== 'string' || id === '')
    throw refusedValue(who, 'deduplication.id', id, 'Deduplication id must be provided')
  if (ttl !== undefined && (!isTime(ttl) || ttl === 0))
    throw wrongValue(who, 'deduplication.ttl', ttl, 'milliseconds')
  const by = () => id
  if (keepLastIfActive && ttl === undefined) return { by, keepLast: true }
  if (ttl !== undefined && extend && replace) return { by, debounce: ttl }
  if (ttl !== undefined && !extend && !replace && !keepLastIfActive)
    return { by, until: 'queued', throttle: ttl }
  if (ttl === undefined && !extend) return replace ? { by, replace: true } : { by }
  const names = Object.keys(read).filter((name) => name !== 'id')
  throw unsupported(
    who,
    `deduplication with ${names.join(' and ')} together`,
    'ttl alone throttles, ttl with extend and replace debounces, replace and keepLastIfActive stand alone',
    'unique-jobs.md#options',
  )
}
