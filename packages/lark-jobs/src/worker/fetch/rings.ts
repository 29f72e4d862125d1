/**
 * Waits for the store's rings. A ring says that there may be jobs in a partition.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../store/contract/store.ts'
import { Part } from '../part.ts'

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

export class Rings extends Part {
  readonly #store: Store
  readonly #caller: string
  readonly #listener: RingListener
  readonly #end = new AbortController()
  #hearing: Promise<void> | undefined

  constructor(store: Store, caller: string, listener: RingListener) {
    super()
    this.#store = store
    this.#caller = caller
    this.#listener = listener
  }

  protected override onStart(): void {
    this.#hearing = this.#hear()
  }

  protected override async onStop(): Promise<void> {
    this.#end.abort()
    await this.#hearing
  }

  async #hear(): Promise<void> {
    const { signal } = this.#end
    const { rang, noticed, trouble } = this.#listener
    while (!signal.aborted) {
      try {
        const rung = await this.#store.wait(this.#caller, WAIT, signal, noticed)
        await Promise.all(rung.map(rang))
      } catch (error) {
        trouble(error)
        await pause(PAUSE, undefined, { signal }).catch(() => {})
      }
    }
  }
}
