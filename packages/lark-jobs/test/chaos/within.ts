/**
 * Waits until a condition is true, but not for ever.
 */
import { setTimeout as pause } from 'node:timers/promises'

const LOOK = 20

/** @returns the milliseconds until the condition was true */
export async function within(
  deadline: number,
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<number> {
  const began = performance.now()
  while (!(await isSo())) {
    if (performance.now() - began > deadline) throw new Error(`not within ${deadline} ms: ${what}`)
    await pause(LOOK)
  }
  return performance.now() - began
}
