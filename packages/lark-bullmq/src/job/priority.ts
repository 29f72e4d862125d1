/**
 * Turns priorities of BullMQ into priorities of Lark. In BullMQ, jobs with priority 0 go first, then jobs
 * with priority 1, and jobs with priority 2,097,151 go last. In Lark, jobs with a higher priority go first,
 * from 1,000 to -1,000, and the jobs of a queue have at most 256 priorities besides 0.
 *
 * So each priority from 1 to 100 has its own priority in Lark. Above 100, one priority in Lark stands for a
 * range of priorities that differ by up to 6.6 %. Jobs with priorities in the same range go in the order in
 * which they were added.
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
