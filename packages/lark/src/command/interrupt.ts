/**
 * Handles SIGINT and SIGTERM for a command that wants to end in an orderly way. The first one aborts
 * `signal`. The second one ends the process at once, with the shell's exit code (130 or 143). The handlers
 * are installed when `signal` is first read. A command that never reads it ends with the first SIGINT or
 * SIGTERM, as any program does.
 *
 * A command that a program calls (`callCommand`) gets the signal of its caller. No handlers are installed for
 * it, because the program handles SIGINT and SIGTERM.
 *
 * States: idle → listening (`signal` was read) → aborted (first SIGINT or SIGTERM) → the process ends
 * (second), or stopped.
 */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

type SignalName = keyof typeof EXIT_CODES

export class Interrupt {
  readonly #given: AbortSignal | undefined
  #controller: AbortController | undefined
  /** The exit code for the received SIGINT or SIGTERM. It is undefined until one is received. */
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

  /** The signal, if somebody already listens to it. This getter installs no handlers, unlike `signal`. */
  get current(): AbortSignal | undefined {
    return this.#given ?? this.#controller?.signal
  }

  /**
   * @throws the reason if the caller has already aborted its signal, because a command that waits only for
   *   the event would miss this
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
