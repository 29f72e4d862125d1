/**
 * Groups: the jobs of a queue that belong together, such as those of a tenant. They take turns with other groups, and a
 * group may have limits, and an order, of its own. Scope is the queue: classes that name a group alike share it.
 */
import { isCount, limitsOf, type RateOption, rateProblem } from './limit.ts'
import type { Group } from './record.ts'
import { notName, storedName } from './stored-name.ts'

export interface GroupOptions {
  /** Jobs of a group that run at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Jobs of a group that begin within a time, over all workers: `{ limit: 100, per: '1m' }`. Default: no limit. */
  rate?: RateOption
  /** Each job begins when the one before it has ended, also while that waits for a further attempt. Default: no. */
  strict?: boolean
}

/** What `group()` makes. */
export interface GroupBy extends GroupOptions {
  /** What names the group of a payload. */
  // biome-ignore lint/suspicious/noExplicitAny: the payload is the class's; a property cannot infer it
  readonly by: (payload: any) => string | number
}

/**
 * Says to which group a job belongs: groups take fair turns, whatever each has waiting.
 *
 * @param by names the group of a payload. A text that is not empty, or a number
 * @param options see `GroupOptions`; each holds for every group
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

/** What is wrong with a class's `group`: its field, value, and what would be right; undefined when all is well. */
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

/** @returns its text when what `by` gave is no name */
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

/** The name by which a store knows a group. */
export function groupName(name: string | number): string {
  return storedName(String(name))
}
