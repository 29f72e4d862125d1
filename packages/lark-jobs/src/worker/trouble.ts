/**
 * Says once that the store is away, however many calls fail, and once that it is back.
 */
import type { Report } from './report.ts'

export class Trouble {
  readonly #store: string
  readonly #report: Report
  #isOn = false
  #isOver = false

  /** @param store its name, for people */
  constructor(store: string, report: Report) {
    this.#store = store
    this.#report = report
  }

  /** A call failed. */
  met(error: unknown): void {
    if (this.#isOn || this.#isOver) return
    this.#isOn = true
    this.#report.warn(`${(error as Error).message}. The worker goes on trying.`)
  }

  /** A call was answered. */
  passed(): void {
    if (!this.#isOn) return
    this.#isOn = false
    this.#report.info(`${this.#store} answers again`)
  }

  /** The worker has stopped: calls that now fail concern nobody. */
  end(): void {
    this.#isOver = true
  }
}
