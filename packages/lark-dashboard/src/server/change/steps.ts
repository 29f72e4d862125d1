/**
 * Changes that a viewer makes to a job with steps: sends a signal to the job, or removes the records of
 * steps.
 */
import { defined } from '@s18i/lark/internal'
import type { SentSignal } from '@s18i/lark-jobs/operate'
import type { Act } from '../action.ts'
import { refused } from '../guard/input.ts'

export interface SignalInput {
  id: string
  queue?: string
  /** The name of the signal. */
  signal: string
  /** The value as JSON text. Without this field, the signal has no value. */
  value?: string
}

export async function sendSignal({ operate }: Act, input: SignalInput): Promise<SentSignal> {
  const { id, queue, signal } = input
  return await operate.steps.send(id, signal, valueIn(input), defined({ queue }))
}

/** @throws INPUT_INVALID */
function valueIn({ value }: SignalInput): unknown {
  if (value === undefined) return undefined
  try {
    return JSON.parse(value)
  } catch {
    throw refused('value', value, 'JSON')
  }
}
