/**
 * Rates: how many jobs may begin, or how many permits may be granted, within a period. `options/limits.ts`
 * has the form in which users write rates.
 *
 * A new kind of rate gets its name in `rateKinds` below.
 * The new kind goes into these files, at the comment `New kind of rate:`
 *
 *   `options/limits.ts`, `options/limiter.ts`  the options of the kind, and its permits at once
 *   `store/sql/limits/rate.ts`                 how the kind counts
 *   `store/redis/lua/limits/shared/rate.lua`, `store/redis/lua/limits/shared/refund.lua`  the same on Redis
 *   `test/conformance/limiters.ts`             the expectations of each test
 *   `test/conformance/limiting.ts`             a test that counts by hand
 *   `store/redis/verbs/pack-limits.ts`, `commands/look/limit-words.ts`  only for a kind with new numbers: how
 *                                              these are stored, and their words in the terminal
 *   `packages/lark-dashboard/browser/pages/limiters/limiters.tsx`  their words in the dashboard
 *
 * The new kind also gets a row in both tables of docs/queue-settings.md. The layout of the stores does not
 * change: an earlier version of Lark does not begin jobs of a group with a kind of rate that it does not know
 * (`store/contract/rules/rate.ts`).
 */

/**
 * How a rate counts the jobs that begin:
 *
 *   sliding  never more than `limit` within any period of length `per`
 *   window   never more than `limit` within each fixed window of length `per`, so up to twice as many around
 *            its end
 *   bucket   one start every `per / limit`. Unused starts are saved up, at most `burst` of them
 */
export const rateKinds = ['sliding', 'window', 'bucket'] as const
export type RateKind = (typeof rateKinds)[number]

export interface Rate {
  /** How many jobs may begin within `per` milliseconds. */
  limit: number
  /** The length of the period, in milliseconds. */
  per: number
  kind: RateKind
  /** How many jobs may begin at once. Only buckets use this number. */
  burst: number
}
