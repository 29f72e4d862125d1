/**
 * Decides whether a job has room for another signal. Signals that are sent to a job, and signals about the
 * ends of its children, have separate limits. `signal.lua` has the same rule.
 */
import { CHILD_SIGNAL, MAX_CHILD_BYTES, MAX_SIGNAL_BYTES, MAX_SIGNALS, type NewSignal } from '../journals.ts'

/** The number of signals of one kind that a job has, and the bytes of their texts. */
export interface KeptSignals {
  count: number
  bytes: number
}

/** Whether a signal is about the end of a child. @param name of the signal */
export function isChildSignal(name: string): boolean {
  return name.startsWith(CHILD_SIGNAL)
}

/**
 * @param kept the signals of the same kind that the job has @returns the text to keep; undefined if there is
 * no room
 */
export function textToKeep({ name, text, brief }: NewSignal, kept: KeptSignals): string | undefined {
  const bytes = kept.bytes + Buffer.byteLength(text)
  if (isChildSignal(name)) return bytes > MAX_CHILD_BYTES ? (brief ?? text) : text
  return kept.count < MAX_SIGNALS && bytes <= MAX_SIGNAL_BYTES ? text : undefined
}
