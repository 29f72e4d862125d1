/**
 * Job objects that the application makes itself with the function `make` of the configuration or of
 * `Jobs.work()`. Usually, a container passes dependencies to the constructor. Without `make`, a worker makes
 * job objects with `new` and no arguments.
 */

import { JobsError } from '../model/errors.ts'
import type { Run } from '../model/run/run.ts'
import { type JobClass, type JobLike, jobBrand, type WrittenJob } from '../options/job-class.ts'
import { insideOfJob, notedIn } from '../options/job-inside.ts'
import type { AbortSignalLike } from '../waiting/abort-signal.ts'
import { shown } from '../words/secret.ts'
import { textOf } from '../words/thrown.ts'

/** The run for which `make` makes a job. */
export interface JobRun {
  readonly id: string
  readonly key: string
  /** The number of the attempt, from 1. */
  readonly attempt: number
  /** The same object that `handle` will receive. */
  readonly payload: unknown
  /** A signal that is aborted when the run should end. `signal.reason` says why. */
  readonly signal: AbortSignalLike
}

/** A job object, or a job object with a function that is called when the run has ended. */
export type MadeJob = WrittenJob | { job: WrittenJob; dispose?: (() => unknown) | undefined }

/**
 * Makes the job object for one run. The function may be async.
 *
 * @param jobClass the class of the job
 * @returns a new object of the class, alone or as `{ job, dispose }`. `dispose()` is called on the returned
 *   object after every run, and before the outcome is reported
 */
// biome-ignore lint/suspicious/noExplicitAny: the application decides the parameters of its constructors
export type Make = (jobClass: new (...args: any[]) => WrittenJob, run: JobRun) => MadeJob | Promise<MadeJob>

/**
 * Makes a job object, calls `use` with this object, and then calls `dispose`. An error of `dispose` is
 * written to the log of the run, and has no other effect.
 *
 * @throws the errors of `make` and `use`; JOB_INVALID if `make` did not return a new object of the class; the
 *   reason of the abort if the run was aborted meanwhile
 */
export async function withMade<T>(
  make: Make,
  jobClass: JobClass,
  run: Run,
  payload: unknown,
  use: (job: JobLike) => T | Promise<T>,
): Promise<T> {
  const { key } = jobClass
  const { id, attempt, signal } = run
  const made: unknown = await make(jobClass.Class, { id, key, attempt, payload, signal })
  const isJob = typeof made === 'object' && made !== null && jobBrand in made
  const both = (isJob ? { job: made } : (made ?? {})) as { job?: JobLike; dispose?: () => unknown }
  const { job } = both
  try {
    if (!(job instanceof jobClass.Class))
      throw refusal(
        jobClass,
        `make() returned ${shown(made)}; it must return a job of this class, or { job, dispose }`,
      )
    if (notedIn(job)?.run !== undefined)
      throw refusal(jobClass, 'make() returned a job that is running; it must return a new one for every run')
    if (run.reason !== undefined) throw run.reason
    insideOfJob(job).run = run
    try {
      return await use(job)
    } finally {
      insideOfJob(job).run = undefined
    }
  } finally {
    try {
      await both.dispose?.()
    } catch (error) {
      run.write('warn', `dispose() of make() failed: ${textOf(error)}`)
    }
  }
}

function refusal({ name }: JobClass, problem: string): JobsError {
  const hint = 'Most containers keep one object of each class: make yours create a new (transient) object.'
  return new JobsError('JOB_INVALID', `${name}: ${problem}`, { hint })
}
