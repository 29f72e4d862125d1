/**
 * How long the ended jobs of a class are kept: `keep()` of a class.
 */

import type { Keep } from '../model/record.ts'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { Option, type OptionsOf, type Read, Schema } from './schema.ts'

/** An age, read as milliseconds; `false` is read as 0. */
const age = new Option<Duration | false, number>(`false, or ${durationForm}, above 0`, (value) =>
  value === false ? 0 : milliseconds(value) || undefined,
)

const entries = {
  /** How long completed jobs are kept. `false`: not at all. Default: the setting of their queue. */
  completed: age,
  /** How long failed jobs are kept. `false`: not at all. Default: the setting of their queue. */
  failed: age,
  /** How long cancelled jobs are kept. `false`: not at all. Default: the setting of their queue. */
  cancelled: age,
  /**
   * How long the log is kept after the end of the job, if this time is shorter than the time for the job
   * itself. `false`: no log is written to the store.
   */
  log: age,
}

/** How long ended jobs are kept: milliseconds, or `'30s'`, `'30d'`. `false`: not at all. */
export interface KeepOptions extends OptionsOf<typeof entries> {}

/** The schema of the field `keep` of a class. */
export const classKeep = new Schema("keep({ completed: '30d', failed: false })", entries)

/**
 * Sets how long the ended jobs of a class are kept. An age that is set here replaces the age and the maximum
 * number in the settings of the queue.
 *
 * @param ages see `KeepOptions`
 * @example class ChargeJob extends Job { keep = keep({ completed: '30d', failed: '90d', cancelled: false })
 *   async handle(payload: { invoice: number }) {} }
 */
export function keep(ages: KeepOptions): KeepOptions {
  return Object.freeze({ ...ages })
}

/**
 * How long a job of a class is kept, in the form that is stored with the job. Undefined if the class sets no
 * such time.
 *
 * @param least the value of `keepResult`, in milliseconds
 */
export function keepFrom(
  ages: Read<typeof entries> | undefined,
  least: number | undefined,
): Keep | undefined {
  const given = Object.entries({ ...ages, least }).filter(([, ms]) => ms !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}
