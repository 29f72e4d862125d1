/**
 * The data of a job class: its name in the store and its settings. The class is checked once, when it is
 * first dispatched or registered with a worker. A dispatch only checks the settings in which the job differs
 * from its class.
 *
 * The dispatcher and the worker use job classes only through this file, so that neither depends on the class
 * that users extend (`api/job.ts`). A class is recognised by its brand, never by `instanceof`: a process may
 * load several copies of this package.
 */
import { isDeepStrictEqual } from 'node:util'
import { nearest } from '@s18i/lark/internal'
import { isSameFunction } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import type { CancelReason, Keep } from '../model/record.ts'
import { shown } from '../words/secret.ts'
import { textOf } from '../words/thrown.ts'
import { originOf } from './class-name.ts'
import type { IsolatedRead } from './isolated.ts'
import type { JobInside, jobInside } from './job-inside.ts'
import {
  classSettings,
  type JobSettings,
  jobSettings,
  ownNames,
  sinceQueued,
  type WrittenSettings,
} from './job-settings.ts'
import { keepFrom } from './keep.ts'
import type { Middleware } from './middleware.ts'
import { type PayloadRules, payloadOptions, rulesOf } from './payload-rules.ts'
import { type ScheduleOfClass, schedulesOf } from './schedules/class-schedule.ts'
import {
  func,
  isObject,
  list,
  type NeededOptionsOf,
  type OptionsOf,
  refuse,
  type Voice,
  voiceOf,
} from './schema.ts'
import type { PayloadInput } from './standard-schema.ts'

/** Marks the prototype of `Job`, in every copy of this package. */
export const jobBrand = Symbol.for('s18i.lark.job')
/**
 * Marks the methods of `Job` that do nothing, so that every copy of this package can distinguish these
 * methods from methods of a class that override them.
 */
export const idle = Symbol.for('s18i.lark.job.idle')

/** The fields of a job that say how it is queued and run. */
export interface JobFields
  extends OptionsOf<typeof classSettings.entries & typeof jobSettings.entries, undefined>,
    NeededOptionsOf<typeof classSettings.entries & typeof jobSettings.entries> {}

/** The members that users write in a job class. */
export interface WrittenJob extends JobFields {
  retryIf?(error: unknown): unknown
  failed?(error: unknown, payload?: unknown): unknown
  cancelled?(payload: unknown, reason: CancelReason, because?: string): unknown
  middleware?(): readonly Middleware[]
  handle(payload?: unknown): unknown
}

export interface JobLike extends WrittenJob {
  /** @internal */
  [jobInside]?: JobInside | undefined
}

// biome-ignore lint/suspicious/noExplicitAny: the parameters are between a class and the `make` of its application
export type JobConstructor = new (...args: any[]) => JobLike

/** The arguments of `dispatch`, inferred from `handle` of the class: the payload, or nothing. */
export type PayloadOf<J> = J extends { handle(...args: infer A): unknown }
  ? A extends readonly [] | readonly [payload?: unknown]
    ? { [I in keyof A]: PayloadInput<A[I]> }
    : never
  : never

/** The type of the value with which `dispatchNow` resolves. */
export type ResultOf<J> = J extends { handle(...args: never): infer R } ? Awaited<R> : never

export interface JobClass extends JobSettings {
  key: string
  /** Whether the class sets its key. If not, the key is the name of the class. */
  hasKey: boolean
  aliases: readonly string[]
  /** How long ended jobs of the class are kept, if the class sets this. */
  keep: Keep | undefined
  /** The number of crashes after which the jobs of the class fail, if the class sets this number. */
  maxCrashes: number | undefined
  /** The options of isolation. Undefined if `handle` runs in the process of the worker. */
  isolate: IsolatedRead | undefined
  /** The name that people see: the name of the class, or the key of the class if a minifier made the name. */
  name: string
  Class: JobConstructor
  /** Whether the class overrides `retryIf`. */
  hasRetryIf: boolean
  /** Whether the class overrides `failed`. */
  hasFailed: boolean
  /** Whether the class overrides `cancelled`. */
  hasCancelled: boolean
  /** The middleware of the class, the outermost first. */
  middleware: readonly Middleware[]
  /** The rules of the class for its payloads. Most classes have no such rules. */
  rules: PayloadRules | undefined
  /** The schedules that the class declares. */
  schedules: readonly ScheduleOfClass[]
  /** The settings as they are written in a job of the class. */
  written: WrittenSettings
  read: JobSettings
}

