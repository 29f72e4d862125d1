/**
 * Shows how far a long command is. On a terminal it is a bar on the last line. In a log it is a line for each tenth,
 * or, if the total is not known, a line at 10, 100, 1,000… Under `--json` and `--quiet` nothing is shown.
 */
import type { Console } from './console.ts'

export interface ProgressOptions {
  /** The name of what is counted: `users`. */
  label?: string
}

const BAR = 24
/** The shortest time between two updates of the bar, in milliseconds: nobody reads faster. */
const FRAME = 50

export class Progress {
  #done = 0
  #shownAt = Number.NEGATIVE_INFINITY
  #nextLine: number
  readonly #console: Console
  readonly #total: number | undefined
  readonly #label: string

  constructor(console: Console, total: number | undefined, options: ProgressOptions = {}) {
    this.#console = console
    this.#total = total
    this.#label = options.label ?? ''
    this.#nextLine = this.#lineAfter(0)
    if (total !== 0) this.#draw()
  }

  /** Counts `by` more items as done. */
  advance(by = 1): void {
    this.#done += by
    if (this.#console.hasStatus) {
      if (performance.now() - this.#shownAt >= FRAME) this.#draw()
    } else if (this.#done >= this.#nextLine) {
      this.#nextLine = this.#lineAfter(this.#done)
      if (!this.#console.isJson) this.#console.info(this.#text())
    }
  }

  /** Removes the bar. */
  finish(): void {
    this.#console.status('')
  }

  #lineAfter(done: number): number {
    if (this.#total === undefined) return 10 ** Math.floor(Math.log10(Math.max(done, 1)) + 1)
    const tenth = Math.max(1, this.#total / 10)
    return (Math.floor(done / tenth) + 1) * tenth
  }

  #draw(): void {
    if (!this.#console.hasStatus) return
    this.#shownAt = performance.now()
    const share = this.#total ? Math.min(1, this.#done / this.#total) : undefined
    const filled = share === undefined ? 0 : Math.round(share * BAR)
    const bar = share === undefined ? '' : `${'━'.repeat(filled)}${'─'.repeat(BAR - filled)} `
    this.#console.status(`${bar}${this.#text()}`.slice(0, this.#console.columns - 1))
  }

  #text(): string {
    const count = this.#total === undefined ? `${this.#done}` : `${this.#done}/${this.#total}`
    return this.#label === '' ? count : `${count} ${this.#label}`
  }
}
