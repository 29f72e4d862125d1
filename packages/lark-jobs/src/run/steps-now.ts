/**
 * The steps of a job that `dispatchNow` runs. The entries of these steps are not stored, because the job is
 * never suspended: only the run that undoes the steps needs the entries. The job waits in this process, and
 * its signals come from handles in this process.
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

/** The name of the class of a job, and the entries that the steps of the job have recorded. */
export interface RecordedNow {
  key: string
  journal: Journal
}

export interface StepsNowOptions {
  /** The name of the class. */
  name: string
  /** The clock and timers for waits. Default: those of the process. */
  times?: WaitTimes | undefined
  /** The telemetry of the run. Undefined without telemetry. */
  processing?: Pick<Processing, 'step'> | undefined
  /** Runs another job in this process. */
  child?: (draft: ChildDraft) => Promise<unknown>
  /** The journal of the last run, if this run undoes the steps in it. */
  journal?: Journal
}

type ChildOutcome = Omit<KeptEnd, 'index' | 'at'>

/**
 * The answer to a signal: the signal was kept, was already known, or did not fit because the job has too many
 * signals.
 */
export type SentNow = Extract<SignalVerdict, 'kept' | 'known' | 'full'>

export class StepsNow {
  readonly steps: Steps
  readonly #signals: KeptSignal[]
  /** All recorded entries. The tokens of approvals and the run that undoes the steps need them. */
  readonly #entries: string[]
  /** The name and the key of each signal that has a key. */
  readonly #keys = new Set<string>()

  /**
   * @param rests called with `true` when the run has nothing left to do but wait, and with `false` when it
   *   works again
   */
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

  /** Notes that the handler has ended. @param thrown the error that the handler threw */
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

  /** Waits for the end of a child, and then sends the parent a signal. */
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

  /** Answers the steps in the same way as a store that has recorded all entries. */
  #answer(): void {
    const { steps, heard } = this.steps.take()
    this.#entries.push(...(steps?.entries ?? []))
    this.steps.answered(heard === undefined ? [] : this.#signals.slice(heard))
  }
}
