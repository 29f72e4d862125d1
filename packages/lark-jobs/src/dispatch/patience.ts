/**
 * How long the dispatch of a flow tries again while the store is away: as long as the dispatch of a job
 * (`send-buffer.ts`).
 */
import { setTimeout as pause } from 'node:timers/promises'
import { JobsError } from '../model/errors.ts'
import { isResendable } from '../store/contract/store.ts'

/** Milliseconds for which it tries again, and milliseconds between two attempts. */
const PATIENCE = 4_750
const AGAIN = 50

/** Whether the store was away: it may have carried out the call. */
export function isAway(error: unknown): boolean {
  return JobsError.is(error, 'STORE_UNREACHABLE') || JobsError.is(error, 'STORE_UNCERTAIN')
}

/**
 * Calls a function until the store has answered, or for a few seconds.
 *
 * @param mayRepeat after which failures it is called again
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
