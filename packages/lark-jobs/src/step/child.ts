/**
 * A job that a run starts and awaits: `this.runJob()`. The parent first records the place of the child. Then
 * the parent starts the child at this place, and waits for the end of the child, which arrives as a signal.
 * If the run dies in between, the next run starts the same child at the same place again, which changes
 * nothing if the child exists already.
 */
import { defined } from '@s18i/lark/internal'
import { type ChildEnd, childId } from '../flow/child.ts'
import type { JobsErrorCode } from '../model/errors.ts'
import type { FlowPlace } from '../model/flow.ts'
import { queueOf } from '../model/partition.ts'
import type { JobConstructor } from '../options/job-class.ts'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { given, invalid } from './misused.ts'
import { stepWords } from './name.ts'
import { StepError } from './step-error.ts'
import { type How, readOptions, type StepOptions } from './step-options.ts'

export interface RunJobOptions<T = unknown> {
  /**
   * How long to wait for the end of the awaited job. After this time, `runJob` throws a `StepError` with the
   * code `RESULT_TIMEOUT`, and the awaited job continues. Default: for ever.
   */
  timeout?: Duration
  /**
   * Undoes the work of the awaited job, before the job that awaits it ends as failed or cancelled. The
   * function receives the result of the awaited job, or undefined if the awaited job was started but has not
   * completed.
   */
  undo?: StepOptions<T>['undo']
}

/** The part of the draft of a child job that this file needs. */
export interface ChildDraft {
  Class: JobConstructor
  payload: unknown
}

/** A child, in the form in which its parent records it. */
export interface Child extends FlowPlace {
  /** When the parent recorded the child: milliseconds since 1970, by the store's clock. */
  at: number
  /** When the parent last checked whether the child still exists. */
  seen?: number
}

/** A child that is ready to start. */
export interface ReadyChild {
  /** The place for the child, which no other job has. */
  readonly place: FlowPlace
  /**
   * Starts the child at a place, unless the child was started there before. If the child has ended, the
   * parent receives the end of the child again.
   */
  begin(place: FlowPlace): Promise<void>
  /**
   * Whether an earlier child is running again or has completed meanwhile, so that its end will reach the
   * parent.
   */
  goesOn(place: FlowPlace): Promise<boolean>
}

/** The job that starts a child. */
export interface ChildParent {
  partition: string
  id: string
  queue: string
  /** The name of the step, for people. */
  step: string
  /** Why the run of the parent is over. Undefined while the run continues. */
  readonly reason: unknown
}

/** Makes child jobs: the instance of `Jobs` to which the run belongs. */
export interface ChildJobs {
  /** @throws the errors of a dispatch; STEP_INVALID */
  readyChild(draft: ChildDraft, parent: ChildParent): Promise<ReadyChild>
}

/**
 * The time until the parent first checks whether its child still exists (`FIRST_LOOK`), and the longest time
 * between two checks, in milliseconds.
 */
const FIRST_LOOK = 300_000
const LAST_LOOK = 86_400_000

/**
 * When the parent next checks whether its child exists. The check is needed because after a failover, the
 * server may not know the child, or may have lost the signal about its end. The time between two checks
 * doubles.
 */
export function nextLook({ at, seen = at }: Child): number {
  return seen + Math.min(LAST_LOOK, Math.max(FIRST_LOOK, seen - at))
}

/** @param job the name of the parent's class @throws STEP_INVALID */
export function readRunJob(
  job: string,
  key: string,
  options: RunJobOptions,
): { ms: number | undefined; how: How } {
  const call = `runJob(${stepWords(key)})`
  const { timeout, undo } = given(job, call, 'its options', options, 'an object')
  const ms = timeout === undefined ? undefined : milliseconds(timeout)
  if (timeout !== undefined && ms === undefined) throw invalid(job, call, 'timeout', timeout, durationForm)
  return { ms, how: readOptions(key, () => {}, defined({ undo })) }
}

/**
 * The result of a child.
 *
 * @param name the name of the class of the child
 * @param end how the child ended, or undefined if the child has not ended in time
 * @throws StepError
 */
export function childResult(key: string, name: string, place: FlowPlace, end: ChildEnd | undefined): unknown {
  if (end?.state === 'completed' && end.dropped === undefined) return end.result
  const [code, what] = failureOf(end)
  const id = childId(place)
  const kept = { name: 'StepError', code, message: `${name} ${id} ${what}` }
  const { state, reason } = end ?? {}
  throw new StepError(key, kept, { id, queue: queueOf(place.home), ...defined({ state, reason }) })
}

/** @returns the error code, and words that say how the child ended */
function failureOf(end: ChildEnd | undefined): [JobsErrorCode, string] {
  if (end === undefined) return ['RESULT_TIMEOUT', 'has not ended in time']
  const { state, reason, error, dropped } = end
  if (dropped !== undefined)
    return ['RESULT_DROPPED', `has completed, but what it returned could not be kept: ${dropped}`]
  if (state === 'failed') return ['JOB_FAILED', `has failed: ${error}`]
  if (reason === 'rejected') return ['JOB_NOT_QUEUED', `was not queued: ${error}`]
  if (reason === 'removed') return ['JOB_REMOVED', 'was removed before it had ended']
  return ['JOB_CANCELLED', `was cancelled: ${reason}${error === undefined ? '' : ` (${error})`}`]
}
