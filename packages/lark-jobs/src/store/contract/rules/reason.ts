/**
 * The reason for the state of a job, which all stores keep as one text. For a cancelled job, the text is the
 * reason (`CancelReason`); if a person has written words about it, `|` and these words follow. A notice to
 * cancel a job has the same form, with the time of the request after the reason. For a waiting or delayed
 * job, the text is the number of the last run, `|`, and the reason why this run put the job back. A text with
 * the number of an earlier run is out of date and is ignored, so no call has to remove it.
 *
 * For a job that no worker could read, the part after the number begins with STRANDED, the time since which
 * the job has been waiting, and `|`. (The due time of such a job cannot say this: each worker that claims the
 * job delays it again.) For a suspended job, the part after the number has the names of the signals for which
 * the job waits, with SUSPENDED before each name and after the last one. For a job whose steps are being
 * undone, the whole text is UNDOING while the job waits or runs.
 */
import type { CancelReason, JobRecord, State } from '../../../model/record.ts'

/** A character that marks a stranded job. No text of a person begins with it. */
export const STRANDED = '\x1e'
/** A character that marks a suspended job. No name of a signal contains it. */
export const SUSPENDED = '\x1d'
export const UNDOING = '\x1b'

/** @param since for a stranded job, since when it has been waiting: milliseconds since 1970 */
export function putBack(runs: number, because: string, since?: number): string {
  return `${runs}|${since === undefined ? '' : `${STRANDED}${since}|`}${because}`
}

/**
 * Reads since when a stranded job has been waiting. The result is undefined if the last run did not put the
 * job back as unreadable.
 *
 * @param runs as in `readReason`
 */
export function strandedSince(text: string | null, runs: number): number | undefined {
  const [, number, since] = new RegExp(`^(\\d+)\\|${STRANDED}(\\d+)\\|`).exec(text ?? '') ?? []
  return Number(number) === runs ? Number(since) : undefined
}

/** @param waits the names of signals */
export function suspendedFor(runs: number, waits: readonly string[]): string {
  return putBack(runs, waitsText(waits))
}

export function waitsText(waits: readonly string[]): string {
  return [...waits.map((name) => `${SUSPENDED}${name}`), SUSPENDED].join('')
}

/**
 * The names of the signals for which a suspended job waits; undefined if the last run did not suspend the
 * job.
 *
 * @param runs as in `readReason`
 */
export function suspendedIn(text: string | null | undefined, runs: number): string[] | undefined {
  if (!text?.startsWith(`${runs}|${SUSPENDED}`)) return undefined
  return text.split(SUSPENDED).slice(1, -1)
}

export function cancelledFor(reason: CancelReason, because?: string): string {
  return because === undefined ? reason : `${reason}|${because}`
}

/**
 * The notice to the worker of a running job that somebody has asked to cancel: `reason@at|because`. If the
 * job has an earlier notice, the new notice keeps the time of the earlier one.
 *
 * @param before the earlier notice, if there is one
 */
export function askedFor(text: string, now: number, before: string | null): string {
  return text.replace(/^[^|]*/, `$&@${readAsked(before ?? '').at ?? now}`)
}

/**
 * Reads a notice to cancel a job. `at`: when somebody asked to cancel the job, in milliseconds since 1970.
 */
export function readAsked(notice: string): { reason: CancelReason; because?: string; at?: number } {
  const at = /^[^|@]*@(\d+)/.exec(notice)?.[1]
  return { ...readCancelled(untimed(notice)), ...(at !== undefined && { at: Number(at) }) }
}

/** A notice without its time. This text is kept when the job has ended. */
export function untimed(notice: string): string {
  return notice.replace(/^([^|@]*)@\d+/, '$1')
}

/**
 * The reason that is kept with a cancelled job. If the worker reports the reason that the notice has, the
 * words of the person in the notice are added.
 *
 * @param asked the notice to cancel the job, if there is one
 */
export function endedFor(reason: CancelReason, asked: string | null | undefined): string {
  const text = untimed(asked ?? '')
  return text.startsWith(`${reason}|`) ? text : reason
}

export function readCancelled(text: string): { reason: CancelReason; because?: string } {
  const at = text.indexOf('|')
  if (at < 0) return { reason: text as CancelReason }
  return { reason: text.slice(0, at) as CancelReason, because: text.slice(at + 1) }
}

/** @param runs the job's number of runs so far */
export function readReason(
  state: State,
  text: string,
  runs: number,
): Pick<JobRecord, 'reason' | 'because' | 'strandedSince' | 'suspended' | 'undoing'> {
  if (state === 'cancelled') return readCancelled(text)
  const isPending = state === 'waiting' || state === 'delayed'
  if ((isPending || state === 'active') && text === UNDOING) return { undoing: true }
  const at = text.indexOf('|')
  if (!isPending || Number(text.slice(0, at)) !== runs) return {}
  const suspended = suspendedIn(text, runs)
  if (suspended !== undefined) return { suspended }
  const since = strandedSince(text, runs)
  if (since === undefined) return { because: text.slice(at + 1) }
  return { because: text.slice(text.indexOf('|', at + 1) + 1), strandedSince: since }
}
