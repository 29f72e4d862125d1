/**
 * Suspends a job that waits for the children that were added to it. The store makes the job due when one of
 * some signals comes. The run that follows may find that the job has to wait for other children.
 */
import type { ClaimedJob } from '@s18i/lark-jobs'
import { suspendRun } from '@s18i/lark-jobs/internal'
import { JobChildren, restsIn, writeRest } from '../flow/job-children.ts'
import { UnrecoverableError } from '../job/ending-errors.ts'
import type { EveryJob } from '../job/every-job.ts'
import type { JobHome } from '../store/shared-store.ts'

/**
 * Milliseconds after which a job looks at its children even if no signal has come. The time doubles, from
 * `first` to `last`.
 */
const LOOK = { first: 300_000, last: 86_400_000 }

/** @param isSilent whether the processor was not called in this run @throws JOB_SUSPENDED */
export function restFor(lark: EveryJob, claimed: ClaimedJob, children: JobChildren, isSilent = false): never {
  const { entries = [], count = 0 } = claimed.journal ?? {}
  const { waits, heard } = children
  const looks = restsIn(entries).filter((rest) => rest.isSilent).length
  suspendRun(lark, {
    in: Math.min(LOOK.last, LOOK.first * 2 ** looks),
    waits,
    heard,
    steps: { at: count, entries: [writeRest({ run: claimed.runs, heard, isSilent })] },
  })
}

/** Suspends the job again if it was suspended and still has to wait. @throws JOB_SUSPENDED */
export async function restAgain(lark: EveryJob, home: JobHome, claimed: ClaimedJob): Promise<void> {
  const { entries = [], signals = [] } = claimed.journal ?? {}
  const last = restsIn(entries).at(-1)
  if (last?.run !== claimed.runs - 1) return
  const children = new JobChildren(signals)
  if (children.failed !== undefined || children.startsAfter(last.heard)) return
  // No signal has come, so the job is due because its time is over.
  if (children.heard === last.heard) await children.ask(home)
  if (children.pending.length > 0) restFor(lark, claimed, children, true)
}

/**
 * Why a job fails before its processor is called: one of its children has failed, and that failure makes the
 * job fail.
 */
export function failedChildOf({ journal }: ClaimedJob): Error | undefined {
  const { key } = (journal && new JobChildren(journal.signals).failed) ?? {}
  return key === undefined ? undefined : new UnrecoverableError(`child ${key} failed`)
}
