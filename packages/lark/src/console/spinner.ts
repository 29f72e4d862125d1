/**
 * Shows a spinner with a text on the last line of a terminal, during work of unknown length. Without a
 * terminal, and with `--json` and `--quiet`, no spinner is shown.
 */
import type { Console } from './console.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

export class Spinner {
  /** The text beside the spinner. */
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
