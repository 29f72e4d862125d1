/**
 * The steps of a job that `dispatchNow` runs. What they record is kept nowhere: the job is never suspended,
 * and no later run needs it. Waits wait in this process, and signals come from handles in this process.
 */
import type { KeptSignal } from '../model/journal.ts'
import type { Run } from '../model/run/run.ts'
import { Steps } from '../step/steps.ts'
import type { WaitTimes } from '../step/wait-times.ts'
import { MAX_SIGNALS, type NewSignal } from '../store/contract/store.ts'

export class StepsNow {
  readonly steps: Steps
  readonly #signals: KeptSignal[] = []
  /** Name and key of the signals that have one. */
  readonly #keys = new Set<string>()

  /** @param rests told whether the run only waits */
  constructor(run: Run, name: string, times: WaitTimes | undefined, rests: (rests: boolean) => void) {
    this.steps = new Steps({
      job: { id: run.id, runs: 1, crashes: 0, failures: 0 },
      name,
      get reason() {
        return run.reason
      },
      get signal() {
        return run.signal as AbortSignal
      },
      now: () => Date.now(),
      send: () => queueMicrotask(() => this.#answer()),
      more: async () => undefined,
      spent: undefined,
      hadSpent: () => {},
      suspend: undefined,
      times,
      rests,
    })
  }

  /** @returns false if it has too many signals */
  sent({ name, text, key }: NewSignal): boolean {
    const known = `${name}\n${key}`
    if (key !== undefined && this.#keys.has(known)) return true
    if (this.#signals.length >= MAX_SIGNALS) return false
    if (key !== undefined) this.#keys.add(known)
    this.#signals.push({ name, text })
    this.#answer()
    return true
  }

  /** As a store that has kept everything. */
  #answer(): void {
    const { heard } = this.steps.take()
    this.steps.answered(heard === undefined ? [] : this.#signals.slice(heard))
  }
}
