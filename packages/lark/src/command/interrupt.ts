/**
 * Handles SIGINT and SIGTERM for a command that has work to finish before it ends. The first SIGINT or
 * SIGTERM aborts `signal`. The second ends the process at once, with the shell's exit code (130 or 143). The
 * handlers are installed when `signal` is first read. A command that never reads `signal` ends with the first
 * SIGINT or SIGTERM, like any program.
 *
 * A command that a program calls (`callCommand`) gets the signal of its caller. No handlers are installed for
 * such a command, because the program handles SIGINT and SIGTERM.
 *
 * States: idle → listening (`signal` was read) → aborted (first SIGINT or SIGTERM) → the process ends
 * (second), or stopped.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

type SignalName = keyof typeof EXIT_CODES

export class Interrupt {
  readonly #given: AbortSignal | undefined
  #controller: AbortController | undefined
  /** The exit code for the received SIGINT or SIGTERM; undefined until the first SIGINT or SIGTERM. */
  exitCode: number | undefined

  /** @param given the signal of the program that calls the command */
  constructor(given?: AbortSignal) {
    this.#given = given
  }

  get signal(): AbortSignal {
    if (this.#given !== undefined) return this.#given
    if (!this.#controller) {
      this.#controller = new AbortController()
      process.on('SIGINT', this.#receive)
      process.on('SIGTERM', this.#receive)
    }
    return this.#controller.signal
  }

  /**
   * The signal; undefined if no code has read `signal` yet. Unlike `signal`, this getter installs no
   * handlers.
   */
  get current(): AbortSignal | undefined {
    return this.#given ?? this.#controller?.signal
  }

  /**
   * @throws the reason of the caller's signal, if it is aborted already. Without this check, a command that
   *   only listens for the event `abort` would miss the abort
   */
  check(): void {
    this.#given?.throwIfAborted()
  }

  /** Whether `error` was thrown because this signal was aborted. */
  caused(error: unknown): boolean {
    const signal = this.#controller?.signal
    if (!signal?.aborted) return false
    return error === signal.reason || (error instanceof Error && error.name === 'AbortError')
  }

  /** Removes the handlers, so that SIGINT and SIGTERM end the process again. */
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
