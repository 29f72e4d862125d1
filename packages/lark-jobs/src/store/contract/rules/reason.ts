/**
 * The reason for a job's state. Both stores keep it as one text: for a cancelled job, the reason, and if a
 * person wrote more, `|` and that text; for a waiting job, the number of its last run and why that run put it
 * back. The number shows when the text is out of date, so no call has to remove it. A notice to cancel a job
 * has the same text.
 *
 * For a job that no worker could read, the second part begins with STRANDED, the time since which the job has
 * been waiting, and `|`: each worker that gets it puts it back for up to a minute, so its due time only says
 * when the next worker may get it. For a suspended job, the second part is SUSPENDED before each signal for
 * which it waits, and once more at the end. For a job that is being undone, the text is only UNDOING, while
 * it waits or runs.
 */
import type { CancelReason, JobRecord, State } from '../../../model/record.ts'

/** No text of a person begins with this character. */
export const STRANDED = '\x1e'
/** No name of a signal contains this character. */
export const SUSPENDED = '\x1d'
export const UNDOING = '\x1b'

/** @param since for a stranded job: milliseconds since 1970 */
export function putBack(runs: number, because: string, since?: number): string {
  return `${runs}|${since === undefined ? '' : `${STRANDED}${since}|`}${because}`
}

/**
 * Since when a stranded job has been waiting; undefined if its last run did not put it back as unreadable.
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
 * The signals for which a pending job waits; undefined if its last run did not suspend it.
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
 * The notice to the worker of a running job that somebody wants to end: `reason@at|because`. If there was a
 * notice before, its time stays.
 *
 * @param before the earlier notice
 */
export function askedFor(text: string, now: number, before: string | null): string {
  return text.replace(/^[^|]*/, `$&@${readAsked(before ?? '').at ?? now}`)
}

/** `at`: milliseconds since 1970. */
export function readAsked(notice: string): { reason: CancelReason; because?: string; at?: number } {
  const at = /^[^|@]*@(\d+)/.exec(notice)?.[1]
  return { ...readCancelled(untimed(notice)), ...(at !== undefined && { at: Number(at) }) }
}

/** The part of a notice that is kept after its job has ended. */
export function untimed(notice: string): string {
  return notice.replace(/^([^|@]*)@\d+/, '$1')
}

/**
 * Adds what people wrote in the notice, if the worker reports that the job ended because of the notice.
 *
 * @param asked the notice
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
