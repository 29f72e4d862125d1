/**
 * Rates: how many jobs begin, or permits are granted, within a time. A new kind of rate has its name here, and its
 * count in `store/sql/limits/rate.ts` and `store/redis/lua/limits/shared/rate.lua`. Users write rates as
 * `options/limits.ts` says.
 */

/**
 * How a rate counts the jobs that begin:
 *
 *   sliding  never more than `limit` within any period of length `per`
 *   window   never more than `limit` within each fixed window of length `per`, so up to twice as many around its end
 *   bucket   one every `per / limit`; unused starts are saved up, at most `burst` of them
 */
export const rateKinds = ['sliding', 'window', 'bucket'] as const
export type RateKind = (typeof rateKinds)[number]

export interface Rate {
  /** How many jobs may begin … */
  limit: number
  /** … within so many milliseconds. */
  per: number
  kind: RateKind
  /** For a bucket: how many may begin at once. */
  burst: number
}
