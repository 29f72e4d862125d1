/**
 * How long the ended jobs of a class are kept: `keep()` of a class.
 */

import type { Keep } from '../model/record.ts'
import { type Duration, durationForm, milliseconds } from '../words/duration.ts'
import { Option, type OptionsOf, type Read, Schema } from './schema.ts'

/** Milliseconds; 0 for `false`. */
const age = new Option<Duration | false, number>(`false, or ${durationForm}, above 0`, (value) =>
  value === false ? 0 : milliseconds(value) || undefined,
)

const entries = {
  /** How long completed jobs are kept; `false`: not at all. Default: as their queue says. */
  completed: age,
  /** How long failed jobs are kept. */
  failed: age,
  /** How long cancelled jobs are kept. */
  cancelled: age,
  /**
   * How long the log is kept after the end of the job, if that is shorter than the job is kept; `false`: no
   * log is written to the store.
   */
  log: age,
}

/** How long ended jobs are kept: milliseconds, or `'30s'`, `'30d'`; `false`: not at all. */
export interface KeepOptions extends OptionsOf<typeof entries> {}

/** A class's `keep`. */
export const classKeep = new Schema("keep({ completed: '30d', failed: false })", entries)

/**
 * Says how long the ended jobs of a class are kept, whatever their queue keeps of others and however many
 * they are.
 *
 * @param ages see `KeepOptions`
 * @example
 * class ChargeJob extends Job {
 *   keep = keep({ completed: '30d', failed: '90d', cancelled: false })
 *   async handle(payload: { invoice: number }) {}
 * }
 */
export function keep(ages: KeepOptions): KeepOptions {
  return Object.freeze({ ...ages })
}

/**
 * How long a job of a class is kept, as it is stored with the job; undefined if the class does not say it.
 *
 * @param least milliseconds, of `keepResult`
 */
export function keepFrom(
  ages: Read<typeof entries> | undefined,
  least: number | undefined,
): Keep | undefined {
  const given = Object.entries({ ...ages, least }).filter(([, ms]) => ms !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}
