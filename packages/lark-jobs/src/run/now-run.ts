/**
 * One run of `dispatchNow`, and the time that it may take. While it only waits for a sleep or a signal, that
 * time stands still.
 */
import type { LogLevel } from '../model/record.ts'
import { LONGEST_TIMER, Run, timedOut, type Writer } from '../model/run/run.ts'
import type { Steps } from '../step/steps.ts'
import type { NewSignal } from '../store/contract/store.ts'
import { print } from './job-log.ts'
import type { RecordedNow, SentNow, StepsNow, StepsNowOptions } from './steps-now.ts'

export interface NowRunOptions extends StepsNowOptions {
  id: string
  /** Milliseconds. */
  timeout: number
  /** Whether it may have steps: it runs `handle`. */
  hasSteps?: boolean
}

export class NowRun implements Writer {
  readonly run: Run
  readonly #options: NowRunOptions
  readonly #began = performance.now()
  /**
   * The milliseconds for which the run has only waited so far, and since when it only waits now, by
   * `performance.now()`.
   */
  #rested = 0
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #loading: Promise<Steps> | undefined
  #isOver = false
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

  /** Loaded, if the job has used one. */
  get stepsIfAny(): Steps | undefined {
    return this.#steps?.steps
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

  aborted(reason: unknown): void {
    this.#steps?.steps.abort(reason)
  }

  /** Calls the handler. @throws what it throws; STEP_NOT_AWAITED if steps have not ended */
  async through(handle: () => Promise<unknown>): Promise<unknown> {
    try {
      const returned = await handle()
      await this.#loading
      const unawaited = this.#steps?.steps.notAwaited
      if (unawaited !== undefined) throw unawaited
      this.end()
      return returned
    } catch (error) {
      this.end(error)
      throw error
    }
  }

  /** The handler has ended. @param thrown what it threw */
  end(thrown?: unknown): void {
    clearTimeout(this.#timer)
    if (this.#isOver) return
    this.#isOver = true
    if (this.#since !== undefined) this.#options.times?.busy?.(1)
    this.#steps?.end(thrown)
    // While a handler blocks the event loop, the timer cannot fire.
    if (this.#used >= this.#options.timeout) this.#late()
  }

  async #load(): Promise<Steps> {
    const { StepsNow } = await import('./steps-now.ts')
    this.#steps = new StepsNow(this.run, this.#options, (rests) => this.#rests(rests))
    for (const signal of this.#early) this.#steps.sent(signal)
    return this.#steps.steps
  }

  #rests(rests: boolean): void {
    if (this.#isOver || rests === (this.#since !== undefined)) return
    this.#options.times?.busy?.(rests ? -1 : 1)
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
