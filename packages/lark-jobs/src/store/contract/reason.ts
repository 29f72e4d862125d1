/**
 * The reason for a job's state. Both stores keep it as one text: the reason why the job was cancelled; or for a waiting
 * job, the number of its last run, and why that run put it back. The number shows when the text is out of date, so no
 * call has to remove it.
 */
import type { CancelReason, JobRecord, State } from '../../model/record.ts'

export function putBack(runs: number, because: string): string {
  return `${runs}|${because}`
}

/** @param runs the job's number of runs so far */
export function readReason(state: State, text: string, runs: number): Pick<JobRecord, 'reason' | 'because'> {
  if (state === 'cancelled') return { reason: text as CancelReason }
  const at = text.indexOf('|')
  const isLast = (state === 'waiting' || state === 'delayed') && Number(text.slice(0, at)) === runs
  return isLast ? { because: text.slice(at + 1) } : {}
}
