/**
 * Whether a failed attempt is followed by a retry, and when. There is no retry if one of these conditions is
 * true, checked in this order: no tries are left (or, with `retryUntil`, no time); the error is a
 * `NonRetryableError`; `retryIf` of the class returns false; the next attempt would begin after `retryUntil`.
 */
import { defaultBackoff, pauseAfter } from '../model/backoff.ts'
import { isNonRetryable } from '../model/run/non-retryable.ts'
import { limitsFrom } from '../model/tick.ts'
import type { JobClass } from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import { readAnyway } from '../options/payload-rules.ts'
import { durationForm, milliseconds } from '../words/duration.ts'
import { shown as shownText } from '../words/secret.ts'
import { textOf } from '../words/thrown.ts'
import { type Execution, limitOf } from './execution.ts'

/** How long an async `backoff` may take, in milliseconds. */
const LONGEST_ANSWER = 5_000

/** Called when a function of the class threw, or returned an invalid value. */
type Warn = (text: string) => void

/**
 * Whether an attempt that begins in `ms` milliseconds is within the limit that `limitOf` returns. The time in
 * which the job was suspended does not count.
 */
export function isInTime({ job, environment }: Execution, limit: number | undefined, ms: number): boolean {
  if (limit === undefined) return true
  return environment.clock.now() + ms <= limitsFrom(job) + limit + (job.journal?.rested ?? 0)
}

/**
 * The time until the retry of a job whose attempt failed, or would fail, with `thrown`, in milliseconds.
 * Undefined if there is no retry.
 *
 * @param expected in how many milliseconds the attempt would fail, if it has not failed yet. In this case,
 *   nothing is logged
 */
export function retryIn(
  thrown: unknown,
  execution: Execution,
  jobClass: JobClass,
  expected: number,
): number | undefined
/** @returns a promise if `backoff` of the class is async */
export function retryIn(
  thrown: unknown,
  execution: Execution,
  jobClass: JobClass,
): number | undefined | Promise<number | undefined>
export function retryIn(
  thrown: unknown,
  execution: Execution,
  jobClass: JobClass,
  expected?: number,
): number | undefined | Promise<number | undefined> {
  const { job } = execution
  const failures = job.failures + 1
  const limit = limitOf(job, jobClass)
  if (limit === undefined && failures >= (job.options?.tries ?? jobClass.tries)) return undefined
  if (isNonRetryable(thrown)) return undefined
  const warn = (text: string) => {
    if (expected === undefined) execution.run.write('warn', text)
  }
  if (jobClass.hasRetryIf && !asksForMore(thrown, execution, jobClass, warn)) return undefined
  const inLimit = (pause: number) => (isInTime(execution, limit, (expected ?? 0) + pause) ? pause : undefined)
  const backoff = job.options?.backoff ?? jobClass.backoff
  if (typeof backoff !== 'function') return inLimit(pauseAfter(failures, backoff))
  // In a supervised process, each run calls this function when it begins. In that call, the payload is parsed
  // only if `backoff` has a parameter for it.
  const isSeen = expected === undefined || backoff.length > 2
  const payload = isSeen ? readAnyway(job.payload, jobClass) : undefined
  const pause = pauseOf(() => backoff(failures, thrown, payload), failures, warn)
  if (!(pause instanceof Promise)) return inLimit(pause)
  return expected === undefined ? pause.then(inLimit) : inLimit(pauseAfter(failures, defaultBackoff))
}

/** Whether `retryIf` allows a retry. If `retryIf` throws or does not return a boolean, the job is retried. */
function asksForMore(thrown: unknown, { run }: Execution, jobClass: JobClass, warn: Warn): boolean {
  try {
    const job = new jobClass.Class()
    insideOfJob(job).run = run
    const answer = job.retryIf!(thrown)
    if (typeof answer !== 'boolean') warn(`retryIf() returned ${shown(answer)}; it must be true or false`)
    return answer !== false
  } catch (error) {
    warn(`retryIf() threw: ${textOf(error)}`)
    return true
  }
}

function pauseOf(ask: () => unknown, failures: number, warn: Warn): number | Promise<number> {
  const threw = (error: unknown) => {
    warn(`backoff threw: ${textOf(error)}: the default is used`)
    return pauseAfter(failures, defaultBackoff)
  }
  const read = (answer: unknown) => {
    const pause = milliseconds(answer)
    if (pause !== undefined) return pause
    warn(`backoff returned ${shown(answer)}; it must be ${durationForm}: the default is used`)
    return pauseAfter(failures, defaultBackoff)
  }
  try {
    const answer = ask()
    return answer instanceof Promise ? answered(answer).then(read, threw) : read(answer)
  } catch (error) {
    return threw(error)
  }
}

/** Resolves with the answer, or rejects if the answer takes too long. */
function answered(answer: Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error(`it did not answer within ${LONGEST_ANSWER / 1_000} s`))
    const timer = setTimeout(late, LONGEST_ANSWER)
    answer.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function shown(value: unknown): string {
  if (typeof value === 'string') return shownText(value)
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
