/**
 * Priorities of BullMQ as those of Lark. In BullMQ, 0 goes first, then 1, and 2,097,151 goes last. In Lark,
 * higher goes first, from 1,000 to -1,000, and the jobs of a queue have at most 256 priorities besides 0.
 *
 * So 1 to 100 are exact. Above 100, one step of Lark is 6.6 % of the number: jobs whose priorities differ by
 * less go in the order in which they were added.
 */
export const MOST = 2_097_151

const EXACT = 100
const LOWEST = 255
const STEP = Math.log(MOST / EXACT) / (LOWEST - EXACT)

/** Lark's priority, from 0 to -255, for one of BullMQ. */
export function larkPriority(priority: number): number {
  if (priority <= EXACT) return priority === 0 ? 0 : -priority
  return -Math.min(LOWEST, EXACT + Math.ceil(Math.log(priority / EXACT) / STEP))
}
