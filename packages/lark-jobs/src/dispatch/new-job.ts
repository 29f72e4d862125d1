/**
 * Makes the records of a job with its payloads, or the record of a draft. A record has only those settings in
 * which the job differs from its class.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Backoff, isSameFunction } from '../model/backoff.ts'
import { type Context, context } from '../model/context.ts'
import { JobsError } from '../model/errors.ts'
import { newId } from '../model/id.ts'
import { MAX_CONTEXT } from '../model/payload.ts'
import { type Group, type JobOptions, type Keep, MAX_TAGS, type NewJob } from '../model/record.ts'
import { lengthOf } from '../model/trace.ts'
import { groupFor } from '../options/group.ts'
import {
  classOf,
  type JobClass,
  type JobConstructor,
  type JobLike,
  settingsOf,
} from '../options/job-class.ts'
import type { JobSettings, WrittenSettings } from '../options/job-settings.ts'
import { isOwnOption, needOf, weight } from '../options/limiter.ts'
import { type OwnId, ownIdOf } from '../options/own-id.ts'
import { writePayload } from '../options/payload-rules.ts'
import { isTags, MAX_TAG, tagsFor, tagsForm } from '../options/tags.ts'
import { lockOf, oneByOne } from '../options/unique.ts'
import { shown } from '../words/secret.ts'
import { textOf } from '../words/thrown.ts'
import type { OpenPayload } from './open-payload.ts'

/** Records of one class that go to one queue. */
export interface NewJobs {
  /** The name of the class, for people. */
  name: string
  queue: string
  records: NewJob[]
}

/** The data of a draft about its job. */
export interface Drafted {
  Class: JobConstructor
  /** The fields of the job, at least those that differ from its class. */
  fields: WrittenSettings
  payload: unknown
  ownId?: OwnId
  /** Tags in addition to the tags of the class. */
  tags?: readonly string[]
  /** The key of the job, if its class runs jobs of every key (`EVERY_KEY`). */
  key?: string
  /** How long the job is kept after it has ended, if the class sets another time. */
  keep?: Keep
  /** Values that are added to the context in which the job is dispatched. */
  context?: Context
  /** The transaction of the application in which the job is dispatched. */
  transaction?: { tx: unknown }
}

/**
 * Makes the records of a job: one for each payload.
 *
 * @throws JOB_INVALID, PAYLOAD_NOT_JSON, PAYLOAD_TOO_LARGE, before anything is sent
 */
export function newJobs(job: JobLike, payloads: readonly unknown[]): NewJobs {
  const jobClass = classOf(job.constructor as JobConstructor)
  const settings = settingsOf(job, jobClass)
  if (!Array.isArray(payloads)) {
    throw new JobsError('PAYLOAD_NOT_JSON', `${jobClass.name}: dispatchMany() takes a list of payloads`)
  }
  return recordsOf(jobClass, settings, payloads)
}

/**
 * Makes the record of a draft.
 *
 * @param open the payload, if it has open results: `payload` is the value that is stored, and `probe` is the
 *   value that the functions of the class receive
 * @throws the errors of `newJobs`; RESULT_NOT_KNOWN if a function of the class reads an open result
 */
export function draftedJob(
  { Class, fields, payload, ownId, tags, key, keep, context: own }: Drafted,
  open?: Pick<OpenPayload, 'payload' | 'probe'>,
): NewJobs {
  const jobClass = classOf(Class)
  const settings = settingsOf({ ...jobClass.written, ...fields }, jobClass)
  const text = open && writePayload(open.payload, jobClass, true)
  const made = recordsOf(jobClass, settings, [open === undefined ? payload : open.probe], tags, text)
  const record = made.records[0]!
  if (key !== undefined) record.key = key
  if (keep !== undefined) record.keep = keep
  if (own !== undefined)
    record.options = { ...record.options, context: { ...record.options?.context, ...own } }
  if (ownId !== undefined) giveId(record, ownIdOf(ownId, jobClass.name))
  return key === undefined ? made : { ...made, name: key }
}

/** Gives a record the id that the application chose. */
function giveId(record: NewJob, own: ReturnType<typeof ownIdOf>): void {
  if (own.ownId === 'reuse') record.options = { ...record.options, born: record.id }
  Object.assign(record, own)
}

function recordsOf(
  jobClass: JobClass,
  settings: JobSettings,
  payloads: readonly unknown[],
  more?: readonly string[],
  text?: string,
): NewJobs {
  const { queueName, priority, delay, unique, group, limiter, tags = more } = settings
  const here = context()
  const isPlain = jobClass.rules === undefined && jobClass.maxCrashes === undefined
  const different =
    settings === jobClass && here === undefined && isPlain ? undefined : differences(settings, jobClass, here)
  if (isOwnOption(limiter) && !isOwnOption(jobClass.limiter))
    throw new JobsError(
      'JOB_INVALID',
      `${jobClass.name}: limiter has limits of this job alone; it must be the limiter of the class, or one of jobs.limiters`,
    )
  const hooked = jobClass.hasFailed || jobClass.hasCancelled
  const records = payloads.map((payload) => {
    const record: NewJob = {
      id: newId(),
      key: jobClass.key,
      payload: text ?? writePayload(payload, jobClass),
    }
    if (priority !== 0) record.priority = priority
    if (delay !== 0) record.delay = delay
    if (different !== undefined) record.options = different
    if (tags !== undefined) tag(record, payload, tags, more, jobClass.name)
    if (hooked) record.hooked = true
    if (jobClass.keep !== undefined) record.keep = jobClass.keep
    if (group !== undefined) record.group = groupOfPayload(payload, group, jobClass.name)
    if (limiter !== undefined) record.limiter = needOfPayload(payload, limiter, jobClass)
    if (unique !== undefined) lock(record, payload, unique, jobClass)
    return record
  })
  return { name: jobClass.name, queue: queueName, records }
}

