/**
 * `dispatchNow`: one run of a job in this process, with no store.
 */
import { newId } from '../id.ts'
import { classOf, currentRun, type JobConstructor, type JobLike, settingsOf } from '../job-class.ts'
import { print } from '../job-log.ts'
import { decode, encode } from '../payload.ts'
import { LONGEST_TIMER, Run, timedOut } from '../run.ts'

/**
 * Runs the job's `handle` on a JSON copy of the payload.
 *
 * @throws what `handle` throws; JOB_TIMED_OUT when its time was over, whatever it then did
 */
export async function runNow(job: JobLike, payload: unknown): Promise<unknown> {
  const { name } = classOf(job.constructor as JobConstructor)
  const { timeout } = settingsOf(job, name)
  const copy = decode(encode(payload, name))
  const id = newId()
  const run = new Run(id, 1, { write: (level, text) => print(name, id, level, text) })
  const timer = setTimeout(() => run.abort(timedOut(name, timeout)), Math.min(timeout, LONGEST_TIMER))
  job[currentRun] = run
  try {
    const result = await job.handle(copy)
    if (run.reason !== undefined) throw run.reason
    return result
  } catch (error) {
    throw run.reason ?? error
  } finally {
    clearTimeout(timer)
    // Another run of the same object may have begun meanwhile.
    if (job[currentRun] === run) job[currentRun] = undefined
  }
}
