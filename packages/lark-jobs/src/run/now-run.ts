/**
 * One run of `dispatchNow`, with its timeout. Time in which the run only sleeps or waits for a signal does
 * not count toward the timeout.
 */
import type { LogLevel } from '../model/record.ts'
import { LONGEST_TIMER, Run, timedOut, type Writer } from '../model/run/run.ts'
import type { Steps } from '../step/steps.ts'
import type { NewSignal } from '../store/contract/store.ts'
import { print } from './job-log.ts'
import type { RecordedNow, SentNow, StepsNow, StepsNowOptions } from './steps-now.ts'

export interface NowRunOptions extends StepsNowOptions {
  id: string
  /** The timeout, in milliseconds. */
  timeout: number
  /** Whether the run may use steps, because it runs `handle`. */
  hasSteps?: boolean
}

export class NowRun implements Writer {
  readonly run: Run
  readonly #options: NowRunOptions
  readonly #began = performance.now()
  /**
   * How long the run has only waited in all earlier waits, in milliseconds, and when the current wait began
   * (`#since`), by `performance.now()`.
   */
  #rested = 0
  #since: number | undefined
  #timer: NodeJS.Timeout | undefined
  #loading: Promise<Steps> | undefined
  #isOver = false
  #steps: StepsNow | undefined
  /** The signals that came before the first step of the run. */
  readonly #early: NewSignal[] = []

  constructor(options: NowRunOptions) {
    this.#options = options
    this.run = new Run(options.id, 1, this)
    this.#wind()
  }

  /** How long the run has taken, without the time in which it only waited, in milliseconds. */
  get #used(): number {
    const now = performance.now()
    return now - this.#began - this.#rested - (this.#since === undefined ? 0 : now - this.#since)
  }

  /** The steps of the run. Their code is loaded when the job first uses a step. */
  get steps(): Steps | Promise<Steps> | undefined {
    if (!this.#options.hasSteps) return undefined
    if (this.#steps !== undefined) return this.#steps.steps
    this.#loading ??= this.#load()
    return this.#loading
  }

  /** The steps of the run, if the job has used a step. */
  get stepsIfAny(): Steps | undefined {
    return this.#steps?.steps
  }

  /** The entries that the steps of the run have recorded. */
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

  /** Calls the handler. @throws the error of the handler; STEP_NOT_AWAITED if steps have not ended */
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

  /** Notes that the handler has ended. @param thrown the error that the handler threw */
  end(thrown?: unknown): void {
    clearTimeout(this.#timer)
    if (this.#isOver) return
    this.#isOver = true
    if (this.#since !== undefined) this.#options.times?.busy?.(1)
    this.#steps?.end(thrown)
    // The timer cannot fire while a handler blocks the event loop, so the time is also checked here.
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
