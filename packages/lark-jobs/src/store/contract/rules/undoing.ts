/**
 * The undos of a job: its steps are undone before it ends as failed or cancelled. Beside the journal of a
 * job, a store keeps one text:
 *
 *   none  there is nothing to undo
 *   ''    there are steps to undo: before the job ends as failed or cancelled, a run must undo them
 *   else  the job is being undone: this is how it ends afterwards
 *
 * So when a job with the text '' would end, the store keeps that end as the text, and the job goes back to
 * its line, due at once (`undoneFirst`). A job with an end as its text ends as its worker says, or by too
 * many crashes; it cannot be cancelled any more. Only as `lost`, when no worker knows its class, a job that
 * nobody holds ends at once: no worker can undo it. If it is retried, its steps are undone at a later end.
 */
import { defined } from '@s18i/lark/internal'
import type { CancelReason, JobError, Outcome } from '../../../model/record.ts'
import type { Consequence } from './after-run.ts'
import { cancelledFor, readCancelled, untimed } from './reason.ts'

/** How a job ends after it is undone. */
export type LaterEnd =
  | { kind: 'failed'; error: JobError }
  | { kind: 'cancelled'; reason: CancelReason; because?: string }

/** The text of an end: `f` and the error as JSON, or `c` and the reason (`reason.ts`). */
export function laterEnd(end: LaterEnd): string {
  return end.kind === 'failed' ? `f${JSON.stringify(end.error)}` : `c${cancelledFor(end.reason, end.because)}`
}

export function readLaterEnd(text: string): LaterEnd {
  if (text[0] === 'f') return { kind: 'failed', error: JSON.parse(text.slice(1)) as JobError }
  return { kind: 'cancelled', ...readCancelled(text.slice(1)) }
}

/**
 * The notice to cancel a job, as the rules see it (`after-run.ts`): a job that is being undone has no
 * notice, but if it ends as cancelled, the reason is the one that was kept.
 *
 * @param undo the text before the outcome is applied
 */
export function noticeOf(
  asked: string | null,
  undo: string | null,
  outcome?: Outcome['kind'],
): string | null {
  if (undo === null || undo === '') return asked
  return outcome === 'cancelled' ? undo.slice(1) : null
}

/** Whether no worker can run the job, so that none can undo it. @param reason with what a person wrote */
export function isLost(reason: string): boolean {
  return reason.startsWith('lost|')
}

/**
 * What becomes of a job that would end: if it still has steps to undo, it is pending again, and its end is
 * kept for later.
 *
 * @param undo the text of its undo (see the top of this file)
 */
export function undoneFirst(consequence: Consequence, undo: string | null, now: number): Consequence {
  const { state, error, reason = '', runs, releases, event } = consequence
  if (undo !== '' || isLost(reason) || (state !== 'failed' && state !== 'cancelled')) return consequence
  const text = state === 'failed' ? `f${JSON.stringify(error)}` : `c${untimed(reason)}`
  // Failures before the undo do not count for the run that undoes.
  return {
    ...{
      state: 'pending',
      runs,
      failures: 0,
      crashes: 0,
      releases,
      dueAt: now,
      noPrefetch: true,
      undo: text,
    },
    ...defined({ event, error: state === 'cancelled' ? error : undefined }),
  }
}
