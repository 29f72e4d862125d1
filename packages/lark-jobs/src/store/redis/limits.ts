/**
 * Durations and limits as the scripts take them.
 */
import type { Limits } from '../../limit.ts'

/** Milliseconds as the scripts take them: whole, not negative, rounded up so that nothing is early. */
export function packDuration(ms: number): string {
  return String(Math.max(0, Math.ceil(ms)))
}

/** As `shared/limit.lua` reads it. */
export function packLimits({ concurrency, rate }: Limits): string {
  const parts =
    rate === undefined ? ['', '', '', ''] : [rate.kind, rate.limit, packDuration(rate.per), rate.burst]
  return [concurrency ?? '', ...parts].join('|')
}
