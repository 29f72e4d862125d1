/** A rate of BullMQ in the form of Lark. */
import type { Rate } from '@s18i/lark-jobs/operate'

/** At most `max` jobs begin within `duration` milliseconds. */
export interface RateLimiterOptions {
  max: number
  duration: number
}

/** The highest rate that is counted over a sliding period. Higher rates are counted in fixed windows. */
const MOST_SLIDING = 10_000

export function rateOf({ max, duration }: RateLimiterOptions): Rate {
  return { limit: max, per: duration, kind: max > MOST_SLIDING ? 'window' : 'sliding', burst: max }
}