/** The empty list of schedules, shared by all classes that declare no schedule. */
const none: readonly ScheduleOfClass[] = []

const known = new WeakMap<object, JobClass>()
/** For each key and alias, the class with that key that was last dispatched or registered. */
const byKey = new Map<string, JobClass>()

/** The class with a key, if this process has dispatched or registered it. */
export function classWith(key: string): JobClass | undefined {
  return byKey.get(key)
}

export const jobClasses = list<JobConstructor>('a list of job classes', isJobClass)

export function isJobClass(value: unknown): value is JobConstructor {
  return typeof value === 'function' && value.prototype?.[jobBrand] === true
}

/**
 * Checks the class of a job, and returns the data of the class.
 *
 * @throws JOB_INVALID. The message names the class, the field and the wrong value, and says which values are
 *   valid
 */
export function classOf(Class: JobConstructor): JobClass {
  const before = known.get(Class)
  if (before !== undefined) return before
  const job = instance(Class)
  const voice = voiceOf('JOB_INVALID', Class.name || `${job.key ?? 'A job class'}`)
  if (job.key === undefined) checkName(Class)
  const fields = job as unknown as Record<string, unknown>
  // Other libraries use the name `queue` for `queueName`. Lark does not read a field `queue`, so the jobs
  // would go to the wrong queue without this check.
  if (typeof fields.queue === 'string')
    refuse(
      voice,
      'queue',
      fields.queue,
      `written as queueName = ${shown(fields.queue)}: Lark reads no field of this name`,
    )
  checkMembers(Class, job, voice)
  const {
    aliases,
    keep,
    keepResult,
    maxCrashes,
    isolate,
    schedule,
    key = Class.name,
  } = classSettings.fields(job, '', voice)
  const read = jobSettings.fields(job, '', voice)
  const again = instance(Class).key ?? Class.name
  if (again !== key) {
    throw new JobsError(
      'JOB_KEY_TAKEN',
      `${Class.name}: a class must have one key, and this one has two: '${key}' and '${again}'`,
      {
        hint: 'A key must be the same for every job of its class.',
      },
    )
  }
  const found: JobClass = {
    ...sinceQueued({ ...read }),
    key,
    hasKey: job.key !== undefined,
    aliases,
    keep: keepFrom(keep, keepResult),
    maxCrashes,
    isolate,
    // People cannot recognise a class by a name that a minifier made.
    name: Class.name === '' || originOf(Class) === 'made' ? key : Class.name,
    Class,
    hasRetryIf: hasOwn(job, 'retryIf', voice),
    hasFailed: hasOwn(job, 'failed', voice),
    hasCancelled: hasOwn(job, 'cancelled', voice),
    middleware: middlewareOf(job, voice),
    rules: rulesOf(Class, voice),
    schedules: schedule === undefined ? none : schedulesOf(schedule, key, job.handle.length > 0, voice),
    written: writtenOf(job),
    read,
  }
  warnOfMisspelt(job, voice)
  known.set(Class, found)
  for (const each of [key, ...aliases]) byKey.set(each, found)
  return found
}

/**
 * Checks the name of a class without a key. The name is refused if it is empty or was made by a minifier. A
 * name that a minifier may have made causes a warning.
 *
 * @throws JOB_INVALID
 */
