/**
 * Waits for the store's rings. A ring is a message of the store to one worker: there may be jobs in a
 * partition.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Store } from '../../store/contract/store.ts'
import { Part } from '../part.ts'

/** Milliseconds of one wait. Claimers also call without a ring (`claimer.ts`). */
const WAIT = 60_000
/** Milliseconds between a wait that failed and the next one. */
const PAUSE = 1_000

export interface RingsOptions {
  store: Store
  /** The id of the worker. */
  caller: string
  /** Called when there may be jobs in a partition. */
  rang(partition: string): void | Promise<void>
  /**
   * Called when the store has a notice about a job that the worker holds in a partition. If the notice only
   * says that a signal has come for a job, `signalled` is the id of this job.
   */
  noticed(partition: string, signalled?: string): void
  trouble(error: unknown): void
}

export class Rings extends Part {
  readonly #options: RingsOptions
  readonly #end = new AbortController()
  #hearing: Promise<void> | undefined

  constructor(options: RingsOptions) {
    super()
    this.#options = options
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
    const { store, caller, rang, noticed, trouble } = this.#options
    while (!signal.aborted) {
      try {
        const rung = await store.wait(caller, WAIT, signal, noticed)
        await Promise.all(rung.map(rang))
      } catch (error) {
        trouble(error)
        await pause(PAUSE, undefined, { signal }).catch(() => {})
      }
    }
  }
}
