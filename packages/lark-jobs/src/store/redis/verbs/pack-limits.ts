/**
 * Durations and limits, in the form that the scripts read.
 */
import type { Limits } from '../../../model/limits.ts'

/** Milliseconds for the scripts: whole, not negative, and rounded up so that no job is early. */
export function packDuration(ms: number): string {
  return String(Math.max(0, Math.ceil(ms)))
}

/** Limits, in the form that `shared/rate.lua` reads. */
export function packLimits({ concurrency, rate }: Limits): string {
  const parts =
    rate === undefined ? ['', '', '', ''] : [rate.kind, rate.limit, packDuration(rate.per), rate.burst]
  return [concurrency ?? '', ...parts].join('|')
}
