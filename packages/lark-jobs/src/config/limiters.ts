/**
 * The configured limiters: their options, their limits, and the check that the limiter of a job is
 * configured.
 */
import { JobsError } from '../model/errors.ts'
import type { Limits } from '../model/limits.ts'
import type { NewJob } from '../model/record.ts'
import { isOwn, mostOf, readNeed } from '../options/limiter.ts'
import { concurrency, limitsOf, rate } from '../options/limits.ts'
import { isObject, Option, type OptionsOf, readEach, Schema } from '../options/schema.ts'
import { unknownLimiter } from '../run/middleware/permits.ts'
import { type ConfigSource, placeFor } from './config-source.ts'

export const limiterConfig = new Schema(
  'an object with concurrency, rate, or both, such as { concurrency: 5 }',
  {
    /** How many permits may be in use at a time on all workers together. Default: no limit. */
    concurrency,
    /**
     * How many permits may be taken within a period on all workers together: `{ limit: 100, per: '1m' }`.
     * Default: no limit.
     */
    rate,
  },
  ({ concurrency, rate }, refuse) => {
    if ((concurrency ?? rate) === undefined) refuse('', limiterConfig.right)
  },
)

/** A limiter that jobs of any queue share: `concurrency`, `rate`, or both. */
export interface LimiterConfig extends OptionsOf<typeof limiterConfig.entries> {}

/** The limiters, by name. */
export type LimitersConfig = Readonly<Record<string, LimiterConfig>>

/** The maximum length of a name, in characters. */
const LONGEST = 64

/**
 * Names have no character that has a meaning in the keys of a store. For example, only the limiters of
 * middleware have a `:`.
 */
export const limitersOption = new Option<LimitersConfig, Map<string, Limits>>(
  `an object with a key for each limiter (up to ${LONGEST} letters, no spaces, commas, colons, slashes or braces)`,
  (value, path, voice) => {
    const isName = (name: string) => name.length <= LONGEST && /^[^\s,/{}:\p{C}]+$/u.test(name)
    const all = isObject(value)
      ? readEach(Object.entries(value), isName, limiterConfig, path, voice)
      : undefined
    return all && new Map([...all].map(([name, limits]) => [name, limitsOf(limits)!]))
  },
)

/**
 * Refuses a job whose limiter is not configured, or never grants as many permits as the job needs.
 *
 * @param name the name of the class of the jobs
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
