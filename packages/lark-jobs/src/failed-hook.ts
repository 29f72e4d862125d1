/**
 * A class's `failed()`, called for a job that has failed for good: by whoever found that out.
 */
import { currentRun, type JobClass } from './job-class.ts'
import { decode } from './payload.ts'
import type { Run } from './run.ts'

/**
 * Calls `failed()` on a job made for it, and waits until it has ended, or its run has timed out. What goes wrong
 * in it is a line of the run's log and concerns nobody else.
 *
 * @param run of its own, with its time still before it
 * @param error why the job has failed
 * @param payload as kept
 * @returns whether it went through
 */
export async function tellFailed(
  jobClass: JobClass,
  run: Run,
  error: unknown,
  payload: string,
): Promise<boolean> {
  if (!jobClass.hasFailed) return true
  try {
    const job = new jobClass.make()
    job[currentRun] = run
    await Promise.race([job.failed!(error, decode(payload)), timeOut(run.signal)])
    return true
  } catch (problem) {
    const why = problem instanceof Error ? problem.message : 'something was thrown that is no Error'
    run.write('warn', `failed() did not go through: ${why}`)
    return false
  }
}

/** Rejects when the time is over. A worker's end is for the hook itself to heed: it has its last words. */
function timeOut(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      if (signal.reason?.code === 'JOB_TIMED_OUT') reject(signal.reason)
    })
  })
}
