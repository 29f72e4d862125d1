/**
 * Rates: how many jobs may begin, or how many permits may be granted, within a period. `options/limits.ts`
 * has the form in which users write rates.
 *
 * A new kind of rate gets its name in `rateKinds` below.
 * It goes into these files, at the comment `New kind of rate:`
 *
 *   `options/limits.ts`, `options/limiter.ts`  what a user may say of it, and how many permits it grants at
 *                                              once
 *   `store/sql/limits/rate.ts`                 its count
 *   `store/redis/lua/limits/shared/rate.lua`, `store/redis/lua/limits/shared/refund.lua`  the same on Redis
 *   `test/conformance/limiters.ts`             what each test expects of it
 *   `test/conformance/limiting.ts`             a test that counts by hand
 *   `store/redis/verbs/pack-limits.ts`, `commands/look/limit-words.ts`  only if it has other numbers than
 *                                              the others: these, and its words in the terminal
 *   `packages/lark-dashboard/browser/pages/limiters/limiters.tsx`  its words in the dashboard then
 *
 * It also gets a row in both tables of docs/configuration.md. It does not need a new layout: an earlier
 * version of Lark does not begin jobs of a group with a kind of rate that it does not know
 * (`store/contract/rules/rate.ts`).
 */

/**
 * How a rate counts the jobs that begin:
 *
 *   sliding  never more than `limit` within any period of length `per`
 *   window   never more than `limit` within each fixed window of length `per`, so up to twice as many around
 *            its end
 *   bucket   one every `per / limit`; unused starts are saved up, at most `burst` of them
 */
export const rateKinds = ['sliding', 'window', 'bucket'] as const
export type RateKind = (typeof rateKinds)[number]

export interface Rate {
  /** How many jobs may begin within `per` milliseconds. */
  limit: number
  /** The length of the period, in milliseconds. */
  per: number
  kind: RateKind
  /** For a bucket: how many jobs may begin at once. */
  burst: number
}
