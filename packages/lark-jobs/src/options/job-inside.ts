/**
 * The data that Lark stores in a job object. A job object has no such data until the job is dispatched or
 * run. The base class in one copy of this package reads the data that the dispatcher or the worker of another
 * copy has stored (`model/copies.ts`).
 */
import type { Run } from '../model/run/run.ts'
import type { Rejection } from './unique.ts'

/** The property of a job object that holds this data. */
export const jobInside = Symbol.for('s18i.lark.job.inside')

export interface JobInside {
  /** The run that the job is in. */
  run: Run | undefined
  /** The ids of the jobs that the last dispatch of this object queued. */
  ids: string[] | undefined
  /** Why the last dispatch of this object was rejected. */
  rejection: Rejection | undefined
}

/**
 * The data in a job object, stored by any copy of this package. Undefined until the job is dispatched or run.
 */
export function notedIn(job: { readonly [jobInside]?: JobInside | undefined }): JobInside | undefined {
  return job[jobInside]
}

/** The data in a job object. If the job object has no data yet, the function creates it. */
export function insideOfJob(job: { [jobInside]?: JobInside | undefined }): JobInside {
  const known = job[jobInside]
  if (known !== undefined) return known
  const made: JobInside = { run: undefined, ids: undefined, rejection: undefined }
  job[jobInside] = made
  return made
}
