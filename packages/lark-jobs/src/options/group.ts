/**
 * Groups: jobs of a queue that belong together, such as the jobs of one tenant. Groups take turns. A group
 * may have its own limits and a strict order. Classes in one queue that use the same group name share the
 * group.
 */
import type { Group } from '../model/record.ts'
import { notName, storedName } from '../model/stored-name.ts'
import { concurrency, limitsOf, rate } from './limits.ts'
import { flag, func, type OptionsOf, type Read, Schema } from './schema.ts'

const entries = {
  /** How many jobs of a group may run at a time on all workers together. Default: no limit. */
  concurrency,
  /**
   * How many jobs of a group may begin within a period on all workers together: `{ limit: 100, per: '1m' }`.
   * Default: no limit.
   */
  rate,
  /** Whether each job begins only when the previous job has ended, including its retries. Default: no. */
  strict: flag(),
}

export interface GroupOptions extends OptionsOf<typeof entries> {}

/**
 * The return value of `group()`: the function that names the group of a job, and the options of all groups.
 */
export interface GroupBy extends GroupOptions {
  /** Returns the name of the group for a payload. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by: (payload: any) => string | number
}

/** The schema of the field `group` of a class. */
export const groupOptions = new Schema(
  'group((payload) => payload.id)',
  { by: func<GroupBy['by']>('a function of the payload').needed(), ...entries },
  ({ strict, concurrency = 1 }, refuse) => {
    if (strict && concurrency > 1)
      refuse('concurrency', 'absent, because only one job of a strict group runs at a time')
  },
)

/**
 * Puts the jobs of a class into groups. Groups take fair turns, no matter how many jobs each group has.
 *
 * @param by returns the name of the group for a payload: a number, or a text that is not empty
 * @param options see `GroupOptions`. The limits apply to each group separately
 * @example
 * class SyncShopJob extends Job {
 *   group = group((payload: { shop: string }) => payload.shop, { concurrency: 2 })
 *   async handle(payload: { shop: string }) {}
 * }
 * @example group = group((p: { account: number }) => p.account, { strict: true })
 */
export function group<P>(by: (payload: P) => string | number, options: GroupOptions = {}): GroupBy {
  return Object.freeze({ ...options, by })
}

/** The option `group` in its checked form, with defaults. */
type Grouping = Pick<GroupBy, 'by'> & Partial<Read<typeof entries>>

/** The group of one job. @returns a text that describes the value, if `by` did not return a valid name */
export function groupFor(option: Grouping, payload: unknown): Group | string {
  const value = option.by(payload)
  const problem = value === '' ? 'an empty text' : notName(value)
  if (problem !== undefined) return problem
  const group: Group = { name: groupName(value) }
  const { strict, rate, concurrency = strict ? 1 : undefined } = option
  const limits = limitsOf({ concurrency, rate })
  if (limits !== undefined) group.limits = limits
  if (strict) group.strict = true
  return group
}

/** The name of a group in the store. */
export function groupName(name: string | number): string {
  return storedName(String(name))
}
