/**
 * What Lark knows of a job class: its name in the store and its settings, checked once, when the class is first
 * dispatched or registered with a worker.
 *
 * Dispatcher and worker know job classes only through this page, so that neither depends on the class that users
 * extend (`job.ts`). A class is told by its brand, never by `instanceof`: a process may hold several copies of
 * this package.
 */
import { isSameFunction } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import type { CancelReason } from '../model/record.ts'
import type { Run } from '../model/run.ts'
import { textOf } from '../model/thrown.ts'
import { originOf } from './class-name.ts'
import { type GroupBy, groupProblem } from './group.ts'
import { check, isName, type JobSettings, settingsOf, type Written } from './job-settings.ts'
import { type LimiterBy, limiterProblem } from './limiter.ts'
import type { Middleware } from './middleware.ts'
import { problemOf, type Rejection, type Unique } from './unique.ts'

/** Marks the prototype of `Job`, in every copy of this package. */
export const jobBrand = Symbol.for('s18i.lark.job')
/** Where a job keeps the run it is in. */
export const currentRun = Symbol.for('s18i.lark.job.run')
/** Where a job keeps the ids of its last dispatch. */
export const dispatchedIds = Symbol.for('s18i.lark.job.ids')

/** Marks the methods of `Job` that do nothing, so that one of a class's own is told from them in every copy. */
export const idle = Symbol.for('s18i.lark.job.idle')
/** Where a job keeps why its last dispatch was not queued. */
export const dispatchRejection = Symbol.for('s18i.lark.job.rejection')

/** The fields of a job that say how it is queued and run. */
export interface JobLike extends Written {
  key?: string
  aliases: readonly string[]
  unique?: unknown
  group?: unknown
  limiter?: unknown
  retryIf?(error: unknown): unknown
  failed?(error: unknown, payload?: unknown): unknown
  cancelled?(payload: unknown, reason: CancelReason): unknown
  middleware?(): readonly Middleware[]
  handle(payload?: unknown): unknown
  /** @internal */
  [currentRun]?: Run | undefined
  /** @internal */
  [dispatchedIds]?: string[] | undefined
  /** @internal */
  [dispatchRejection]?: Rejection | undefined
}

export type JobConstructor = new () => JobLike

/** The arguments of `dispatch`, read off the class's own `handle`: its payload, or nothing. */
export type PayloadOf<J> = J extends { handle(...args: infer A): unknown }
  ? A extends readonly [] | readonly [payload?: unknown]
    ? A
    : never
  : never

/** What `dispatchNow` resolves to. */
export type ResultOf<J> = J extends { handle(...args: never): infer R } ? Awaited<R> : never

export interface JobClass extends JobSettings {
  key: string
  /** Whether the class gives it; else it is the name of the class. */
  hasKey: boolean
  aliases: readonly string[]
  /** For people: the name of the class, else its key. */
  name: string
  make: JobConstructor
  /** Whether it has a `retryIf` of its own. */
  hasRetryIf: boolean
  /** Whether it has a `failed` of its own. */
  hasFailed: boolean
  /** Whether it has a `cancelled` of its own. */
  hasCancelled: boolean
  /** What its jobs need permits of. */
  limiter: string | LimiterBy | undefined
  /** The outermost first. */
  middleware: readonly Middleware[]
  /** The settings as the class writes them. */
  written: Written
}

const known = new WeakMap<object, JobClass>()

export function isJobClass(value: unknown): value is JobConstructor {
  return typeof value === 'function' && value.prototype?.[jobBrand] === true
}

/**
 * The class of a job, checked.
 *
 * @throws JOB_INVALID naming class, field, value, and what would be right
 */
export function classOf(make: JobConstructor): JobClass {
  const before = known.get(make)
  if (before !== undefined) return before
  const job = instance(make)
  const name = make.name
  const key = job.key ?? name
  const settings = settingsOf(job, name || key)
  check(
    name || key,
    'aliases',
    job.aliases,
    "a list of texts, such as ['old-name']",
    Array.isArray(job.aliases) && job.aliases.every(isName),
  )
  if (job.key === undefined) checkName(make)
  check(name || key, 'key', key, "a text, such as 'send-email'", isName(key))
  checkTogether(job, name || key)
  const again = instance(make).key ?? name
  if (again !== key) {
    throw new JobsError('JOB_KEY_TAKEN', `${name}: one class under two keys, '${key}' and '${again}'`, {
      hint: 'A key must be the same for every job of its class.',
    })
  }
  const { queueName, priority, delay, tries, retryUntil, expiresIn, backoff, timeout } = job
  const found = {
    ...settings,
    key,
    hasKey: job.key !== undefined,
    aliases: job.aliases,
    // A name that a minifier made tells nobody anything.
    name: name === '' || originOf(make) === 'made' ? key : name,
    make,
    hasRetryIf: hasOwn(job, 'retryIf', name || key),
    hasFailed: hasOwn(job, 'failed', name || key),
    hasCancelled: hasOwn(job, 'cancelled', name || key),
    limiter: limiterOf(job, name || key),
    middleware: middlewareOf(job, name || key),
    written: { queueName, priority, delay, tries, retryUntil, expiresIn, backoff, timeout },
  }
  known.set(make, found)
  return found
}

