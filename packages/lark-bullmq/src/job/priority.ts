/**
 * Turns priorities of BullMQ into priorities of Lark. In BullMQ, jobs with priority 0 go first, then those
 * with 1, and those with 2,097,151 go last. In Lark, jobs with a higher priority go first, from 1,000 to
 * -1,000, and the jobs of a queue have at most 256 priorities besides 0.
 *
 * So the priorities 1 to 100 are exact. Above 100, one step in Lark is 6.6 % of the number. Jobs whose
 * priorities differ by less go in the order in which they were added.
 */
export const MOST = 2_097_151

const EXACT = 100
const LOWEST = 255
const STEP = Math.log(MOST / EXACT) / (LOWEST - EXACT)

/** Lark's priority, from 0 to -255, for a priority of BullMQ. */
export function larkPriority(priority: number): number {
  if (priority <= EXACT) return priority === 0 ? 0 : -priority
  return -Math.min(LOWEST, EXACT + Math.ceil(Math.log(priority / EXACT) / STEP))
}
