/**
 * The limits of a queue: how many of its jobs run at a time, over all workers, and how many begin within a time.
 */
import { type Duration, milliseconds } from './duration.ts'

/**
 * How the beginnings of jobs are counted:
 *
 *   sliding  never more than `limit` within any stretch of `per`
 *   window   by the clock: never more than `limit` within each whole `per`, so up to twice as many around its turn
 *   bucket   one each `per / limit`; what was not used is saved up, to at most `burst` at once
 */
export const rateKinds = ['sliding', 'window', 'bucket'] as const
export type RateKind = (typeof rateKinds)[number]

/** As users write it. */
export interface RateOption {
  /** Jobs that may begin … */
  limit: number
  /** … within so long. Default a second. */
  per?: Duration
  /** Default `sliding`. */
  kind?: RateKind
  /** Of a bucket: how many at once. Default `limit`. */
  burst?: number
}

/** As kept: milliseconds. */
export interface Rate extends Required<Omit<RateOption, 'per'>> {
  per: number
}

/** Of one partition. */
export interface Limits {
  /** Jobs that are active at a time, whoever has them. */
  concurrency?: number
  rate?: Rate
}

/** The most beginnings that a sliding rate remembers, one by one. */
export const MAX_SLIDING = 10_000

/** What is wrong with a rate, as what would be right; undefined when all is well. */
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
 * The limits of each of a queue's partitions: an equal share, and never more in all than the queue has.
 *
 * @returns undefined when there are none
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
