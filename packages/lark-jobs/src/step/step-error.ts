/**
 * The final error of a step, as the handler gets it. It is the same when it happens and when a later run
 * reads it.
 */
import { branded } from '@s18i/lark/internal'
import type { EndedState, KeptError } from '../model/record.ts'
import { restored } from '../model/run/job-error.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { stepWords } from './name.ts'

/** How a job ended that another job awaited (`Job.runJob`). */
export interface ChildFailure {
  id: string
  queue: string
  /** The state in which the job ended. Absent if it has not ended in time, and still runs. */
  state?: EndedState
  /**
   * Why it was cancelled, in the words for cancelled jobs. Or `rejected`: it was not queued, because a lock
   * was taken or its queue was full. `lost`: the store has lost it, or no worker knows its key.
   */
  reason?: string
}

/** Marks such an error in every copy of this package. */
const brand = Symbol.for('s18i.lark.step-error')

/**
 * A step has failed for good: all its tries are used up, or its error must not be retried. This error has the
 * name, the message, the code, the stack and the cause of the error that the step threw. It is never the same
 * object, and not an instance of the same class, because a later run has only what was stored.
 *
 * @example try { await this.step('charge', () => pay()) } catch (error) { if (error.code !== 'card_declined') throw error }
 */
export class StepError extends Error {
  override readonly name: string
  /** The name of the step, as people read it. */
  readonly step: string
  readonly code?: string
  /** For `runJob`: how the other job ended. */
  readonly child?: ChildFailure

  /**
   * The name as the journal has it.
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
 * The steps whose errors are in the error that a handler threw: itself, its causes or the `errors` that it
 * combines, at most five levels deep.
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
