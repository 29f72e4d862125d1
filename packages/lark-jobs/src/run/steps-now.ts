/**
 * The steps of a job that `dispatchNow` runs. What they record is kept nowhere: the job is never suspended,
 * and no later run needs it. Waits wait in this process, and signals come from handles in this process.
 */
import type { Journal, KeptSignal } from '../model/journal.ts'
import type { Run } from '../model/run/run.ts'
import { Steps } from '../step/steps.ts'
import type { WaitTimes } from '../step/wait-times.ts'
import { MAX_SIGNALS, type NewSignal, type SignalVerdict } from '../store/contract/store.ts'

/** The name of the class of a job, and what its steps have recorded. */
export interface RecordedNow {
  key: string
  journal: Journal
}

/** What became of a signal. */
export type SentNow = Extract<SignalVerdict, 'kept' | 'known' | 'full'>

export class StepsNow {
  readonly steps: Steps
  readonly #signals: KeptSignal[] = []
  /** For the tokens of approvals. */
  readonly #entries: string[] = []
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
        return run.signal
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

  sent({ name, text, key }: NewSignal): SentNow {
    const known = `${name}\n${key}`
    if (key !== undefined && this.#keys.has(known)) return 'known'
    if (this.#signals.length >= MAX_SIGNALS) return 'full'
    if (key !== undefined) this.#keys.add(known)
    this.#signals.push({ name, text })
    this.#answer()
    return 'kept'
  }

  get journal(): Journal {
    return { entries: this.#entries, count: this.#entries.length, bytes: 0, signals: this.#signals }
  }

  /** As a store that has kept everything. */
  #answer(): void {
    const { steps, heard } = this.steps.take()
    this.#entries.push(...(steps?.entries ?? []))
    this.steps.answered(heard === undefined ? [] : this.#signals.slice(heard))
  }
}
