/**
 * `dispatchNow`: one run of a job in this process, with no store.
 */
import { tellFailed } from '../failed-hook.ts'
import { newId } from '../id.ts'
import { classOf, currentRun, type JobConstructor, type JobLike, settingsOf } from '../job-class.ts'
import { print } from '../job-log.ts'
import type { Middleware } from '../middleware/middleware.ts'
import { SeenJob } from '../middleware/seen-job.ts'
import { through } from '../middleware/through.ts'
import { decode, encode } from '../payload.ts'
import { LONGEST_TIMER, Run, timedOut } from '../run.ts'

/** What is the same for every run. */
interface Around {
  middleware: readonly Middleware[]
}

/**
 * Runs the job's `handle` on a JSON copy of the payload; and the class's `failed`, when that rejects.
 *
 * @throws what `handle` throws; JOB_TIMED_OUT when its time was over, whatever it then did; JOB_RELEASED when it
 * released itself
 * @param around asked when job and payload have been checked; where it answers at once, the run begins at once
 */
export async function runNow(
  job: JobLike,
  payload: unknown,
  around: () => Around | Promise<Around>,
): Promise<unknown> {
  const jobClass = classOf(job.constructor as JobConstructor)
  const { name } = jobClass
  const { timeout, queueName } = settingsOf(job, name)
  const text = encode(payload, name)
  const asked = around()
  const { middleware } = asked instanceof Promise ? await asked : asked
  const id = newId()
  const inTime = async <T>(act: (run: Run) => Promise<T>): Promise<T> => {
    const run = new Run(id, 1, { write: (level, text) => print(name, id, level, text) })
    const timer = setTimeout(() => run.abort(timedOut(name, timeout)), Math.min(timeout, LONGEST_TIMER))
    return await act(run).finally(() => clearTimeout(timer))
  }
  return inTime(async (run) => {
    try {
      const copy = decode(text)
      const seen = new SeenJob(run, jobClass, queueName, copy)
      const chain = [...middleware, ...jobClass.middleware]
      return await inRun(job, run, () => through(chain, seen, () => job.handle(copy)))
    } catch (error) {
      if (run.decision?.kind !== 'released') await inTime((own) => tellFailed(jobClass, own, error, text))
      throw error
    }
  })
}

/** What `handle` does, or what its run came to. */
async function inRun(job: JobLike, run: Run, handle: () => unknown): Promise<unknown> {
  job[currentRun] = run
  try {
    const result = await handle()
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
