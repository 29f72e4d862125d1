/**
 * The steps of a job that `dispatchNow` runs. What they record is not stored: the job is never suspended, and
 * only the run that undoes the steps needs the records. Waits take place in this process, and signals come
 * from handles in this process.
 */
import { defined } from '@s18i/lark/internal'
import { endSignal } from '../flow/child.ts'
import { JobsError } from '../model/errors.ts'
import { newId } from '../model/id.ts'
import type { Journal, KeptSignal } from '../model/journal.ts'
import { resultText } from '../model/payload.ts'
import type { Run } from '../model/run/run.ts'
import type { Processing } from '../model/run/telemetry.ts'
import { classOf } from '../options/job-class.ts'
import type { ChildDraft } from '../step/child.ts'
import { Steps } from '../step/steps.ts'
import type { WaitTimes } from '../step/wait-clock.ts'
import { isChildSignal, type KeptSignals, textToKeep } from '../store/contract/rules/signal-room.ts'
import type { KeptEnd, NewSignal, SignalVerdict } from '../store/contract/store.ts'
import { textOf } from '../words/thrown.ts'

/** The name of the class of a job, and what its steps have recorded. */
export interface RecordedNow {
  key: string
  journal: Journal
}

export interface StepsNowOptions {
  /** Of the class. */
  name: string
  /** Default: the time of the process. */
  times?: WaitTimes | undefined
  /** Undefined: there is no telemetry. */
  processing?: Pick<Processing, 'step'> | undefined
  /** Runs another job in this process. */
  child?: (draft: ChildDraft) => Promise<unknown>
  /** The journal of the last run, if this run undoes the steps in it. */
  journal?: Journal
}

type ChildOutcome = Omit<KeptEnd, 'index' | 'at'>

/** What became of a signal. */
export type SentNow = Extract<SignalVerdict, 'kept' | 'known' | 'full'>

export class StepsNow {
  readonly steps: Steps
  readonly #signals: KeptSignal[]
  /** For the tokens of approvals, and the run that undoes. */
  readonly #entries: string[]
  /** Name and key of the signals that have one. */
  readonly #keys = new Set<string>()

  /** @param rests called with whether the run only waits */
  constructor(
    run: Run,
    { name, times, processing, journal, child }: StepsNowOptions,
    rests: (rests: boolean) => void,
  ) {
    this.#entries = [...(journal?.entries ?? [])]
    this.#signals = [...(journal?.signals ?? [])]
    this.steps = new Steps({
      job: { id: run.id, queuedAt: Date.now(), runs: 1, crashes: 0, failures: 0, ...defined({ journal }) },
      isKept: false,
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
      ready: async (draft) => ({
        place: { flow: newId(), home: classOf(draft.Class).queueName },
        begin: async ({ flow }) => void this.#ends(flow, child!(draft), draft.Class.name),
        goesOn: async () => false,
      }),
      processing,
      times,
      rests,
    })
  }

  sent(signal: NewSignal): SentNow {
    const { name, key } = signal
    const known = `${name}\n${key}`
    if (key !== undefined && this.#keys.has(known)) return 'known'
    const text = textToKeep(signal, this.#kept(isChildSignal(name)))
    if (text === undefined) return 'full'
    if (key !== undefined) this.#keys.add(known)
    this.#signals.push({ name, text })
    this.#answer()
    return 'kept'
  }

  /** The handler has ended. @param thrown what it threw */
  end(thrown: unknown): void {
    this.#entries.push(...(this.steps.end(thrown)?.entries ?? []))
  }

  get journal(): Journal {
    return { entries: this.#entries, count: this.#entries.length, bytes: 0, signals: this.#signals }
  }

  #kept(areEnds: boolean): KeptSignals {
    const some = this.#signals.filter(({ name }) => isChildSignal(name) === areEnds)
    return { count: some.length, bytes: some.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0) }
  }

  /** Tells the parent when a child has ended, by a signal. */
  async #ends(flow: string, running: Promise<unknown>, name: string): Promise<void> {
    const end = await running.then(
      (value): ChildOutcome => ({ state: 'completed', ...defined({ result: resultText(value, name) }) }),
      (error): ChildOutcome =>
        JobsError.is(error, 'JOB_CANCELLED')
          ? { state: 'cancelled', reason: 'user' }
          : { state: 'failed', error: textOf(error) },
    )
    const at = Date.now()
    this.sent(endSignal(flow, at, { ...end, at }))
  }

  /** Answers the steps as a store would that has kept everything. */
  #answer(): void {
    const { steps, heard } = this.steps.take()
    this.#entries.push(...(steps?.entries ?? []))
    this.steps.answered(heard === undefined ? [] : this.#signals.slice(heard))
  }
}
