/** The limits of a queue, a group, or a limiter, in the form in which users write them. */
import type { Limits } from '../model/limits.ts'
import { rateKinds } from '../model/rate.ts'
import {
  duration,
  type NeededOptionsOf,
  type Option,
  type OptionsOf,
  oneOf,
  type Read,
  Schema,
  whole,
} from './schema.ts'

/**
 * The maximum `limit` of a sliding rate. There is a maximum because the store keeps the time of each start.
 */
const MAX_SLIDING = 10_000

export const rateOptions = new Schema(
  "an object such as { limit: 100, per: '1m' }",
  {
    /** How many jobs may begin within `per`. */
    limit: whole(1).needed(),
    /** The period. Default: one second. */
    per: duration(1).or('1s'),
    /** How the rate counts: see `RateKind`. Default `sliding`. */
    kind: oneOf(rateKinds).or('sliding'),
    /** How many jobs may begin at once with a bucket. Default: `limit`. */
    burst: whole(1),
  },
  ({ limit, kind, burst }, refuse) => {
    // New kind of rate: which numbers the rate may have.
    if (kind === 'sliding' && limit > MAX_SLIDING)
      refuse('limit', `at most ${MAX_SLIDING}, or kind 'window' or 'bucket'`)
    if (kind !== 'bucket' && burst !== undefined) refuse('burst', "absent, or kind 'bucket'")
  },
)

/** A rate in the form in which users write it. */
export interface RateOption
  extends OptionsOf<typeof rateOptions.entries>,
    NeededOptionsOf<typeof rateOptions.entries> {}

type RateRead = Read<typeof rateOptions.entries>

// The options that all limits have. Each schema that uses these options repeats their names, so that each
// name has its own comment, which editors show.
export const concurrency = whole(1)
export const rate = rateOptions as Option<RateOption, RateRead>

/**
 * The limits of each partition of a queue: equal shares, rounded down, so that all partitions together never
 * exceed the limits of the queue.
 *
 * @returns undefined if there are no limits
 */
export function limitsOf(
  { concurrency, rate }: { concurrency?: number | undefined; rate?: RateRead | undefined },
  partitions = 1,
): Limits | undefined {
  if (concurrency === undefined && rate === undefined) return undefined
  const share = (count: number) => Math.floor(count / partitions)
  const limits: Limits = {}
  if (concurrency !== undefined) limits.concurrency = share(concurrency)
  if (rate !== undefined) {
    const { limit, burst = limit } = rate
    limits.rate = { ...rate, limit: share(limit), burst: Math.max(1, share(burst)) }
  }
  return limits
}
