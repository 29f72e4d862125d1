/** Undoes the steps of a job that `dispatchNow` runs, if the job fails. */
import { JobsError } from '../model/errors.ts'
import type { Journal } from '../model/journal.ts'
import { jobError } from '../model/run/job-error.ts'
import { laterEnd, readLaterEnd } from '../store/contract/rules/undoing.ts'
import { NowRun, type NowRunOptions } from './now-run.ts'
import { undoFailed } from './undo-error.ts'

/** Runs `handle`. @param within wraps the promise of `handle` */
export type HandleNow = (now: NowRun, within: (handled: unknown) => unknown) => Promise<unknown>

/**
 * Runs `handle` again to get the undo functions of its steps, and then undoes the steps. If the time of a run
 * is over, another run continues.
 *
 * @param error the error with which the job fails
 * @param journal the entries that the steps of the job have recorded
 * @returns the error with which the job ends
 */
export async function undoneNow(
  error: unknown,
  journal: Journal,
  options: NowRunOptions,
  handle: HandleNow,
): Promise<unknown> {
  const { name } = options
  const undo = laterEnd({ kind: 'failed', error: jobError(error, 1, 0) })
  for (let recorded = journal; ; ) {
    const again = new NowRun({ ...options, journal: { ...recorded, undo } })
    let drop!: (reason: unknown) => void
    const dropped = new Promise<never>((_, reject) => {
      drop = reject
    })
    const handled = handle(again, (handling) => Promise.race([handling, dropped]))
    const steps = await again.steps!
    const found = await steps.undo(handled).catch((error: unknown) => ({ kind: 'thrown', error }) as const)
    dropped.catch(() => {})
    drop(new JobsError('JOB_UNDONE', `${name} ends, and its steps are undone`))
    await handled.catch(() => {})
    if (found.kind === 'undone') return error
    if (found.kind !== 'later') return undoFailed(name, found, readLaterEnd(undo))
    recorded = again.recorded!.journal
  }
}
