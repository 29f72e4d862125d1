/**
 * Whether a failed attempt is followed by another, and when. There is no retry if one of these is true, checked in this
 * order: no tries are left (or, with `retryUntil`, no time); the error is a `NonRetryableError`; the class's `retryIf`
 * returns false; the next attempt would begin after `retryUntil`.
 */
import { type Backoff, type BackoffFunction, defaultBackoff, pauseAfter } from '../model/backoff.ts'
import { durationForm, milliseconds } from '../model/duration.ts'
import { isNonRetryable } from '../model/non-retryable.ts'
import type { LeasedJob } from '../model/record.ts'
import { textOf } from '../model/thrown.ts'
import { currentRun, type JobClass } from '../options/job-class.ts'
import type { Execution } from './execution.ts'

/** Called when a function of the class did not return what it should. */
type Warn = (text: string) => void

/** Milliseconds from when the job was queued, within which attempts may begin; undefined if `tries` counts. */
export function limitOf({ options }: LeasedJob, jobClass: JobClass): number | undefined {
  return (options?.retryUntil ?? jobClass.retryUntil) || undefined
}

/**
 * Milliseconds until the next attempt of a job whose attempt failed, or would fail, with `thrown`; undefined: no retry.
 *
 * @param expected for an attempt that has not failed yet: in how many milliseconds it will. Then nothing is logged
 */
export function retryIn(
  thrown: unknown,
  execution: Execution,
  jobClass: JobClass,
  expected?: number,
): number | undefined {
  const { lease, environment } = execution
  const failures = lease.failures + 1
  const limit = limitOf(lease, jobClass)
  if (limit === undefined && failures >= (lease.options?.tries ?? jobClass.tries)) return undefined
  if (isNonRetryable(thrown)) return undefined
  const warn = (text: string) => {
    if (expected === undefined) execution.run.write('warn', text)
  }
  if (jobClass.hasRetryIf && !asksForMore(thrown, execution, jobClass, warn)) return undefined
  const pause = pauseOf(lease.options?.backoff ?? jobClass.backoff, failures, thrown, warn)
  const at = environment.clock.now() + (expected ?? 0) + pause
  return limit !== undefined && at > lease.queuedAt + limit ? undefined : pause
}

/** What `retryIf` returns. If it throws or returns no boolean, the job is tried again. */
function asksForMore(thrown: unknown, { run }: Execution, jobClass: JobClass, warn: Warn): boolean {
  try {
    const job = new jobClass.make()
    job[currentRun] = run
    const answer = job.retryIf!(thrown)
    if (typeof answer !== 'boolean') warn(`retryIf() returned ${shown(answer)}; it must be true or false`)
    return answer !== false
  } catch (error) {
    warn(`retryIf() threw: ${textOf(error)}`)
    return true
  }
}

function pauseOf(backoff: Backoff | BackoffFunction, failures: number, thrown: unknown, warn: Warn): number {
  if (typeof backoff !== 'function') return pauseAfter(failures, backoff)
  try {
    const asked: unknown = backoff(failures, thrown)
    const pause = milliseconds(asked)
    if (pause !== undefined) return pause
    warn(`backoff returned ${shown(asked)}; it must be ${durationForm}: the default is used`)
  } catch (error) {
    warn(`backoff threw: ${textOf(error)}: the default is used`)
  }
  return pauseAfter(failures, defaultBackoff)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
