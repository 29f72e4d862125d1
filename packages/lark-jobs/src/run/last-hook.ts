/**
 * The last hook of a job: the method `failed()` of its class when the last attempt has failed, or
 * `cancelled()` when the job was cancelled. The hook is called on a new object of the class.
 */

import { JobsError } from '../model/errors.ts'
import type { CancelReason } from '../model/record.ts'
import type { Run } from '../model/run/run.ts'
import type { JobClass, JobLike } from '../options/job-class.ts'
import { insideOfJob } from '../options/job-inside.ts'
import { readAnyway } from '../options/payload-rules.ts'
import { textOf } from '../words/thrown.ts'
import { type Make, withMade } from './made-job.ts'

/** The hook that is called, and the argument of the hook. */
export type LastWord =
  | { kind: 'failed'; error: unknown }
  | { kind: 'cancelled'; reason: CancelReason; because?: string }

/**
 * The reasons of a cancellation for which the hook `cancelled` is called. For other reasons, which come from
 * the queue or from a flow, the hook is not called.
 */
const forHook: readonly CancelReason[] = ['user', 'expired']

/** Whether the class has the hook for this end. */
export function hears({ hasFailed, hasCancelled }: JobClass, kind: LastWord['kind']): boolean {
  return kind === 'failed' ? hasFailed : hasCancelled
}

/**
 * Calls the hook, and waits until the hook has ended or its run has timed out. An error of the hook is
 * written to the log of its run, and has no other effect.
 *
 * @param run a new run for the hook. The timeout of this run begins now
 * @param payload the stored payload
 * @param make makes the job object. Default: `new`
 * @returns whether the hook succeeded
 */
export async function tell(
  jobClass: JobClass,
  run: Run,
  word: LastWord,
  payload: string,
  make: Make | undefined,
): Promise<boolean> {
  if (!hears(jobClass, word.kind) || (word.kind === 'cancelled' && !forHook.includes(word.reason)))
    return true
  try {
    await Promise.race([call(jobClass, run, word, payload, make), timeOut(run.signal)])
    return true
  } catch (problem) {
    run.write('warn', `${word.kind}() failed: ${textOf(problem)}`)
    return false
  }
}

function call(
  jobClass: JobClass,
  run: Run,
  word: LastWord,
  payload: string,
  make: Make | undefined,
): unknown {
  const copy = readAnyway(payload, jobClass)
  const act = (job: JobLike) =>
    word.kind === 'failed' ? job.failed!(word.error, copy) : job.cancelled!(copy, word.reason, word.because)
  if (make !== undefined) return withMade(make, jobClass, run, copy, act)
  const job = new jobClass.Class()
  insideOfJob(job).run = run
  return act(job)
}

/**
 * Rejects when the run times out. When the worker stops, the signal is aborted too, but the promise does not
 * reject: the hook may still finish.
 */
function timeOut(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => {
      if (JobsError.is(signal.reason, 'JOB_TIMED_OUT')) reject(signal.reason)
    })
  })
}
