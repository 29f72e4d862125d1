/**
 * The settings of a job: as a class writes them, as stores keep them, and the check that converts them.
 */
import { inspect } from 'node:util'
import { type Backoff, type BackoffFunction, MAX_PAUSES, normalBackoff } from '../model/backoff.ts'
import { durationForm, milliseconds } from '../model/duration.ts'
import { JobsError } from '../model/errors.ts'

/** The settings as a class, or a single job, writes them. */
export interface Written {
  queueName: string
  priority: number
  delay: unknown
  tries: number
  retryUntil?: unknown
  expiresIn?: unknown
  backoff: unknown
  timeout: unknown
}

/** A job's settings, in the units of the store. */
export interface JobSettings {
  queueName: string
  priority: number
  /** Milliseconds. */
  delay: number
  tries: number
  /** Milliseconds from when a job was queued, its delay included; undefined: only `tries` counts. */
  retryUntil: number | undefined
  /** Milliseconds from when a job was queued, its delay included; undefined: the job does not expire. */
  expiresIn: number | undefined
  backoff: Backoff | BackoffFunction
  /** Milliseconds. */
  timeout: number
}

/** How messages show a value that is refused. */
const oneLine = { compact: true, breakLength: Infinity, depth: 1, maxArrayLength: 10, maxStringLength: 80 }

/**
 * The settings of one job. They may differ from those of its class.
 *
 * @throws JOB_INVALID
 */
export function settingsOf(job: Written, name: string): JobSettings {
  const { queueName, priority, tries } = job
  const delay = milliseconds(job.delay)
  const timeout = milliseconds(job.timeout)
  const backoff =
    typeof job.backoff === 'function' ? (job.backoff as BackoffFunction) : normalBackoff(job.backoff)
  const retryUntil = span(name, 'retryUntil', job.retryUntil)
  const expiresIn = span(name, 'expiresIn', job.expiresIn)
  check(name, 'queueName', queueName, "the name of a queue, such as 'emails'", isName(queueName))
  check(
    name,
    'priority',
    priority,
    'a whole number from -100 to 100',
    Number.isInteger(priority) && Math.abs(priority) <= 100,
  )
  check(name, 'delay', job.delay, durationForm, delay !== undefined)
  check(name, 'tries', tries, 'a whole number from 1', Number.isInteger(tries) && tries >= 1)
  check(
    name,
    'backoff',
    job.backoff,
    `${durationForm}, a list of up to ${MAX_PAUSES} of these, exponential(), or a function`,
    backoff !== undefined,
  )
  check(name, 'timeout', job.timeout, `${durationForm}, above 0`, timeout !== undefined && timeout > 0)
  return {
    queueName,
    priority,
    delay: delay!,
    tries,
    retryUntil: retryUntil && retryUntil + delay!,
    expiresIn: expiresIn && expiresIn + delay!,
    backoff: backoff!,
    timeout: timeout!,
  }
}

/** The milliseconds of an optional duration. */
function span(name: string, field: string, value: unknown): number | undefined {
  if (value === undefined) return undefined
  const ms = milliseconds(value)
  check(name, field, value, `${durationForm}, above 0`, ms !== undefined && ms > 0)
  return ms
}

export function isName(value: unknown): boolean {
  return typeof value === 'string' && value !== '' && !/\p{C}/u.test(value)
}

/** @throws JOB_INVALID unless `ok`: one line with the class, the field, the value and what would be right */
export function check(name: string, field: string, value: unknown, right: string, ok: boolean): void {
  if (ok) return
  throw new JobsError('JOB_INVALID', `${name}: ${field} is ${inspect(value, oneLine)}; it must be ${right}`)
}
