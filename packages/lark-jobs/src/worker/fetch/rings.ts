/**
 * Waits for the store's rings, as long as the worker lives. A ring says that there may be jobs in a partition.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../store/contract/store.ts'

/** Milliseconds of one wait. Claimers also call without a ring (`claimer.ts`). */
const WAIT = 60_000
/** Milliseconds until the next wait after one that failed. */
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
  listener: RingListener,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const rung = await store.wait(caller, WAIT, signal, (partition) => listener.noticed(partition))
      await Promise.all(rung.map((partition) => listener.rang(partition)))
    } catch (error) {
      listener.trouble(error)
      await pause(PAUSE, undefined, { signal }).catch(() => {})
    }
  }
}
