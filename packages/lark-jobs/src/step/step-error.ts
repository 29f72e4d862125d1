/**
 * The final error of a step. The handler receives an error with the same contents in the run in which the
 * step fails and in all later runs.
 */
import { branded } from '@s18i/lark/internal'
import type { EndedState, KeptError } from '../model/record.ts'
import { restored } from '../model/run/job-error.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { stepWords } from './name.ts'

/** How a job ended that another job awaited with `Job.runJob`. */
export interface ChildFailure {
  id: string
  queue: string
  /**
   * The state in which the awaited job ended. Absent if the awaited job had not ended at the timeout: that
   * job continues.
   */
  state?: EndedState
  /**
   * Why the awaited job was cancelled: a reason that any cancelled job may have. `rejected`: the awaited job
   * was not queued, because another job held its lock or its queue was full. `lost`: the store has lost the
   * awaited job, or no worker knows its key.
   */
  reason?: string
}

/** Marks a `StepError`. All copies of this package use the same mark. */
const brand = Symbol.for('s18i.lark.step-error')

/**
 * A step has failed for good: all its tries are used up, or its error must not be retried. This error has the
 * name, the message, the code, the stack and the cause of the error that the step threw. A `StepError` is
 * never the thrown object itself, and not an instance of the same class, because a later run has only the
 * stored data.
 *
 * @example try { await this.step('charge', () => pay()) } catch (error) { if (error.code !== 'card_declined') throw error }
 */
export class StepError extends Error {
  override readonly name: string
  /** The name of the step, for people. */
  readonly step: string
  readonly code?: string
  /** How the awaited job ended. Only errors of `runJob` have this. */
  readonly child?: ChildFailure

  /**
   * The name of the step in the form of the journal.
   *
   * @internal
   */
  readonly key: string

  /** @internal */
  constructor(key: string, kept: KeptError & { isFinal?: true }, child?: ChildFailure) {
    const { name, message, code, stack, cause } = kept
    super(message, cause && { cause: restored(cause) })
    this.name = name
    this.key = key
    this.step = stepWords(key)
    if (code !== undefined) this.code = code
    if (child !== undefined) this.child = child
    if (kept.isFinal) asNonRetryable(this)
    if (stack !== undefined)
      Object.defineProperty(this, 'stack', { value: stack, writable: true, configurable: true })
  }

  /** @internal */
  get [brand](): true {
    return true
  }
}

export function isStepError(thrown: unknown): thrown is StepError {
  return (thrown as { [brand]?: unknown } | null | undefined)?.[brand] === true
}

branded(StepError, isStepError)

/**
 * The keys of the steps whose errors are in the error that a handler threw: the error itself, its causes, or
 * the list `errors` of a combined error, at most five levels deep.
 */
export function stepsIn(thrown: unknown, depth = 0): Set<string> {
  const found = new Set<string>()
  if (typeof thrown !== 'object' || thrown === null || depth > 5) return found
  if (isStepError(thrown)) found.add(thrown.key)
  const { cause, errors } = thrown as { cause?: unknown; errors?: unknown }
  for (const part of [cause, ...(Array.isArray(errors) ? errors : [])])
    for (const key of stepsIn(part, depth + 1)) found.add(key)
  return found
}
