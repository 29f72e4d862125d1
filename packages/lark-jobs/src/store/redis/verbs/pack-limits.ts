/** Converts durations, ages, counts and limits to the form that the scripts read. */
import type { Limits } from '../../../model/limits.ts'
import { checkLimits, isRateKind } from '../../contract/rules/rate.ts'
import type { QueueRetention, Retention } from '../../contract/store.ts'

/** A duration in whole milliseconds, at least 0. The duration is rounded up, so that no job is early. */
export function packDuration(ms: number): string {
  return String(Math.max(0, Math.ceil(ms)))
}

/** The ages at which completed, failed and cancelled jobs are removed. */
export function packAges({ completed, failed, cancelled }: QueueRetention): string[] {
  return [completed, failed, cancelled].map(({ age }) => packDuration(age))
}

/** How many completed, failed and cancelled jobs are kept. */
export function packCounts({ completed, failed, cancelled }: QueueRetention): [string, string, string] {
  return [String(completed.count), packFailed(failed), String(cancelled.count)]
}

/**
 * The number of failed jobs to keep, or all values that `failed-jobs.lua` needs if the configuration does not
 * set this number.
 */
function packFailed({ count, age, bytes, whole, ofKind }: Retention): string {
  return bytes === undefined ? String(count) : [count, packDuration(age), bytes, whole, ofKind].join(';')
}

/**
 * Converts limits to the form that `rate.lua` reads. New kind of rate: its numbers, if it has further ones.
 *
 * @throws TypeError if the kind of the rate is unknown
 */
export function packLimits(limits: Limits): string {
  checkLimits(limits)
  const { concurrency, rate } = limits
  const parts =
    rate === undefined ? ['', '', '', ''] : [rate.kind, rate.limit, packDuration(rate.per), rate.burst]
  return [concurrency ?? '', ...parts].join('|')
}

/** Parses a text of `packLimits`. Damaged limits count as no limits. `unknownRate`: see `LaneStand`. */
export function unpackLimits(text: string): { limits?: Limits; unknownRate?: string } {
  const [, concurrency = '', kind = '', limit, per, burst] =
    /^(\d*)\|([^|]*)\|(\d*)\|(\d*)\|(\d*)$/.exec(text) ?? []
  const limits: Limits = {}
  if (concurrency !== '') limits.concurrency = Number(concurrency)
  if (isRateKind(kind)) limits.rate = { limit: Number(limit), per: Number(per), kind, burst: Number(burst) }
  else if (kind !== '') return { unknownRate: kind }
  return Object.keys(limits).length > 0 ? { limits } : {}
}