function checkName(Class: JobConstructor): void {
  const { name } = Class
  const advice = "give it a key, such as readonly key = 'send-email'"
  const isNone = name === '' || name === 'default'
  const origin = originOf(Class)
  if (origin === 'given' && !isNone) return
  if (origin === 'doubtful') {
    const text = `The code of job class ${name} is minified, and it has no key: if the build shortened its name, the next build changes it, and no worker knows the jobs`
    process.emitWarning(`${text}: ${advice}`, { code: 'LARK_JOB_NAME' })
    return
  }
  const made = `${name}: a minifier made this name, and the class has no key`
  throw new JobsError('JOB_INVALID', isNone ? 'A job class has no name and no key' : made, {
    hint: `Jobs are stored under their key, which is the name of the class if it has none: ${advice}.`,
  })
}

/**
 * The members of `Job` that a class may declare itself. A class must not declare any other member of `Job`.
 */
const declared = new Set(['constructor', 'handle', 'retryIf', 'failed', 'cancelled', 'middleware'])

/**
 * Refuses a class with a field or a method that hides a member of `Job`: code that uses the member of `Job`
 * would get another value without a warning. A method that a test watches (`vi.spyOn()`, `jest.spyOn()`) does
 * not count as hidden.
 *
 * @throws JOB_INVALID
 */
function checkMembers(Class: JobConstructor, job: JobLike, voice: Voice): void {
  const own: object[] = [job]
  let base: object = Class.prototype
  for (; !Object.hasOwn(base, jobBrand); base = Object.getPrototypeOf(base)) own.push(base)
  for (const name of Object.getOwnPropertyNames(base)) {
    if (declared.has(name)) continue
    const found = own.find((each) => Object.hasOwn(each, name))
    if (found === undefined) continue
    const { value } = Object.getOwnPropertyDescriptor(found, name)!
    if (typeof value === 'function' && 'mock' in value) continue
    throw new JobsError('JOB_INVALID', `${voice.name(name)} hides a member of Job with the same name`, {
      hint: `Give it another name: jobs use ${name} of Lark.`,
    })
  }
}

interface Readable {
  read(value: unknown, name: string, voice: Voice): unknown
}

/** The names that other queues and frameworks have for a setting. */
const foreign: Record<string, keyof JobSettings> = {
  attempts: 'tries',
  maxAttempts: 'tries',
  maxRetries: 'tries',
  maxTries: 'tries',
  retries: 'tries',
  retry: 'tries',
  ttl: 'expiresIn',
  uniqueFor: 'unique',
}

/**
 * Warns about a field that looks like a setting, but that Lark does not read. The name of such a field is the
 * name of a static field, is similar to the name of a setting, or is another library's name for a setting.
 * The value of the field would also be valid for the setting. Other fields belong to the application.
 */
function warnOfMisspelt(job: JobLike, voice: Voice): void {
  const statics: Record<string, Readable> = payloadOptions.entries
  const entries: Record<string, Readable> = { ...classSettings.entries, ...jobSettings.entries }
  for (const [name, value] of Object.entries(job)) {
    if (name in entries || value === undefined) continue
    const isStatic = name in statics
    const meant = isStatic ? name : (foreign[name] ?? nearest(name, Object.keys(entries)))
    if (meant === undefined || !takes((isStatic ? statics : entries)[meant]!, value, voice)) continue
    const right = isStatic ? `static ${name}` : meant
    const text = `${voice.name(name)}: Lark reads no field of this name. Did you mean ${right}?`
    process.emitWarning(text, { code: 'LARK_JOB_FIELD' })
  }
}

function takes(option: Readable, value: unknown, voice: Voice): boolean {
  try {
    option.read(value, '', voice)
    return true
  } catch {
    return false
  }
}

const settings = Object.keys(jobSettings.entries) as (keyof JobSettings)[]

/** The settings of a job as they are written in its fields. */
export function writtenOf(job: JobLike): WrittenSettings {
  // This function runs for each draft, so it must be fast: this loop takes 0.2 µs, and `Object.fromEntries`
  // took 1.1 µs.
  const written: Record<string, unknown> = {}
  for (const name of settings) written[name] = job[name]
  return written
}

