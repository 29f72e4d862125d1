/**
 * How many jobs ended in a partition: by minute, for older ones by hour, and for the oldest by day, in UTC.
 *
 * A settle only writes the count of its minute. Once an hour the minutes are rolled up: the sum of the
 * minutes becomes the hour, and the sum of the hours of a day becomes the day. A greater sum replaces a
 * smaller one, so it does not matter which process rolls up, how often, or whether it dies in between.
 * Minutes that are not rolled up yet are added here, when the history is read.
 */

import type { Minute } from './page.ts'
import { DAYS, HOURS, MINUTES } from './rules/capacity.ts'

/** Milliseconds. */
export const MINUTE = 60_000
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

/** The numbers of jobs that ended within one minute, hour or day; `at` is its first millisecond. */
export type Bucket = Minute

/** Only buckets in which a job ended, the oldest first. The last bucket of each list may not be over yet. */
export interface History {
  /** The last `MINUTES` minutes. */
  minutes: Bucket[]
  /** The last `HOURS` hours. */
  hours: Bucket[]
  /** The last `DAYS` days. */
  days: Bucket[]
}

/**
 * The counts that a store has: the hours and days that were rolled up, and all minutes that it still keeps.
 */
export interface Rolled {
  minutes: readonly Bucket[]
  hours: readonly Bucket[]
  days: readonly Bucket[]
}

/** @param now milliseconds since 1970, by the store */
export function historyOf({ minutes, hours, days }: Rolled, now: number): History {
  const allHours = greatest(hours, sumsOf(minutes, HOUR))
  const allDays = greatest(days, sumsOf(allHours, DAY))
  return {
    minutes: within(sumsOf(minutes, MINUTE), now, MINUTE, MINUTES),
    hours: within(allHours, now, HOUR, HOURS),
    days: within(allDays, now, DAY, DAYS),
  }
}

/** The beginning of the oldest bucket that is shown. */
export function firstBucket(now: number, length: number, count: number): number {
  return now - (now % length) - (count - 1) * length
}

/** Adds up the counts of the same bucket. @param length milliseconds of a bucket */
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
 * Takes the greater of two sums for each bucket, because the smaller one lacks later jobs, or minutes that
 * were removed.
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