/**
 * Refuses a class without a key that has no name, or a name that a minifier made. Warns of a name that a minifier may
 * have made.
 *
 * @throws JOB_INVALID
 */
function checkName(make: JobConstructor): void {
  const { name } = make
  const advice = "give it a key, such as readonly key = 'send-email'"
  const isNone = name === '' || name === 'default'
  const origin = originOf(make)
  if (origin === 'given' && !isNone) return
  if (origin === 'doubtful') {
    const text = `The code of job class ${name} is minified, and it has no key: if the build shortened its name, the next build changes it, and no worker knows the jobs`
    process.emitWarning(`${text}: ${advice}`, { code: 'LARK_JOB_NAME' })
    return
  }
  throw new JobsError(
    'JOB_INVALID',
    isNone
      ? 'A job class has no name and no key'
      : `${name}: a minifier made this name, and the class has no key`,
    { hint: `Jobs are stored under their key, which is the name of the class if it has none: ${advice}.` },
  )
}

/** Whether a job's settings are those of its class: most are, and were checked with it. */
export function isAsWritten(job: JobLike, { written }: JobClass): boolean {
  return (
    job.delay === written.delay &&
    job.queueName === written.queueName &&
    job.priority === written.priority &&
    job.tries === written.tries &&
    job.retryUntil === written.retryUntil &&
    job.expiresIn === written.expiresIn &&
    job.timeout === written.timeout &&
    (job.backoff === written.backoff || isSameFunction(job.backoff, written.backoff)) &&
    // A list may have been changed in its place.
    !Array.isArray(job.backoff)
  )
}

/** Whether a class has such a method of its own, and not that of `Job`, which does nothing. */
function hasOwn(job: JobLike, method: 'retryIf' | 'failed' | 'cancelled', name: string): boolean {
  const own = job[method] as (((...args: never[]) => unknown) & { [idle]?: true }) | undefined
  check(name, method, own, 'a method', own === undefined || typeof own === 'function')
  return own !== undefined && own[idle] !== true
}

/** Asked for once: what stands around a job does not depend on which one it is. */
function middlewareOf(job: JobLike, name: string): readonly Middleware[] {
  const right = 'a method that returns a list of functions'
  if (job.middleware === undefined) return []
  check(name, 'middleware', job.middleware, right, typeof job.middleware === 'function')
  let list: unknown
  try {
    list = job.middleware()
  } catch (cause) {
    throw new JobsError('JOB_INVALID', `${name}: middleware() threw: ${textOf(cause)}`, { cause })
  }
  const isList = Array.isArray(list) && list.every((each) => typeof each === 'function')
  check(name, 'middleware()', list, right.slice(right.indexOf('a list')), isList)
  return [...(list as Middleware[])]
}

/**
 * How a job is unique; undefined when it is not.
 *
 * @throws JOB_INVALID
 */
export function uniqueOf({ unique }: JobLike, name: string): Unique | undefined {
  return checked(unique, problemOf, name)
}

/**
 * How jobs are grouped; undefined when they are not.
 *
 * @throws JOB_INVALID
 */
export function groupOf({ group }: JobLike, name: string): GroupBy | undefined {
  return checked(group, groupProblem, name)
}

/** Refuses what does not go together. @throws JOB_INVALID */
function checkTogether(job: JobLike, name: string): void {
  const { concurrency, rate, strict = false } = groupOf(job, name) ?? {}
  const keepsLast = uniqueOf(job, name)?.keepLast ?? false
  const isBound = keepsLast || strict || concurrency !== undefined || rate !== undefined
  if (keepsLast)
    check(name, 'group', job.group, 'absent: keepLast has groups of its own', job.group === undefined)
  const { weight } = (limiterOf(job, name) ?? {}) as LimiterBy
  const right =
    'a number where a group has limits or a strict order, which are those of jobs that need the same'
  check(name, 'limiter.weight', weight, right, !isBound || typeof weight !== 'function')
}

/**
 * What jobs need permits of; undefined when of nothing.
 *
 * @throws JOB_INVALID
 */
export function limiterOf({ limiter }: JobLike, name: string): string | LimiterBy | undefined {
  return checked(limiter, limiterProblem, name)
}

/** An option of a class, if it has it. @param problemOf its field, value, and what would be right; or nothing */
function checked<T>(
  option: unknown,
  problemOf: (option: unknown) => [field: string, value: unknown, right: string] | undefined,
  name: string,
): T | undefined {
  const problem = option === undefined ? undefined : problemOf(option)
  if (problem !== undefined) check(name, ...problem, false)
  return option as T | undefined
}

function instance(make: JobConstructor): JobLike {
  try {
    return new make()
  } catch (cause) {
    throw new JobsError(
      'JOB_INVALID',
      `${make.name || 'A job class'}: its constructor threw: ${textOf(cause)}`,
      {
        cause,
        hint: 'A worker makes a new job for every run, with no arguments: do the work in handle().',
      },
    )
  }
}
