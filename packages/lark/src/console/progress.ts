/**
 * Shows the progress of a long command. On a terminal, it shows a line with a bar, the count, the rate and
 * the time that is left. Without a terminal, one line a minute is printed, so that the log of a long command
 * shows that the command is still working. With `--json` and `--quiet`, no progress is shown.
 */
import type { Console } from './console.ts'

export interface ProgressOptions {
  /** The name of the counted items, such as `users`. */
  label?: string
}

const BAR = 24
/** The time between two lines in a log, in milliseconds. */
const LINE = 60_000
/** The time constant of the rate's average, in milliseconds: the older an item, the less it counts. */
const MEMORY = 10_000

export class Progress {
  #done = 0
  /** The rate, in items a second; undefined until the rate can be computed. */
  #rate: number | undefined
  /** The number of items that were done when the rate was last computed, and the time of that computation. */
  #sample: { done: number; at: number }
  #lineAt: number
  readonly #console: Console
  readonly #total: number | undefined
  readonly #label: string

  constructor(console: Console, total: number | undefined, options: ProgressOptions = {}) {
    this.#console = console
    this.#total = total
    this.#label = options.label ?? ''
    const now = performance.now()
    this.#sample = { done: 0, at: now }
    this.#lineAt = now + LINE
    if (total !== 0) console.status(() => this.#bar() + this.#text())
  }

  /** Adds `by` items to the number of items that are done. */
  advance(by = 1): void {
    this.#done += by
    if (this.#console.hasStatus || performance.now() < this.#lineAt) return
    this.#lineAt = performance.now() + LINE
    if (!this.#console.isJson) this.#console.info(this.#text())
  }

  /** Removes the bar. */
  finish(): void {
    this.#console.status('')
  }

  #bar(): string {
    if (this.#total === undefined) return ''
    const filled = Math.round(Math.min(1, this.#done / this.#total) * BAR)
    return `${'━'.repeat(filled)}${'─'.repeat(BAR - filled)} `
  }

  /** The text of the line, such as `120/400 users  30%  25/s  11 s left` */
  #text(): string {
    const rate = this.#rateNow()
    const total = this.#total
    const count = total === undefined ? `${this.#done}` : `${this.#done}/${total}`
    const left = total === undefined || !rate ? undefined : Math.max(0, total - this.#done) / rate
    return [
      this.#label === '' ? count : `${count} ${this.#label}`,
      total ? `${Math.floor((100 * this.#done) / total)}%` : '',
      rate ? `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s` : '',
      left === undefined ? '' : `${timeLeft(left)} left`,
    ]
      .filter(Boolean)
      .join('  ')
  }

  #rateNow(): number | undefined {
    const { done, at } = this.#sample
    const now = performance.now()
    const passed = now - at
    // The rate keeps its value for half a second: in a shorter time, one item more or less would change the
    // rate too much.
    if (passed < 500 || this.#done === 0) return this.#rate
    const latest = ((this.#done - done) * 1_000) / passed
    const weight = this.#rate === undefined ? 1 : 1 - Math.exp(-passed / MEMORY)
    this.#rate = (this.#rate ?? 0) * (1 - weight) + latest * weight
    this.#sample = { done: this.#done, at: now }
    return this.#rate
  }
}

/** @param seconds the time that is left, in seconds */
function timeLeft(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
