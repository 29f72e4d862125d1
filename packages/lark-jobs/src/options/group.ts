/**
 * Groups: jobs of a queue that belong together, such as the jobs of one tenant. Groups take turns. A group may have its
 * own limits and a strict order. Classes in one queue that use the same group name share the group.
 */
import { isCount, limitsOf, type RateOption, rateProblem } from '../model/limit.ts'
import type { Group } from '../model/record.ts'
import { notName, storedName } from '../model/stored-name.ts'

export interface GroupOptions {
  /** Jobs of a group that run at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Jobs of a group that begin within a time, over all workers: `{ limit: 100, per: '1m' }`. Default: no limit. */
  rate?: RateOption
  /** Each job begins only when the one before it has ended, its retries included. Default: no. */
  strict?: boolean
}

/** The value that `group()` returns. */
export interface GroupBy extends GroupOptions {
  /** Returns the name of the group for a payload. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by: (payload: any) => string | number
}

/**
 * Puts the jobs of a class into groups. Groups take fair turns, however many jobs each of them has.
 *
 * @param by returns the name of the group for a payload: a number, or a text that is not empty
 * @param options see `GroupOptions`; they apply to each group separately
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

/** The first problem of a class's `group`: field, value, and what would be right; undefined if there is none. */
export function groupProblem(option: unknown): [field: string, value: unknown, right: string] | undefined {
  if (option === undefined) return undefined
  if (typeof option !== 'object' || option === null)
    return ['group', option, 'group((payload) => payload.id)']
  const { by, concurrency, rate, strict, ...rest } = option as GroupBy
  const [unknown] = Object.entries(rest)
  if (unknown !== undefined)
    return [`group.${unknown[0]}`, unknown[1], 'absent: it knows concurrency, rate and strict']
  if (typeof by !== 'function') return ['group.by', by, 'a function of the payload']
  if (concurrency !== undefined && !isCount(concurrency))
    return ['group.concurrency', concurrency, 'a whole number from 1']
  const problem = rate === undefined ? undefined : rateProblem(rate)
  if (problem !== undefined) return ['group.rate', rate, problem]
  if (strict !== undefined && typeof strict !== 'boolean') return ['group.strict', strict, 'true or false']
  if (strict && concurrency !== undefined && concurrency !== 1)
    return ['group.concurrency', concurrency, 'absent: of a strict group one job runs at a time']
  return undefined
}

/** The group of one job. @returns a text that describes the value, if `by` did not return a valid name */
export function groupFor(option: GroupBy, payload: unknown): Group | string {
  const value = option.by(payload)
  const problem = value === '' ? 'an empty text' : notName(value)
  if (problem !== undefined) return problem
  const group: Group = { name: groupName(value) }
  const { strict = false, rate } = option
  const { concurrency = strict ? 1 : undefined } = option
  const limits = limitsOf({ ...(concurrency && { concurrency }), ...(rate && { rate }) }, 1)
  if (limits !== undefined) group.limits = limits
  if (strict) group.strict = true
  return group
}

/** The name of a group in the store. */
export function groupName(name: string | number): string {
  return storedName(String(name))
}
