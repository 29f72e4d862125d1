/** Puts the figures of runs into words. */
import type { EndedCounts } from '@s18i/lark-jobs/operate'
import { duration } from '../../parts/numbers.ts'

/** How many runs ended. */
export function runsOf({ completed, failed, retried }: EndedCounts): number {
  return completed + failed + retried
}

export function timeOf(ms: number | undefined): string {
  return ms === undefined ? '–' : duration(ms)
}
