/**
 * The settings in the fields of a job class. The comments of `Job` say what each setting does, and the fields
 * of `Job` have the defaults of the settings that are `needed` here. `schema.ts` checks the settings.
 */
import {
  type Backoff,
  type BackoffFunction,
  type BackoffOption,
  MAX_PAUSES,
  normalBackoff,
} from '../model/backoff.ts'
import { MAX_NAME } from '../model/record.ts'
import { durationForm } from '../words/duration.ts'
import { type GroupBy, groupOptions } from './group.ts'
import { type IsolatedOptions, type IsolatedRead, isolatedOptions } from './isolated.ts'
import { classKeep, type KeepOptions } from './keep.ts'
import { limiterOption } from './limiter.ts'
import { type ClassSchedule, classSchedule, type WrittenSchedule } from './schedules/class-schedule.ts'
import { duration, isText, list, Option, option, type Read, Schema, whole } from './schema.ts'
import { tagsOption } from './tags.ts'
import { type Unique, uniqueOptions } from './unique.ts'

const backoff = new Option<BackoffOption, Backoff | BackoffFunction>(
  `${durationForm}, a list of up to ${MAX_PAUSES} of these, exponential(), or a function`,
  (value) => (typeof value === 'function' ? (value as BackoffFunction) : normalBackoff(value)),
)

/** The fields that are the same for every job of a class. */
export const classSettings = new Schema('a job', {
  key: option<string>(`a text of up to ${MAX_NAME} characters, such as 'send-email'`, isName),
  aliases: list<string>(
    `a list of texts of up to ${MAX_NAME} characters, such as ['old-name']`,
    isName,
  ).needed(),
  keep: classKeep as Option<KeepOptions, Read<typeof classKeep.entries>>,
  keepResult: duration(),
  /**
   * The number of crashes of its workers after which a job fails. Default 3, or 10 if the workers may have
   * been killed.
   */
  maxCrashes: whole(1, 100),
  /** The process in which `handle` runs. Default: the process of the worker. */
  isolate: isolatedOptions as Option<IsolatedOptions, IsolatedRead>,
  /** The times at which Lark itself queues jobs of the class. */
  schedule: classSchedule as Option<ClassSchedule, readonly WrittenSchedule[]>,
})

/** The fields that one job may change before it is dispatched. */
export const jobSettings = new Schema(
  'a job',
  {
    /** One of the configured queues. Default `default`. */
    queueName: option<string>("the name of a queue, such as 'emails'", isName).needed(),
    /** The priority within the queue: jobs with a higher priority come first. Default 0. */
    priority: whole(-1_000, 1_000).needed(),
    /** How long to wait before the job is due. Default 0. */
    delay: duration(0).needed(),
    /** The number of attempts, the first one included. Default 15. */
    tries: whole(1).needed(),
    /**
     * The time after the dispatch within which attempts may begin. If this option is set, `tries` is ignored.
     */
    retryUntil: duration(),
    /** The pause before each retry. */
    backoff: backoff.needed(),
    /** The time after which a job that has not begun is no longer started. */
    expiresIn: duration(),
    /** Which jobs belong together: `group((payload) => payload.tenant)`. */
    group: groupOptions as Option<GroupBy, Read<typeof groupOptions.entries>>,
    /** The limiter that must grant a permit before the job begins. */
    limiter: limiterOption,
    /** Which jobs are duplicates: `unique((payload) => payload.id)`. */
    unique: uniqueOptions as Option<Unique, Read<typeof uniqueOptions.entries>>,
    /** How long an attempt may take. Default 30 min. */
    timeout: duration().needed(),
    /** Words with which people find the job. */
    tags: tagsOption,
  },
  ({ unique, group, limiter, expiresIn }, refuse) => {
    if (unique?.debounce !== undefined && expiresIn !== undefined)
      refuse('expiresIn', 'absent: it does not go with debounce, which puts a job off')
    if (unique?.keepLast && group !== undefined) refuse('group', 'absent: keepLast has groups of its own')
    const { concurrency, rate, strict } = group ?? {}
    const isBound = unique?.keepLast || strict || (concurrency ?? rate) !== undefined
    if (isBound && typeof limiter?.weight === 'function')
      refuse('limiter.weight', 'a number, because all jobs of a group must need the same number of permits')
  },
)

/** The settings in their checked form. Durations are in milliseconds. */
export type JobSettings = Read<typeof jobSettings.entries>

/** The settings as fields of a job, before they are checked. */
export type WrittenSettings = { [Name in keyof JobSettings]?: unknown }

/**
 * Converts `retryUntil` and `expiresIn`. For users, both times begin when the job is due. In the result, both
 * times begin when the job is queued.
 *
 * @param read the settings; this object is changed
 */
export function sinceQueued(read: JobSettings): JobSettings {
  const { delay, retryUntil, expiresIn } = read
  if (retryUntil !== undefined) read.retryUntil = retryUntil + delay
  if (expiresIn !== undefined) read.expiresIn = expiresIn + delay
  return read
}

/**
 * The names of the settings in which a job differs from its class. Most jobs differ in no setting. Each
 * dispatch calls this function, so the code repeats every name: a loop over the schema took 300 ns more. For
 * comparison, making the whole record of a job takes 1,500 ns. (2 cores, shared, 2026-11-26.)
 */
export function ownNames(job: WrittenSettings, written: WrittenSettings): (keyof JobSettings)[] {
  const own: (keyof JobSettings)[] = []
  if (job.queueName !== written.queueName) own.push('queueName')
  if (job.priority !== written.priority) own.push('priority')
  if (job.delay !== written.delay) own.push('delay')
  if (job.tries !== written.tries) own.push('tries')
  if (job.retryUntil !== written.retryUntil) own.push('retryUntil')
  // A list always counts as different, because its elements may have changed.
  if (job.backoff !== written.backoff || Array.isArray(job.backoff)) own.push('backoff')
  if (job.expiresIn !== written.expiresIn) own.push('expiresIn')
  if (job.group !== written.group) own.push('group')
  if (job.limiter !== written.limiter) own.push('limiter')
  if (job.unique !== written.unique) own.push('unique')
  if (job.timeout !== written.timeout) own.push('timeout')
  if (job.tags !== written.tags) own.push('tags')
  return own
}

export function isName(value: unknown): boolean {
  return isText(value) && value.length <= MAX_NAME && !/\p{C}/u.test(value)
}