/** The type of a setting that is not absent. */
type Of<Name extends keyof JobSettings> = NonNullable<JobSettings[Name]>

/**
 * Adds the lock of a unique job.
 *
 * @throws JOB_INVALID if the class's function throws, or returns no valid name
 */
function lock(record: NewJob, payload: unknown, unique: Of<'unique'>, { key, name }: JobClass): void {
  const lock = named(name, 'unique', 'the jobs that are alike', () => lockOf(unique, key, payload))
  record.lock = lock
  if (unique.keepLast) record.group = oneByOne(lock.name)
  if (lock.debounce !== undefined) record.delay = Math.max(record.delay ?? 0, lock.debounce)
}

/** @throws JOB_INVALID if the class's function throws, or if its result is not a valid list of tags */
function tag(
  record: NewJob,
  payload: unknown,
  option: Of<'tags'>,
  more: readonly string[] = [],
  name: string,
): void {
  const own = asked(name, 'tags', () => tagsFor(option, payload))
  const all = Array.isArray(own) ? [...new Set([...own, ...more])] : own
  if (!isTags(all))
    throw new JobsError('JOB_INVALID', `${name}: tags are ${shown(all)}; they must be ${tagsForm}`)
  if (all.length > 0) record.options = { ...record.options, tags: all }
}

/** @throws JOB_INVALID if the class's function throws, or returns no valid name */
function groupOfPayload(payload: unknown, group: Of<'group'>, name: string): Group {
  return named(name, 'group', 'the group of a job', () => groupFor(group, payload))
}

/** @throws JOB_INVALID if the class's function throws, or returns no valid weight */
function needOfPayload(payload: unknown, limiter: Of<'limiter'>, { key, name }: JobClass): string {
  const need = asked(name, 'limiter.weight', () => needOf(limiter, key, payload))
  if (need !== undefined) return need
  throw new JobsError('JOB_INVALID', `${name}: limiter.weight gave no weight; it must give ${weight.right}`)
}

/**
 * Calls `of`, and throws JOB_INVALID if the result is a string. `of` returns a string only if the function of
 * the class returned an invalid value: the string describes that value.
 */
function named<T>(name: string, field: string, what: string, of: () => T | string): T {
  const found = asked(name, field, of)
  if (typeof found !== 'string') return found
  throw new JobsError('JOB_INVALID', `${name}: ${field} gave ${found}; it must give a text or a number`, {
    hint: `It names ${what}: ${field}((payload) => payload.id)`,
  })
}

/** Calls a function of the class. @throws JOB_INVALID if the function throws */
function asked<T>(name: string, field: string, of: () => T): T {
  try {
    return of()
  } catch (cause) {
    if (JobsError.is(cause, 'RESULT_NOT_KNOWN'))
      throw cause.again({ message: `${name}: ${field} ${cause.message}` })
    throw new JobsError('JOB_INVALID', `${name}: ${field} threw: ${textOf(cause)}`, { cause })
  }
}

/**
 * The approximate size of a record in a call, in bytes. The function counts one byte for each character, so a
 * call may slightly exceed its limit.
 */
export function bytesOf({ payload, options }: Pick<NewJob, 'payload' | 'options'>): number {
  if (options === undefined) return payload.length
  const { context, tags, redact = [], trace } = options
  const paths = redact.reduce((sum, path) => sum + path.length, 0)
  const own = (context ? MAX_CONTEXT : 0) + (tags ? MAX_TAGS * MAX_TAG : 0) + paths
  return payload.length + own + (trace ? lengthOf(Object.entries(trace)) : 0)
}

function differences(
  settings: JobSettings,
  jobClass: JobClass,
  context: Context | undefined,
): JobOptions | undefined {
  const { tries, retryUntil, expiresIn, timeout, backoff } = settings
  const different: JobOptions = {}
  if (jobClass.maxCrashes !== undefined) different.maxCrashes = jobClass.maxCrashes
  if (tries !== jobClass.tries) different.tries = tries
  if (retryUntil !== jobClass.retryUntil) different.retryUntil = retryUntil ?? 0
  if (expiresIn !== jobClass.expiresIn) different.expiresIn = expiresIn ?? 0
  if (timeout !== jobClass.timeout) different.timeout = timeout
  if (!sameBackoff(backoff, jobClass.backoff)) different.backoff = stored(backoff, jobClass.name)
  if (context !== undefined) different.context = context
  if (jobClass.rules?.redact !== undefined) different.redact = jobClass.rules.redact
  return Object.keys(different).length > 0 ? different : undefined
}

/** @throws JOB_INVALID for a function, which no store can keep */
function stored(backoff: JobSettings['backoff'], name: string): Backoff {
  if (typeof backoff !== 'function') return backoff
  const right = 'a duration, a list of these, or exponential()'
  throw new JobsError('JOB_INVALID', `${name}: backoff is a function of one job; it must be ${right}`, {
    hint: 'A function cannot be stored with a job: write it as a field of the class.',
  })
}

function sameBackoff(one: JobClass['backoff'], other: JobClass['backoff']): boolean {
  if (typeof one === 'function' || typeof other === 'function') return isSameFunction(one, other)
  if (Array.isArray(one) || Array.isArray(other)) return isDeepStrictEqual(one, other)
  return one.from === other.from && one.to === other.to && one.jitter === other.jitter
}
