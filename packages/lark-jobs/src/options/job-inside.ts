/**
 * What Lark notes in a job. A job has no such object until it is dispatched or run. The base class of one
 * copy of this package reads what the dispatcher or the worker of another copy has noted (`model/copies.ts`).
 */
import type { Run } from '../model/run/run.ts'
import type { Rejection } from './unique.ts'

/** The property in which a job keeps this object. */
export const jobInside = Symbol.for('s18i.lark.job.inside')

export interface JobInside {
  /** The run that the job is in. */
  run: Run | undefined
  /** The ids of its last dispatch. */
  ids: string[] | undefined
  /** Why its last dispatch was not queued. */
  rejection: Rejection | undefined
}

/** What is noted in a job, by any copy of this package; undefined before it is dispatched or run. */
export function notedIn(job: { readonly [jobInside]?: JobInside | undefined }): JobInside | undefined {
  return job[jobInside]
}

/** The object in which to note something; made if the job has none. */
export function insideOfJob(job: { [jobInside]?: JobInside | undefined }): JobInside {
  const known = job[jobInside]
  if (known !== undefined) return known
  const made: JobInside = { run: undefined, ids: undefined, rejection: undefined }
  job[jobInside] = made
  return made
}
