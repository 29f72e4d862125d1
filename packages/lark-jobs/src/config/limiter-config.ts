/**
 * The configuration of a limiter: its type, its check, and the values derived from it.
 */

import { JobsError } from '../model/errors.ts'
import { isCount, type Limits, limitsOf, type RateOption, rateProblem } from '../model/limit.ts'
import type { NewJob } from '../model/record.ts'
import { checkKeys, isObject, refuse, type Shape } from '../options/check.ts'
import { isOwn, mostOf, readNeed } from '../options/limiter.ts'
import { unknownLimiter } from '../run/middleware/permits.ts'
import { type ConfigSource, placeFor } from './config-source.ts'

/** A limiter that jobs of any queue share: `concurrency`, `rate`, or both. */
export interface LimiterConfig {
  /** Permits that jobs hold at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Permits that jobs take within a time, over all workers: `{ limit: 100, per: '1s' }`. Default: no limit. */
  rate?: RateOption
}

/** By name. */
export type LimitersConfig = Readonly<Record<string, LimiterConfig>>

/** The most characters of a name. */
const LONGEST = 64

const shape: Shape<LimiterConfig> = {
  concurrency: { right: 'a whole number from 1', ok: isCount },
  rate: {
    right: "an object such as { limit: 100, per: '1s' }",
    ok: (value) => rateProblem(value) === undefined,
  },
}

export function limitsOfLimiters(limiters: LimitersConfig): Map<string, Limits> {
  return new Map(Object.entries(limiters).map(([name, config]) => [name, limitsOf(config, 1)!]))
}

/** A name has no character with a meaning in the keys of a store: `:` distinguishes the limiters of middleware. */
export function areLimiterNames(limiters: unknown): boolean {
  return (
    isObject(limiters) &&
    Object.keys(limiters).every((name) => name.length <= LONGEST && /^[^\s,/{}:\p{C}]+$/u.test(name))
  )
}

/** @throws CONFIG_INVALID */
export function checkLimiter(where: string, path: string, config: unknown): void {
  const { concurrency, rate } = (config ?? {}) as LimiterConfig
  const problem = rate === undefined ? undefined : rateProblem(rate)
  if (problem !== undefined) refuse(where, `${path}.rate`, rate, problem)
  checkKeys(where, path, config, shape)
  if (concurrency === undefined && rate === undefined)
    refuse(where, path, config, 'an object with concurrency, rate, or both, such as { concurrency: 5 }')
}

/**
 * Refuses jobs whose limiter is not configured, or never grants as many permits as they need.
 *
 * @param name of their class
 * @throws UNKNOWN_LIMITER, JOB_INVALID
 */
export function checkLimiters(
  jobs: readonly NewJob[],
  { limiters, source }: { limiters: ReadonlyMap<string, Limits>; source: ConfigSource },
  name: string,
): void {
  for (const { limiter } of jobs) {
    if (limiter === undefined) continue
    const need = readNeed(limiter)
    // A limiter that belongs to a class alone is checked with the class.
    if (isOwn(need.name)) continue
    const limits = limiters.get(need.name)
    if (limits === undefined)
      throw unknownLimiter(need.name, limiters.keys(), name, placeFor('limiters', source))
    const most = mostOf(limits)
    if (need.weight > most)
      throw new JobsError(
        'JOB_INVALID',
        `${name}: limiter.weight is ${need.weight}; it must be at most ${most}, which is all that '${need.name}' gives out`,
      )
  }
}
