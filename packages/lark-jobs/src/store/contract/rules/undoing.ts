/**
 * The undos of a job: what its steps have begun is undone before it ends as failed or cancelled. Beside the
 * journal of a job, a store keeps one text:
 *
 *   none  there is nothing to undo
 *   ''    there is: before the job ends as failed or cancelled, a run must undo it
 *   else  it is being undone: how the job ends after that
 *
 * So an end that a store would give to a job with the text '' becomes this text, and the job goes back to its
 * line, due at once (`undoneFirst`). A job with such a text ends as its worker says, or by too many crashes;
 * it cannot be cancelled any more.
 */
import { defined } from '@s18i/lark/internal'
import type { CancelReason, JobError, Outcome } from '../../../model/record.ts'
import type { Consequence } from './consequence.ts'
import { cancelledFor, readCancelled, untimed } from './reason.ts'

/** How a job ends when it is undone. */
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
 * The notice to cancel a job, as the rules see it (`consequence.ts`): a job that is being undone has none,
 * but when it ends as cancelled, then for the reason that was kept.
 *
 * @param undo the text, before the outcome is followed
 */
export function noticeOf(
  asked: string | null,
  undo: string | null,
  outcome?: Outcome['kind'],
): string | null {
  if (undo === null || undo === '') return asked
  return outcome === 'cancelled' ? undo.slice(1) : null
}

/** What becomes of the job, if it must be undone first: then also the new text. @param undo the text */
export function undoneFirst(consequence: Consequence, undo: string | null, now: number): Consequence {
  const { state, error, reason = '', runs, releases, event } = consequence
  if (undo !== '' || (state !== 'failed' && state !== 'cancelled')) return consequence
  const text = state === 'failed' ? `f${JSON.stringify(error)}` : `c${untimed(reason)}`
  // What failed until now does not count for what undoes it.
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
