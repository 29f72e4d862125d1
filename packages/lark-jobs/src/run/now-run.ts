/**
 * One run of `dispatchNow`, and the time that it may take. While it only waits for a sleep or a signal, that
 * time stands still.
 */
import type { LogLevel } from '../model/record.ts'
import { LONGEST_TIMER, Run, timedOut, type Writer } from '../model/run/run.ts'
import type { ChildDraft } from '../step/child.ts'
import type { Steps } from '../step/steps.ts'
import type { WaitTimes } from '../step/wait-times.ts'
import type { NewSignal } from '../store/contract/store.ts'
import { print } from './job-log.ts'
import type { RecordedNow, SentNow, StepsNow } from './steps-now.ts'

export interface NowRunOptions {
  id: string
  name: string
  /** Milliseconds. */
  timeout: number
  /** Whether it may have steps: it runs `handle`. */
  hasSteps?: boolean
  /** Runs another job in this process. */
  child?: (draft: ChildDraft) => Promise<unknown>
  /** Default: the time of the process. */
  times?: WaitTimes | undefined
}

export class NowRun implements Writer {
  readonly run: Run
  readonly #options: NowRunOptions
  readonly #began = performance.now()
  /** For how long it has only waited, and since when it does, by `performance.now()`. */
  #rested = 0
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #loading: Promise<Steps> | undefined
  #steps: StepsNow | undefined
  /** Signals that came before its first step. */
  readonly #early: NewSignal[] = []

  constructor(options: NowRunOptions) {
    this.#options = options
    this.run = new Run(options.id, 1, this)
    this.#wind()
  }

  /** Milliseconds that it has taken, without those in which it only waited. */
  get #used(): number {
    const now = performance.now()
    return now - this.#began - this.#rested - (this.#since === undefined ? 0 : now - this.#since)
  }

  /** Loaded when the job first uses a step. */
  get steps(): Steps | Promise<Steps> | undefined {
    if (!this.#options.hasSteps) return undefined
    if (this.#steps !== undefined) return this.#steps.steps
    this.#loading ??= this.#load()
    return this.#loading
  }

  /** What its steps have recorded. */
  get recorded(): RecordedNow | undefined {
    return this.#steps && { key: this.#options.name, journal: this.#steps.journal }
  }

  sent(signal: NewSignal): SentNow {
    if (this.#steps !== undefined) return this.#steps.sent(signal)
    this.#early.push(signal)
    return 'kept'
  }

  write(level: LogLevel, text: string): void {
    print(this.#options.name, this.run.id, level, text)
  }

  report(): void {}

  aborted(reason: Error): void {
    this.#steps?.steps.abort(reason)
  }

  /** @throws STEP_NOT_AWAITED if steps have not ended */
  async checkSteps(): Promise<void> {
    await this.#loading
    const unawaited = this.#steps?.steps.notAwaited
    if (unawaited !== undefined) throw unawaited
  }

  /** The handler has ended. */
  end(): void {
    clearTimeout(this.#timer)
    this.#steps?.steps.end(undefined)
    // While a handler blocks the event loop, the timer cannot fire.
    if (this.#used >= this.#options.timeout) this.#late()
  }

  async #load(): Promise<Steps> {
    const { StepsNow } = await import('./steps-now.ts')
    const { name, times, child } = this.#options
    this.#steps = new StepsNow(this.run, name, times, (rests) => this.#rests(rests), child!)
    for (const signal of this.#early) this.#steps.sent(signal)
    return this.#steps.steps
  }

  #rests(rests: boolean): void {
    if (rests === (this.#since !== undefined)) return
    clearTimeout(this.#timer)
    if (rests) this.#since = performance.now()
    else {
      this.#rested += performance.now() - this.#since!
      this.#since = undefined
      this.#wind()
    }
  }

  #wind(): void {
    this.#timer = setTimeout(() => this.#late(), Math.min(this.#options.timeout - this.#used, LONGEST_TIMER))
  }

  #late(): void {
    const { name, timeout } = this.#options
    this.run.abort(timedOut(name, timeout))
  }
}
