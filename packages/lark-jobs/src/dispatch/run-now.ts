/**
 * `dispatchNow`: one run of a job in this process, with no store.
 */
import { tellFailed } from '../failed-hook.ts'
import { newId } from '../id.ts'
import { classOf, currentRun, type JobConstructor, type JobLike, settingsOf } from '../job-class.ts'
import { print } from '../job-log.ts'
import { decode, encode } from '../payload.ts'
import { LONGEST_TIMER, Run, timedOut } from '../run.ts'

/**
 * Runs the job's `handle` on a JSON copy of the payload; and the class's `failed`, when that rejects.
 *
 * @throws what `handle` throws; JOB_TIMED_OUT when its time was over, whatever it then did; JOB_RELEASED when it
 * released itself
 */
export async function runNow(job: JobLike, payload: unknown): Promise<unknown> {
  const jobClass = classOf(job.constructor as JobConstructor)
  const { name } = jobClass
  const { timeout } = settingsOf(job, name)
  const text = encode(payload, name)
  const id = newId()
  const inTime = async <T>(act: (run: Run) => Promise<T>): Promise<T> => {
    const run = new Run(id, 1, { write: (level, text) => print(name, id, level, text) })
    const timer = setTimeout(() => run.abort(timedOut(name, timeout)), Math.min(timeout, LONGEST_TIMER))
    return await act(run).finally(() => clearTimeout(timer))
  }
  return inTime(async (run) => {
    try {
      return await handle(job, run, decode(text))
    } catch (error) {
      if (run.decision?.kind !== 'released') await inTime((own) => tellFailed(jobClass, own, error, text))
      throw error
    }
  })
}

async function handle(job: JobLike, run: Run, payload: unknown): Promise<unknown> {
  job[currentRun] = run
  try {
    const result = await job.handle(payload)
    if (run.decision !== undefined) throw run.decision.error
    if (run.reason !== undefined) throw run.reason
    return result
  } catch (error) {
    throw run.decision?.error ?? run.reason ?? error
  } finally {
    // Another run of the same object may have begun meanwhile.
    if (job[currentRun] === run) job[currentRun] = undefined
  }
}
