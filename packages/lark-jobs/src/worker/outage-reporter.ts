/** Reports an outage of the store once, however many calls fail, and reports the end of the outage once. */
import { Part } from './part.ts'
import type { WorkerReport } from './report.ts'

export class OutageReporter extends Part {
  readonly #store: string
  readonly #report: WorkerReport
  readonly #isAway: () => boolean
  #isOn = false
  /** When the last call was answered, by `performance.now()`. */
  answeredAt = performance.now()

  /**
   * @param store the name of the store in messages
   * @param isAway returns whether a failed call is still being sent again. Until that call is answered, the
   *   outage goes on, even if calls that only read were answered
   */
  constructor(store: string, report: WorkerReport, isAway: () => boolean) {
    super()
    this.#store = store
    this.#report = report
    this.#isAway = isAway
  }

  /** Whether an outage was noticed, and its end was not noticed yet. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** Notes that a call has failed. After the worker has stopped, failures are not reported. */
  met(error: unknown): void {
    if (this.#isOn || this.isStopped) return
    this.#isOn = true
    this.#report.warn(`${(error as Error).message}. The worker goes on trying.`)
  }

  /** Notes that a call was answered. Another part of the store may still not answer. */
  answered(): void {
    this.answeredAt = performance.now()
  }

  /**
   * Notes that a call was answered. Reports the end of the outage, unless a failed call is still being sent
   * again.
   */
  passed(): void {
    this.answered()
    if (!this.#isOn || this.#isAway()) return
    this.#isOn = false
    this.#report.info(`${this.#store} answers again`)
  }
}
