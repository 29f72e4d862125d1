/**
 * A child is a job that another job has started and awaits (`Job.runJob`). A child is dispatched as a flow
 * with one node. So the flow always learns how the child ends: also if the child fails, is cancelled,
 * removed, not queued or lost, or if its class no longer exists. When the flow has ended, a signal is sent to
 * the parent. This is repeated until it succeeds.
 */
import { memberId } from '../model/effect.ts'
import { type EndReason, type FlowPlace, indexOf } from '../model/flow.ts'
import type { KeptSignal } from '../model/journal.ts'
import { droppedResult, whyDropped } from '../model/payload.ts'
import type { EndedState } from '../model/record.ts'
import { isChildSignal } from '../store/contract/rules/signal-room.ts'
import { CHILD_SIGNAL, type KeptEnd, MAX_CHILD_BYTES, type NewSignal } from '../store/contract/store.ts'

export { isChildSignal }

/** How a child ended, in the form in which its parent learns it. */
export interface ChildEnd {
  state: EndedState
  /** The time at which the child ended: milliseconds since 1970. */
  at: number
  /** Why the child ended, if it did not complete. */
  reason?: EndReason
  /** The message of the child's last error. For a job that was not queued: the reason. */
  error?: string
  /** The stored result. Absent if the child returned `true` or nothing. */
  result?: unknown
  /** Why the result was not stored. */
  dropped?: string
}

/** The name of the signal about the end of a child. @param flow the id of the child's flow */
export function childSignal(flow: string): string {
  return `${CHILD_SIGNAL}${flow}`
}

/** The id of a child's job. */
export function childId({ flow, home }: FlowPlace): string {
  return memberId({ flow, home, index: indexOf(0, 0) })
}

/** A result of up to this many bytes is always kept, no matter how much the other children have returned. */
const SMALL_RESULT = 1_024

/**
 * The signal about the end of a child.
 *
 * @param flow the id of the child's flow
 * @param at when the child ended
 */
export function endSignal(flow: string, at: number, end: Omit<KeptEnd, 'index'>): NewSignal {
  const signal = { name: childSignal(flow), text: writeChildEnd(end), key: String(at) }
  if (end.result === undefined || Buffer.byteLength(end.result) <= SMALL_RESULT) return signal
  const why = `the children of one job may return ${MAX_CHILD_BYTES / 1_048_576} MiB together`
  return { ...signal, brief: writeChildEnd({ ...end, result: droppedResult(why) }) }
}

/** How a child ended, as the text of a signal. */
export function writeChildEnd({ state, at, reason, error, result }: Omit<KeptEnd, 'index'>): string {
  const dropped = result && whyDropped(result)
  const end = JSON.stringify({ state, at, reason, error, dropped })
  // The result is already JSON.
  return result === undefined || dropped !== undefined ? end : `${end.slice(0, -1)},"result":${result}}`
}

/** Reads the text of a signal. */
export function readChildEnd(text: string): ChildEnd {
  return JSON.parse(text)
}

/** Whether a signal says that a child has not completed. */
export function tellsFailure({ name, text }: KeptSignal): boolean {
  return isChildSignal(name) && readChildEnd(text).state !== 'completed'
}
