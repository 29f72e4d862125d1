/**
 * Hears the store's rings for one worker, for as long as it lives.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../store/store.ts'

/** Milliseconds of one wait; the worker looks again by itself meanwhile (see `claimer.ts`). */
const WAIT = 60_000
/** Milliseconds before waiting again after a wait that failed. */
const PAUSE = 1_000

/** Resolves when `signal` is aborted. @param rang is told each partition that rang */
export async function hearRings(
  store: Store,
  caller: string,
  signal: AbortSignal,
  rang: (partition: string) => void | Promise<void>,
  trouble: (error: unknown) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const rung = await store.wait(caller, WAIT, signal)
      await Promise.all(rung.map(rang))
    } catch (error) {
      trouble(error)
      await pause(PAUSE, undefined, { signal }).catch(() => {})
    }
  }
}
