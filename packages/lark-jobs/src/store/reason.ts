/**
 * Why a job is where it is, in the one text that both stores keep of it: why it was cancelled; or, of one that waits, why
 * its last run put it back, behind the number of that run. A further run makes that void, so nobody has to take it away.
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
