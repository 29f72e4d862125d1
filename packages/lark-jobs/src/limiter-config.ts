/**
 * What the configuration may say of a limiter: its type, its check, and what follows from it.
 */
import { checkKeys, isObject, refuse, type Shape } from './check.ts'
import { isCount, type Limits, limitsOf, type RateOption, rateProblem } from './limit.ts'

/** What jobs of any queue share: `concurrency`, `rate`, or both. */
export interface LimiterConfig {
  /** Permits that jobs hold at a time, over all workers. Default: no limit. */
  concurrency?: number
  /** Permits that jobs take within a time, over all workers: `{ limit: 100, per: '1s' }`. Default: no limit. */
  rate?: RateOption
}

/** By name. */
export type LimitersConfig = Readonly<Record<string, LimiterConfig>>

/** Letters of a name. */
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

/** What the keys of a store have another use for is in no name: `:` tells the limiters of middleware from these. */
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
