/**
 * Limits, as stores keep them: how many jobs run at a time, over all workers, and how many begin within a
 * time (`rate.ts`). Users write them as `options/limits.ts` says.
 */
import type { Rate } from './rate.ts'

/** The limits of one partition, group or limiter. */
export interface Limits {
  /** How many jobs may be active at a time, over all workers. */
  concurrency?: number
  rate?: Rate
}
