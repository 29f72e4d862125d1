/**
 * Limits in their stored form: how many jobs may run at a time on all workers together, and how many may
 * begin within a period (`rate.ts`). `options/limits.ts` has the form in which users write them.
 */
import type { Rate } from './rate.ts'

/** The limits of one partition, group or limiter. */
export interface Limits {
  /** How many jobs may be active at a time on all workers together. */
  concurrency?: number
  rate?: Rate
}
