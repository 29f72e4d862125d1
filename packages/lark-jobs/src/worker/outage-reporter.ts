/**
 * Reports once that the store does not answer, however many calls fail, and once that it answers again.
 */
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
   * @param store the name of the store, for people
   * @param isAway whether a failed call is still being sent again, although other calls, which only read, may
   *   have been answered
   */
  constructor(store: string, report: WorkerReport, isAway: () => boolean) {
    super()
    this.#store = store
    this.#report = report
    this.#isAway = isAway
  }

  /** Whether calls are failing, or were failing until just now. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** A call failed. After the worker has stopped, failures are not reported. */
  met(error: unknown): void {
    if (this.#isOn || this.isStopped) return
    this.#isOn = true
    this.#report.warn(`${(error as Error).message}. The worker goes on trying.`)
  }

  /** A call was answered, perhaps by one part of the store while another part is away. */
  answered(): void {
    this.answeredAt = performance.now()
  }

  /** A call was answered, and none failed. */
  passed(): void {
    this.answered()
    if (!this.#isOn || this.#isAway()) return
    this.#isOn = false
    this.#report.info(`${this.#store} answers again`)
  }
}