/**
 * The settings of one job: the settings of its class, changed by the settings in which the job differs from
 * its class. The settings in which the job differs are checked.
 *
 * @returns the settings of the class itself if the job does not differ from its class
 * @throws JOB_INVALID
 */
export function settingsOf(job: WrittenSettings, jobClass: JobClass): JobSettings {
  const { written, read: all, name: className } = jobClass
  let own: Record<string, unknown> | undefined
  let isChecked = true
  for (const name of ownNames(job, written)) {
    const value = job[name]
    let read: unknown = isObject(value)
      ? withFunctionsOf(value, written[name], all[name] as object)
      : undefined
    if (read === undefined) {
      if (isSameFunction(value, written[name])) continue
      read = jobSettings.entries[name].read(value, name, voiceOf('JOB_INVALID', className))
      isChecked = false
    }
    if (read === all[name]) continue
    own ??= { ...all }
    own[name] = read
  }
  if (own === undefined) return jobClass
  if (!isChecked) jobSettings.check(own as JobSettings, job, '', voiceOf('JOB_INVALID', className))
  return sinceQueued(own as JobSettings)
}

/**
 * The options of a class with the functions of one of its jobs. Each job object of a class creates its own
 * functions, such as the function in `group(() => this.shop)`.
 *
 * @param value the options of the job
 * @param written the options of the class, as they are written
 * @param read the options of the class, as they were read
 * @returns undefined if the options differ in anything but functions
 */
function withFunctionsOf(value: Record<string, unknown>, written: unknown, read: object): object | undefined {
  if (!isObject(written)) return undefined
  let all = read
  let count = 0
  for (const name in value) {
    const one = value[name]
    const other = written[name]
    if (typeof one === 'function' && typeof other === 'function') all = { ...all, [name]: one }
    else if (!Object.hasOwn(written, name) || !isDeepStrictEqual(one, other)) return undefined
    count++
  }
  return count === Object.keys(written).length ? all : undefined
}

type Method = (...args: never[]) => unknown
const method = func<Method>('a method')

/**
 * Whether a class has a method of its own with this name, instead of the method of `Job`, which does nothing.
 */
function hasOwn(job: JobLike, name: 'retryIf' | 'failed' | 'cancelled', voice: Voice): boolean {
  const own: (Method & { [idle]?: true }) | undefined = method.read(job[name], name, voice)
  return own !== undefined && own[idle] !== true
}

const functions = list<Middleware>('a list of functions', (each) => typeof each === 'function').needed()
const listing = func<() => unknown>(`a method that returns ${functions.right}`)

/**
 * The middleware of a class. The function runs once for each class, because all jobs of a class have the same
 * middleware.
 */
function middlewareOf(job: JobLike, voice: Voice): readonly Middleware[] {
  if (listing.read(job.middleware, 'middleware', voice) === undefined) return []
  let all: unknown
  try {
    all = job.middleware?.()
  } catch (cause) {
    throw new JobsError('JOB_INVALID', `${voice.name('middleware()')} threw: ${textOf(cause)}`, { cause })
  }
  return [...functions.read(all, 'middleware()', voice)]
}

function instance(Class: JobConstructor): JobLike {
  try {
    return new Class()
  } catch (cause) {
    const name = Class.name || 'A job class'
    // The error of a field, such as `schedule = cron('61 * * * *')`, already says what is wrong.
    if (JobsError.is(cause) && cause.code === 'SCHEDULE_INVALID')
      throw cause.again({ message: `${name}: ${cause.message}` })
    const message = `${name}: its constructor threw: ${textOf(cause)}`
    const hint =
      'Lark makes a job without arguments to read its settings. The constructor should only store its arguments, and handle() should use them.'
    throw new JobsError('JOB_INVALID', message, { cause, hint })
  }
}
