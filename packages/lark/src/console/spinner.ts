/**
 * Shows that work of unknown length is going on, with a text on the last line of a terminal. Without a
 * terminal, and under `--json` and `--quiet`, it shows nothing.
 */
import type { Console } from './console.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export class Spinner {
  /** What is shown beside the spinner. */
  text: string
  readonly #console: Console

  constructor(console: Console, text: string) {
    this.text = text
    this.#console = console
    let frame = 0
    console.status(() => `${FRAMES[frame++ % FRAMES.length]} ${this.text}`)
  }

  /** Removes the line. */
  stop(): void {
    this.#console.status('')
  }
}
