/**
 * The last that a class hears of a job: `failed()` when it has failed for good, `cancelled()` when it was cancelled.
 * Called by whoever finds that out, on a job made for it.
 */
import { currentRun, type JobClass, type JobLike } from './job-class.ts'
import { decode } from './payload.ts'
import type { CancelReason } from './record.ts'
import type { Run } from './run.ts'
import { textOf } from './thrown.ts'

/** How a job ended, of which its class is told. */
export type LastWord = { kind: 'failed'; error: unknown } | { kind: 'cancelled'; reason: CancelReason }

/** Whether a class has something to do then. */
export function hears({ hasFailed, hasCancelled }: JobClass, kind: LastWord['kind']): boolean {
  return kind === 'failed' ? hasFailed : hasCancelled
}

/**
 * Calls the hook, and waits until it has ended, or its run has timed out. What goes wrong in it is a line of the run's
 * log and concerns nobody else.
 *
 * @param run of its own, with its time still before it
 * @param payload as kept
 * @returns whether it went through
 */
export async function tell(jobClass: JobClass, run: Run, word: LastWord, payload: string): Promise<boolean> {
  if (!hears(jobClass, word.kind)) return true
  try {
    const job = new jobClass.make()
    job[currentRun] = run
    await Promise.race([call(job, word, decode(payload)), timeOut(run.signal)])
    return true
  } catch (problem) {
    run.write('warn', `${word.kind}() failed: ${textOf(problem)}`)
    return false
  }
}

function call(job: JobLike, word: LastWord, payload: unknown): unknown {
  return word.kind === 'failed' ? job.failed!(word.error, payload) : job.cancelled!(payload, word.reason)
}

/** Rejects when the time is over. A worker's end is for the hook itself to heed: it has its last words. */
function timeOut(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      if (signal.reason?.code === 'JOB_TIMED_OUT') reject(signal.reason)
    })
  })
}
