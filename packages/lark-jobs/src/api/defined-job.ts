/**
 * Jobs that are functions. `defineJob()` makes a job class whose `handle` calls a function. The function is
 * set in files that only workers load, so a program that only dispatches does not contain it.
 */
import { defined } from '@s18i/lark/internal'
import { JobsError } from '../model/errors.ts'
import { definitions, handler } from '../options/definitions.ts'
import type { JobConstructor, JobFields, PayloadOf } from '../options/job-class.ts'
import { classSettings, jobSettings } from '../options/job-settings.ts'
import type { Middleware } from '../options/middleware.ts'
import { payloadOptions } from '../options/payload-rules.ts'
import type { ClassSchedule } from '../options/schedules/class-schedule.ts'
import { checkNames, type OptionsOf, voiceOf } from '../options/schema.ts'
import type { AnySchema, Parsed } from '../options/standard-schema.ts'
import { Jobs } from './default-jobs.ts'
import type { Draft } from './draft.ts'
import { Job } from './job.ts'
import type { JobHandle } from './job-handle.ts'

/** The parameters that take a payload. If the payload is `void`, there are no such parameters. */
export type FunctionPayload<P> = 0 extends 1 & P
  ? [payload?: P]
  : // biome-ignore lint/suspicious/noConfusingVoidType: `void` is written as a type argument
    [P] extends [void]
    ? []
    : undefined extends P
      ? [payload?: P]
      : [payload: P]

/** The methods of a job class that can be passed to `defineJob()`. */
export interface JobFunctions<P> {
  /** See `Job.retryIf`. */
  retryIf?(error: unknown): boolean
  /** See `Job.failed`. */
  failed?(error: unknown, payload: P): unknown
  /** See `Job.cancelled`. */
  cancelled?(payload: P, reason: 'user' | 'expired', because?: string): unknown
  /** See `Job.middleware`. */
  middleware?(): readonly Middleware[]
}

/** The argument of `defineJob()`: the fields of a job class, and any of the methods in `JobFunctions`. */
export interface JobDefinition<P = never>
  extends Partial<Omit<JobFields, 'key' | 'schedule'>>,
    OptionsOf<typeof payloadOptions.entries>,
    JobFunctions<P> {
  /** The name of the job in the store. */
  key: string
  /** See `Job.schedule`. */
  schedule?: ClassSchedule<P>
}

/** An object of a defined job: the second parameter of its handler. */
export abstract class FunctionJob<P, R> extends Job {
  abstract override handle(...payload: FunctionPayload<P>): R | Promise<R>
}

/**
 * A job that is a function. It can be used wherever a job class can: `Jobs.work({ jobs: [sendEmail] })`,
 * `Jobs.handle(sendEmail, id)`.
 */
export interface DefinedJob<P = void, R = unknown> {
  new (): FunctionJob<P, R>
  /** The name of the class, which is the same as its key. */
  readonly name: string
  /**
   * Sets the function that does the work. Call this method in a file that workers load. A second call
   * replaces the function.
   *
   * @param does the function, which gets the payload and the job. The job has `info()`, `signal`, `fail()`
   * and so on
   * @returns the job itself, so that a file may export the result of this call
   */
  handle(does: (payload: P, job: FunctionJob<P, R>) => R | Promise<R>): this
  /** Makes a draft of the job. The draft is dispatched later, alone or together with other drafts. */
  with(...payload: PayloadOf<FunctionJob<P, R>>): Draft<FunctionJob<P, R>>
  /** Queues the job. @returns a handle. @throws the errors of `Job.dispatch` */
  dispatch(...payload: PayloadOf<FunctionJob<P, R>>): Promise<JobHandle<FunctionJob<P, R>>>
  /** Queues one job for each payload, in as few calls as possible: see `Jobs.dispatch`. */
  dispatchMany(payloads: readonly PayloadOf<FunctionJob<P, R>>[0][]): Promise<JobHandle<FunctionJob<P, R>>[]>
  /** Runs the function once, in this process: see `Job.dispatchNow`. */
  dispatchNow(...payload: PayloadOf<FunctionJob<P, R>>): Promise<Awaited<R>>
}

const methods = ['retryIf', 'failed', 'cancelled', 'middleware'] as const
const names = [classSettings, jobSettings, payloadOptions].flatMap(({ entries }) => Object.keys(entries))

/**
 * The handler of an earlier definition with this key. The former handler is kept because a development server
 * may load the file with the definition again, but not the file that calls `handle()`.
 */
function formerHandler(key: string): ((payload: unknown, job: Job) => unknown) | null {
  if (process.env.NODE_ENV !== 'development') return null
  const former = definitions.get(key) as { [handler]?: (payload: unknown, job: Job) => unknown } | undefined
  return former?.[handler] ?? null
}

/**
 * Makes a job from a function. The job takes the options of a job class.
 *
 * @throws JOB_INVALID if an option does not exist or the key is missing. Invalid values of options are
 *   reported when the job is first used
 * @example export const sendEmail = defineJob<{ to: string }>({ key: 'send-email', queueName: 'emails',
 *   tries: 5 })
 *
 * // in a file that workers load sendEmail.handle(async ({ to }, job) => send(to, { signal: job.signal }))
 *
 * // anywhere await sendEmail.dispatch({ to: 'user@example.com' })
 */
export function defineJob<S extends AnySchema, R = unknown>(
  definition: JobDefinition<Parsed<S>> & { schema: S },
): DefinedJob<Parsed<S>, R>
export function defineJob<P = void, R = unknown>(
  definition: JobDefinition<P> & { schema?: never },
): DefinedJob<P, R>
export function defineJob<P, R>(definition: JobDefinition<P>): DefinedJob<P, R> {
  const { key, retryIf, failed, cancelled, middleware, ...others } = definition
  const { schema, version, upcasters, redact, ...fields } = others
  const voice = voiceOf('JOB_INVALID', 'defineJob()')
  classSettings.entries.key.needed().read(key, 'key', voice)
  checkNames(voiceOf('JOB_INVALID', key), Object.keys(definition), [...names, ...methods])
  type Does = (payload: unknown, job: Job) => unknown
  class Defined extends Job {
    static [handler]: Does | null = formerHandler(key)
    override readonly key: string = key

    constructor() {
      super()
      Object.assign(this, fields)
    }

    // The parameter is optional, because only the type of the job says whether it has a payload.
    override handle(...[payload]: [payload?: unknown]): unknown {
      const does = Defined[handler]
      if (does !== null) return does(payload, this)
      const hint = `Call handle() of the job in a file that is loaded here.`
      throw new JobsError('JOB_INVALID', `${key} has no handler in this process`, { hint })
    }

    static handle(does: Does): typeof Defined {
      Defined[handler] = does
      return Defined
    }

    static dispatch(payload: unknown): Promise<JobHandle> {
      return Defined.with(payload).dispatch()
    }

    static dispatchMany(payloads: readonly unknown[]): Promise<JobHandle[]> {
      return Jobs.dispatch(payloads.map((payload) => Defined.with(payload)))
    }

    static dispatchNow(payload: unknown): Promise<unknown> {
      return new Defined().dispatchNow(payload)
    }
  }
  Object.assign(Defined.prototype, defined({ retryIf, failed, cancelled, middleware }))
  Object.assign(Defined, defined({ schema, version, upcasters, redact }))
  Object.defineProperty(Defined, 'name', { value: key })
  definitions.set(key, Defined as unknown as JobConstructor)
  return Defined as unknown as DefinedJob<P, R>
}
