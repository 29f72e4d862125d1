/**
 * A running part of a worker, of a supervisor, or of the code that reports their state. All parts have one
 * lifecycle:
 *
 *   new → running ⇄ quiet (takes no more work, and finishes the work that it has) → stopped
 *
 * Each step may be repeated without harm, and `stop` is final. A part that is told to be quiet before it
 * starts will start quiet. A class that extends `Part` implements only the steps that it needs.
 */

/**
 * The lifecycle of every running part. A worker and a supervisor forward these calls to all their parts. (The
 * class `Worker` does not say that it implements this type, because the type would then be a part of the
 * public API.)
 */
export interface Lifecycle extends AsyncDisposable {
  /** Starts the part. Resolves when the part runs. */
  start(): void | Promise<void>
  /** Makes the part take no more work. */
  quiet(): void | Promise<void>
  /**
   * Stops the part. Resolves when all work of this part has ended. @param deadline milliseconds for which
   * work that has begun may go on
   */
  stop(deadline?: number): Promise<void>
}

export abstract class Part implements Lifecycle {
  #mode: 'new' | 'running' | 'quiet' | 'stopped' = 'new'
  #started: Promise<void> | undefined
  #stopped: Promise<void> | undefined

  /** Whether the part has started and may take more work. */
  get isRunning(): boolean {
    return this.#mode === 'running'
  }

  get isStopped(): boolean {
    return this.#mode === 'stopped'
  }

  async start(): Promise<void> {
    if (this.#mode === 'new') this.#mode = 'running'
    if (!this.isStopped) this.#started ??= Promise.resolve(this.onStart())
    await this.#started
  }

  async quiet(): Promise<void> {
    if (this.#mode === 'quiet' || this.isStopped) return
    this.#mode = 'quiet'
    this.onQuiet()
  }

  /** Makes the part take work again, after `quiet`. */
  resume(): void {
    if (this.#mode !== 'quiet') return
    this.#mode = this.#started === undefined ? 'new' : 'running'
    if (this.isRunning) this.onResume()
  }

  async stop(): Promise<void> {
    this.#mode = 'stopped'
    this.#stopped ??= Promise.resolve(this.onStop())
    await this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  protected onStart(): void | Promise<void> {}
  protected onQuiet(): void {}
  protected onResume(): void {}
  protected onStop(): void | Promise<void> {}
}
