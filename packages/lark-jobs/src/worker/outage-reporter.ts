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
   * @param store its name, for people
   * @param isAway whether a call is still being sent again. Other calls, which only read, may have been
   *   answered
   */
  constructor(store: string, report: WorkerReport, isAway: () => boolean) {
    super()
    this.#store = store
    this.#report = report
    this.#isAway = isAway
  }

  /** Calls fail, or did until just now. */
  get isOn(): boolean {
    return this.#isOn
  }

  /** A call failed. Once the worker has stopped, that is not reported. */
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
