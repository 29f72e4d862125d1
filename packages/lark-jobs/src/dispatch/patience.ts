/**
 * Repeats the dispatch of a flow while the store is unreachable. The time limit is the limit for the dispatch
 * of a job (`send-buffer.ts`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../model/errors.ts'
import { isResendable } from '../store/contract/store.ts'

/** How long a call is repeated (PATIENCE), and the pause between two attempts, in milliseconds. */
const PATIENCE = 4_750
const AGAIN = 50

/** Whether an error says that the store was unreachable. The store may still have carried out the call. */
export function isAway(error: unknown): boolean {
  return JobsError.is(error, 'STORE_UNREACHABLE') || JobsError.is(error, 'STORE_UNCERTAIN')
}

/**
 * Calls a function until the store has answered, or for a few seconds.
 *
 * @param mayRepeat returns whether the function is called again after an error
 */
export async function patiently<T>(
  act: () => Promise<T>,
  mayRepeat: (error: unknown) => boolean = isResendable,
): Promise<T> {
  const until = performance.now() + PATIENCE
  for (;;) {
    try {
      return await act()
    } catch (error) {
      if (!mayRepeat(error) || performance.now() + AGAIN > until) throw error
      await pause(AGAIN)
    }
  }
}
