/**
 * Whether a job has room for a signal. Those that are sent to it, and those that tell of the ends of its
 * children, have room of their own. The same rule is in `signal.lua`.
 */
import { CHILD_SIGNAL, MAX_CHILD_BYTES, MAX_SIGNAL_BYTES, MAX_SIGNALS, type NewSignal } from '../journals.ts'

/** The signals of one kind that a job has, and the bytes of their texts. */
export interface KeptSignals {
  count: number
  bytes: number
}

/** Whether a signal tells of the end of a child. @param name of the signal */
export function isChildSignal(name: string): boolean {
  return name.startsWith(CHILD_SIGNAL)
}

/** @param kept those of its kind @returns the text that is kept; undefined if there is no room */
export function textToKeep({ name, text, brief }: NewSignal, kept: KeptSignals): string | undefined {
  const bytes = kept.bytes + Buffer.byteLength(text)
  if (isChildSignal(name)) return bytes > MAX_CHILD_BYTES ? (brief ?? text) : text
  return kept.count < MAX_SIGNALS && bytes <= MAX_SIGNAL_BYTES ? text : undefined
}
