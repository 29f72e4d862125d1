/**
 * How many jobs ended in a partition: in each of the last minutes, in each of the last hours, and on each of
 * the last days (UTC).
 *
 * When jobs are settled, only the count of the minute is written. Once an hour a process rolls up the counts:
 * it stores the sum of the minutes as the count of the hour, and the sum of the hours as the count of the
 * day. A larger sum replaces a smaller sum, so no harm is done if several processes roll up, or if a process
 * dies in the middle. When the history is read, this file adds the minutes that are not rolled up yet.
 */

import type { Minute } from './page.ts'
import { DAYS, HOURS, MINUTES } from './rules/capacity.ts'

/** The length of a minute in milliseconds. */
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** How many jobs ended in one minute, hour or day. `at` is the first millisecond of that time. */
export type Bucket = Minute

/**
 * The history of a partition, the oldest bucket first. Buckets in which no job ended are left out. The time
 * of the last bucket in each list may not be over yet.
 */
export interface History {
  /** The last `MINUTES` minutes. */
  minutes: Bucket[]
  /** The last `HOURS` hours. */
  hours: Bucket[]
  /** The last `DAYS` days. */
  days: Bucket[]
}

/** The counts that a store keeps: the hours and days that were rolled up, and the last minutes. */
export interface Rolled {
  minutes: readonly Bucket[]
  hours: readonly Bucket[]
  days: readonly Bucket[]
}

/** @param now milliseconds since 1970, by the store's clock */
export function historyOf({ minutes, hours, days }: Rolled, now: number): History {
  const allHours = greatest(hours, sumsOf(minutes, HOUR))
  const allDays = greatest(days, sumsOf(allHours, DAY))
  return {
    minutes: within(sumsOf(minutes, MINUTE), now, MINUTE, MINUTES),
    hours: within(allHours, now, HOUR, HOURS),
    days: within(allDays, now, DAY, DAYS),
  }
}

/** The first millisecond of the oldest bucket that a history shows. */
export function firstBucket(now: number, length: number, count: number): number {
  return now - (now % length) - (count - 1) * length
}

/**
 * Adds the counts of shorter buckets, such as minutes, to buckets of `length` milliseconds. @param length
 * milliseconds of a bucket in the result
 */
export function sumsOf(buckets: Iterable<Bucket>, length: number): Bucket[] {
  const sums = new Map<number, Bucket>()
  for (const bucket of buckets) {
    const at = bucket.at - (bucket.at % length)
    const sum = sums.get(at) ?? { at, completed: 0, failed: 0, retried: 0 }
    sum.completed += bucket.completed
    sum.failed += bucket.failed
    sum.retried += bucket.retried
    sums.set(at, sum)
  }
  return [...sums.values()]
}

/**
 * Takes the greater of two sums for each bucket. The smaller sum is incomplete, because further jobs ended
 * after this sum was made, or because some minutes were removed before it was made.
 */
function greatest(some: readonly Bucket[], others: readonly Bucket[]): Bucket[] {
  const found = new Map(some.map((bucket) => [bucket.at, bucket]))
  for (const bucket of others) {
    const other = found.get(bucket.at)
    if (other === undefined || sizeOf(other) < sizeOf(bucket)) found.set(bucket.at, bucket)
  }
  return [...found.values()]
}

function within(buckets: readonly Bucket[], now: number, length: number, count: number): Bucket[] {
  const from = firstBucket(now, length, count)
  return buckets
    .filter((bucket) => bucket.at >= from && bucket.at <= now && sizeOf(bucket) > 0)
    .sort((one, other) => one.at - other.at)
}

export function sizeOf({ completed, failed, retried }: Bucket): number {
  return completed + failed + retried
}
