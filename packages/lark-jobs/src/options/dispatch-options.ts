import type { JobFields } from './job-class.ts'
import { jobSettings } from './job-settings.ts'
import type { IdOptions } from './own-id.ts'

/**
 * The options in which one job differs from its class, and its id. An option that is `undefined` is ignored.
 */
export interface DispatchOptions
  extends Partial<{ [K in keyof typeof jobSettings.entries]: JobFields[K] | undefined }> {
  /** The id of the job, chosen by the caller: see `Draft.withId`. */
  id?: string | undefined
  /** See `Draft.withId`. */
  reuse?: IdOptions['reuse'] | undefined
}

/** The names of all options. */
export const dispatchOptions = [...Object.keys(jobSettings.entries), 'id', 'reuse']
