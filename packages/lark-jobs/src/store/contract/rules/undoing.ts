/**
 * A job with steps that can be undone ends as failed or cancelled only after a run has undone these steps. A
 * store keeps a text with the journal of the job, which has one of these values:
 *
 *   none  The job has no steps to undo.
 *   ''    The job has steps to undo. A run must undo them before the job ends as failed or cancelled.
 *   else  The steps of the job are being undone. The text says how the job ends afterwards.
 *
 * When a job with the text '' would end as failed or cancelled, the store keeps this end as the new text, and
 * the job goes back to its line and is due at once (`undoneFirst`). A job whose steps are being undone cannot
 * be cancelled any more: it ends when its worker says so, or after too many crashes. There is one exception:
 * a job whose class no worker knows ends at once as `lost`, because no worker can undo its steps. If the job
 * is retried later, its steps are undone before its next end.
 */
import { defined } from '@s18i/lark/internal'
import type { CancelReason, JobError, Outcome } from '../../../model/record.ts'
import type { Consequence } from './after-run.ts'
import { cancelledFor, readCancelled, untimed } from './reason.ts'

/** How a job ends after its steps are undone. */
export type LaterEnd =
  | { kind: 'failed'; error: JobError }
  | { kind: 'cancelled'; reason: CancelReason; because?: string }

/**
 * The text that a store keeps for a later end: `f` and the error as JSON, or `c` and the reason
 * (`reason.ts`).
 */
export function laterEnd(end: LaterEnd): string {
  return end.kind === 'failed' ? `f${JSON.stringify(end.error)}` : `c${cancelledFor(end.reason, end.because)}`
}

export function readLaterEnd(text: string): LaterEnd {
  if (text[0] === 'f') return { kind: 'failed', error: JSON.parse(text.slice(1)) as JobError }
  return { kind: 'cancelled', ...readCancelled(text.slice(1)) }
}

/**
 * Returns the notice to cancel a job that `after-run.ts` gets. While the steps of a job are being undone,
 * there is no notice. When the job ends as cancelled after that, the kept reason takes the place of the
 * notice.
 *
 * @param undo the text that the store kept before this outcome (see the top of this file)
 */
export function noticeOf(
  asked: string | null,
  undo: string | null,
  outcome?: Outcome['kind'],
): string | null {
  if (undo === null || undo === '') return asked
  return outcome === 'cancelled' ? undo.slice(1) : null
}

/**
 * Whether a job ends because no worker knows its class. Then no worker can undo the steps of the job either.
 * @param reason the reason with the text of a person
 */
export function isLost(reason: string): boolean {
  return reason.startsWith('lost|')
}

/**
 * The consequence for a job that would end as failed or cancelled. If the job has steps to undo, it becomes
 * pending again, and the end is kept for later.
 *
 * @param undo the text that the store keeps (see the top of this file)
 */
export function undoneFirst(consequence: Consequence, undo: string | null, now: number): Consequence {
  const { state, error, reason = '', runs, releases, event } = consequence
  if (undo !== '' || isLost(reason) || (state !== 'failed' && state !== 'cancelled')) return consequence
  const text = state === 'failed' ? `f${JSON.stringify(error)}` : `c${untimed(reason)}`
  // Failures and crashes up to now do not count for the run that undoes the steps.
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
