/**
 * Limits, as stores keep them: how many jobs run at a time, over all workers, and how many begin within a time. The
 * stores count them in `store/sqlite/rate.ts` and `store/redis/lua/shared/rate.lua`. Users write them as
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

/** The limits of one partition, group or limiter. */
export interface Limits {
  /** How many jobs may be active at a time, over all workers. */
  concurrency?: number
  rate?: Rate
}
