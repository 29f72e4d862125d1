/**
 * SIGINT and SIGTERM, for a command that wants to end well. The first one aborts the signal, the second ends the
 * process at once with the shell's exit code (130, 143). Handlers are installed when the signal is first asked
 * for: a command that never asks dies as any program does.
 *
 * States: idle → listening (asked for) → aborted (first signal) → process gone (second), or stopped.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

type SignalName = keyof typeof EXIT_CODES

export class Interrupt {
  #controller: AbortController | undefined
  /** The exit code that the signal received asks for; undefined before. */
  exitCode: number | undefined

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      process.on('SIGINT', this.#receive)
      process.on('SIGTERM', this.#receive)
    }
    return this.#controller.signal
  }

  /** Whether `error` is what the abort of this signal threw in a handler. */
  caused(error: unknown): boolean {
    const signal = this.#controller?.signal
    if (!signal?.aborted) return false
    return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
  }

  /** Lets the signals do again what they do in any program. */
  stop(): void {
    process.off('SIGINT', this.#receive)
    process.off('SIGTERM', this.#receive)
  }

  readonly #receive = (name: SignalName): void => {
    if (this.#controller?.signal.aborted) process.exit(EXIT_CODES[name])
    this.exitCode = EXIT_CODES[name]
    this.#controller?.abort(new DOMException(`Interrupted by ${name}`, 'AbortError'))
  }
}
