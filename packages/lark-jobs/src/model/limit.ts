/**
 * The limits of a queue: how many of its jobs run at a time, over all workers, and how many begin within a time. The
 * stores count them: `store/sqlite/limit.ts`, `store/redis/lua/shared/rate.lua`.
 */
import { type Duration, milliseconds } from './duration.ts'

/**
 * How a rate counts the jobs that begin:
 *
 *   sliding  never more than `limit` within any period of length `per`
 *   window   never more than `limit` within each fixed window of length `per`, so up to twice as many around its end
 *   bucket   one every `per / limit`; unused starts are saved up, at most `burst` of them
 */
export const rateKinds = ['sliding', 'window', 'bucket'] as const
export type RateKind = (typeof rateKinds)[number]

/** A rate as users write it. */
export interface RateOption {
  /** How many jobs may begin … */
  limit: number
  /** … within this time. Default: one second. */
  per?: Duration
  /** Default `sliding`. */
  kind?: RateKind
  /** For a bucket: how many may begin at once. Default `limit`. */
  burst?: number
}

/** A rate as stores keep it: `per` is milliseconds. */
export interface Rate extends Required<Omit<RateOption, 'per'>> {
  per: number
}

/** The limits of one partition, group or limiter. */
export interface Limits {
  /** How many jobs may be active at a time, over all workers. */
  concurrency?: number
  rate?: Rate
}

/** The highest limit of a sliding rate, because it keeps the time of each start. */
export const MAX_SLIDING = 10_000

/** For a wrong rate, what would be right; undefined if the rate is valid. */
export function rateProblem(option: unknown): string | undefined {
  const right = "an object such as { limit: 100, per: '1m' }"
  if (typeof option !== 'object' || option === null) return right
  const { limit, per = 1_000, kind = 'sliding', burst, ...rest } = option as RateOption
  if (Object.keys(rest).length > 0) return `${right}, with limit, per, kind and burst and nothing else`
  if (!isCount(limit)) return `${right}, with a whole number from 1 as limit`
  if (!((milliseconds(per) ?? 0) >= 1)) return `${right}, with a duration from 1 ms as per`
  if (!rateKinds.includes(kind)) return `${right}, with one of ${rateKinds.join(', ')} as kind`
  if (kind === 'sliding' && limit > MAX_SLIDING)
    return `${right}, with at most ${MAX_SLIDING} as limit when it slides`
  if (burst !== undefined && (kind !== 'bucket' || !isCount(burst)))
    return `${right}, with a whole number from 1 as burst, of a bucket only`
  return undefined
}

/**
 * The limits of each partition of a queue: equal shares, rounded down, so that all of them together never exceed the
 * limits of the queue.
 *
 * @returns undefined if there are no limits
 */
export function limitsOf(
  { concurrency, rate }: { concurrency?: number; rate?: RateOption },
  partitions: number,
): Limits | undefined {
  if (concurrency === undefined && rate === undefined) return undefined
  const share = (count: number) => Math.floor(count / partitions)
  const limits: Limits = {}
  if (concurrency !== undefined) limits.concurrency = share(concurrency)
  if (rate !== undefined) {
    const { limit, per = 1_000, kind = 'sliding', burst = limit } = rate
    limits.rate = { limit: share(limit), per: milliseconds(per)!, kind, burst: Math.max(1, share(burst)) }
  }
  return limits
}

export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1
}
