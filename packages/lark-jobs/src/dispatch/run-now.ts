/**
 * `dispatchNow`: one run of a job in this process, with no store.
 */
import { JobsError } from '../errors.ts'
import { classOf, currentRun, type JobConstructor, type JobLike, settingsOf } from '../job-class.ts'
import { print } from '../job-log.ts'
import { Run } from '../run.ts'
import { newId } from './id.ts'
import { decode, encode } from './payload.ts'

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
  const run = new Run(id, 1, (level, text) => print(name, id, level, text))
  const timer = setTimeout(() => run.abort(timedOut(name, timeout)), timeout)
  job[currentRun] = run
  try {
    const result = await job.handle(copy)
    if (run.reason !== undefined) throw run.reason
    return result
  } catch (error) {
    throw run.reason ?? error
  } finally {
    clearTimeout(timer)
    job[currentRun] = undefined
  }
}

/** The reason of a signal whose run took too long. `timeout` in milliseconds. */
export function timedOut(name: string, timeout: number): JobsError {
  return new JobsError('JOB_TIMED_OUT', `${name} took longer than its timeout of ${timeout / 1_000} s`, {
    hint: 'Pass this.signal on to what the job waits for, or raise its timeout.',
  })
}
