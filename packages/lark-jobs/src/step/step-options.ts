/** The options of a step, the argument of its function, and the versions of its result. */

import { type Backoff, type BackoffOption, normalBackoff } from '../model/backoff.ts'
import { JobsError } from '../model/errors.ts'
import { encode } from '../model/payload.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { LONGEST_TIMER } from '../model/run/run.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import { type Duration, durationForm, milliseconds, readable } from '../words/duration.ts'
import { shown } from '../words/secret.ts'
import { readJson } from './entries.ts'
import { copied } from './misused.ts'
import { stepWords } from './name.ts'

export interface StepOptions<T = unknown> {
  /**
   * How often the step is tried before it fails. Default 1: a failed step is tried again only when the job
   * itself is retried.
   */
  tries?: number
  /** The pause before each further try, in the same form as `backoff` of a job. Default 1 s to 10 min. */
  backoff?: Exclude<BackoffOption, (...args: never[]) => unknown>
  /**
   * How long a try may take. After this time, the signal of the try is aborted, and the try has failed.
   * Default: only the timeout of the job.
   */
  timeout?: Duration
  /** For each earlier version of the step, a function that converts a recorded result to the next version. */
  from?: Readonly<Record<number, (old: unknown) => unknown>> & { readonly [type]?: T }
  /**
   * Undoes the step before the job ends as failed or cancelled. This function gets the result of the step, or
   * undefined if the step has begun and no result was recorded. The undo has as many tries as the step, but
   * at least five, with the `backoff` and `timeout` of the step.
   */
  undo?: (result: NoInfer<T> | undefined, context: StepContext) => unknown
}

declare const type: unique symbol

/** The argument of a step's function. */
export interface StepContext {
  /**
   * A key for a service that accepts idempotency keys. The key is the same in each try of the step and each
   * run of the job.
   */
  readonly key: string
  /** The number of this try, from 1. */
  readonly attempt: number
  /**
   * A signal that is aborted when the try should end: at the timeout of the try, and together with the signal
   * of the job.
   */
  readonly signal: AbortSignalLike
}

export interface How {
  undo: StepOptions['undo']
  tries: number
  backoff: Backoff
  timeout: number | undefined
  from: StepOptions['from']
}

/** How a step is undone. */
export interface Undo {
  work: NonNullable<How['undo']>
  how: How
}

const defaultBackoff: Backoff = { from: 1_000, to: 600_000, jitter: 0.5 }
/** How a step without options runs. */
const plain: How = { undo: undefined, tries: 1, backoff: defaultBackoff, timeout: undefined, from: undefined }

/** @throws STEP_INVALID */
export function readOptions<T>(key: string, work: unknown, options: StepOptions<T> | undefined): How {
  if (options === undefined && typeof work === 'function') return plain
  const refuse = (name: string, value: unknown, right: string) =>
    new JobsError(
      'STEP_INVALID',
      `The step ${stepWords(key)} was given ${shown(value)} as ${name}; it must be ${right}`,
    )
  const all = options === undefined ? {} : copied(options)
  if (all === undefined) throw refuse('its options', options, 'an object')
  const { tries = 1, backoff, timeout, from, undo } = all
  if (typeof work !== 'function') throw refuse('its work', work, 'a function')
  if (!Number.isSafeInteger(tries) || tries < 1) throw refuse('tries', tries, 'a whole number from 1')
  const pauses = normalBackoff(backoff ?? defaultBackoff)
  if (pauses === undefined)
    throw refuse('backoff', backoff, `${durationForm}, a list of these, or exponential()`)
  const ms = timeout === undefined ? undefined : milliseconds(timeout)
  if (timeout !== undefined && ms === undefined) throw refuse('timeout', timeout, durationForm)
  if (from !== undefined && !isConverters(from))
    throw refuse('from', from, 'an object with a function for each earlier version, from 1')
  if (undo !== undefined && typeof undo !== 'function') throw refuse('undo', undo, 'a function')
  return { tries, backoff: pauses, timeout: ms, from, undo: undo as How['undo'] }
}

function isConverters(from: unknown): boolean {
  const all = copied(from)
  if (all === undefined || Array.isArray(from)) return false
  return Object.entries(all as object).every(
    ([version, work]) => /^[1-9]\d{0,8}$/.test(version) && typeof work === 'function',
  )
}

/** The current version of a step's result: the highest version in `from`, plus one. */
function versionOf(from: StepOptions['from']): number {
  return from === undefined ? 1 : Math.max(0, ...Object.keys(from).map(Number)) + 1
}

/**
 * Adds the version to the text of a result. `@` can begin the version, because no JSON text begins with `@`.
 */
export function versioned(text: string, from: StepOptions['from']): string {
  const version = versionOf(from)
  return version === 1 ? text : `@${version} ${text}`
}

const same = (value: unknown) => value

export function convert(recorded: string, from: StepOptions['from']): unknown {
  const [head = '', was = '1'] = /^@(\d+) /.exec(recorded) ?? []
  const text = recorded.slice(head.length)
  let value = readJson(text)
  for (let version = Number(was); version < versionOf(from); version++)
    value = (from?.[version] ?? same)(value)
  return value
}

/** Calls the function of a step, with its timeout. */
export function inTime<T>(
  work: (context: StepContext) => T | PromiseLike<T>,
  context: Omit<StepContext, 'signal'>,
  { timeout }: How,
  signal: AbortSignalLike,
): T | PromiseLike<T> {
  if (timeout !== undefined) return until(timeout, work, context, signal)
  const { key, attempt } = context
  return work({ key, attempt, signal })
}

async function until<T>(
  timeout: number,
  work: (context: StepContext) => T | PromiseLike<T>,
  context: Omit<StepContext, 'signal'>,
  signal: AbortSignalLike,
): Promise<T> {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const passed = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => {
        const error = new JobsError(
          'STEP_TIMED_OUT',
          `The step took longer than its timeout of ${readable(timeout)}`,
        )
        late.abort(error)
        reject(error)
      },
      Math.min(timeout, LONGEST_TIMER),
    )
  })
  try {
    return await Promise.race([work({ ...context, signal: AbortSignal.any([signal, late.signal]) }), passed])
  } finally {
    clearTimeout(timer)
  }
}

export function msOf(duration: Duration, what: string): number {
  const ms = milliseconds(duration)
  if (ms === undefined)
    throw new JobsError('STEP_INVALID', `${what} was given ${shown(duration)}; it must be ${durationForm}`)
  return ms
}

/**
 * The stored text of a result. A result that cannot be stored makes the job fail without a retry, because the
 * work is done.
 *
 * @param job the name of the job's class
 */
export function resultText(value: unknown, job: string, key: string): string {
  try {
    return encode(value, () => `${job}: the step ${stepWords(key)}`, 'result')
  } catch (error) {
    throw asNonRetryable(error as Error)
  }
}
