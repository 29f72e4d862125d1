/**
 * The reason for a job's state, in the one text that both stores keep: why it was cancelled; or, for a waiting job, why its
 * last run put it back, after the number of that run. The next run makes the reason void, so nothing has to remove it.
 */
import type { CancelReason, JobRecord, State } from '../record.ts'

export function putBack(runs: number, because: string): string {
  return `${runs}|${because}`
}

/** @param runs of the job by now */
export function readReason(state: State, text: string, runs: number): Pick<JobRecord, 'reason' | 'because'> {
  if (state === 'cancelled') return { reason: text as CancelReason }
  const at = text.indexOf('|')
  const isLast = (state === 'waiting' || state === 'delayed') && Number(text.slice(0, at)) === runs
  return isLast ? { because: text.slice(at + 1) } : {}
}
