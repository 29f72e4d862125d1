/**
 * Hears the store's rings for one worker, for as long as it lives.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../store/contract/store.ts'

/** Milliseconds of one wait; the worker looks again by itself meanwhile (see `claimer.ts`). */
const WAIT = 60_000
/** Milliseconds before waiting again after a wait that failed. */
const PAUSE = 1_000

export interface RingListener {
  /** There may be jobs in a partition. */
  rang(partition: string): void | Promise<void>
  /** There is a notice of a job that the worker holds in a partition. */
  noticed(partition: string): void
  trouble(error: unknown): void
}

/** Resolves when `signal` is aborted. */
export async function hearRings(
  store: Store,
  caller: string,
  signal: AbortSignal,
  ears: RingListener,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const rung = await store.wait(caller, WAIT, signal, (partition) => ears.noticed(partition))
      await Promise.all(rung.map((partition) => ears.rang(partition)))
    } catch (error) {
      ears.trouble(error)
      await pause(PAUSE, undefined, { signal }).catch(() => {})
    }
  }
}
