/**
 * The signals of `jobs:work`, for a worker or for a supervisor. At SIGTSTP it takes no more jobs. At the
 * first SIGINT or SIGTERM it lets the running jobs finish, at the second it gives them back at once, and at
 * the third it no longer waits for a store that is away. The steps of the end are in `Worker.stop`
 * (`worker/worker.ts`); a process under a supervisor has `supervisor/supervised.ts` instead.
 *
 *   starting   SIGTSTP is remembered; the other signals end the process, as they end any program
 *   serving    all signals are passed on to the worker or supervisor
 *   released   the signals have their usual effect again
 *
 * Under `jobs:work --watch`, the process that watches the sources says when to stop, and this process also
 * stops when that one ends.
 *
 * With this listener, SIGTSTP and Ctrl-Z do not suspend the process: a suspended worker would only lose its
 * leases. Windows has no such signal.
 */
import { larkMessage, type ProcessCommand, type ProcessReport, WATCHED } from '../../supervisor/protocol.ts'
import { STOP_DEADLINE } from '../../worker/options.ts'

/** A worker, or a supervisor. */
interface Serving {
  quiet(): void
  stop(deadline: number, outcomes?: number): unknown
}

export class WorkSignals {
  readonly #say: (text: string) => void
  #serving: Serving | undefined
  #isQuiet = false
  #stops = 0
  readonly #isWatched = process.env[WATCHED] !== undefined && process.connected

  /** @param say prints a line for people */
  constructor(say: (text: string) => void) {
    this.#say = say
    process.on('SIGTSTP', this.#quiet)
    // Processes that the application starts are not watched.
    delete process.env[WATCHED]
    if (this.#isWatched) process.on('message', this.#told).on('disconnect', this.#left)
  }

  serve(serving: Serving): void {
    this.#serving = serving
    if (this.#isQuiet) serving.quiet()
    process.on('SIGINT', this.#stop).on('SIGTERM', this.#stop)
  }

  release(): void {
    process.off('SIGTSTP', this.#quiet).off('SIGINT', this.#stop).off('SIGTERM', this.#stop)
    process.off('message', this.#told).off('disconnect', this.#left)
    // The channel would keep the process alive.
    if (this.#isWatched && process.connected) process.disconnect()
  }

  /**
   * Tells the process that watches the sources: this process ends in order, and needs up to this many
   * milliseconds.
   */
  needs(ms: number): void {
    const report: ProcessReport = { kind: 'needs', ms }
    if (this.#isWatched && process.connected) process.send?.({ lark: report }, undefined, undefined, () => {})
  }

  readonly #told = (message: unknown): void => {
    const command = larkMessage<ProcessCommand>(message)
    if (command?.kind === 'stop') this.#end(command.deadline, command.outcomes)
  }

  readonly #left = (): void => this.#end(STOP_DEADLINE)

  #end(deadline: number, outcomes?: number): void {
    if (this.#serving !== undefined) void this.#serving.stop(deadline, outcomes)
    // No job is claimed yet, and the store may be away.
    else process.exit()
  }

  readonly #quiet = (): void => {
    if (this.#isQuiet || this.#stops > 0) return
    this.#isQuiet = true
    this.#say('Quiet: takes no more jobs, and finishes the running ones. SIGTERM stops it.')
    this.#serving?.quiet()
  }

  readonly #stop = (): void => {
    this.#stops++
    if (this.#stops === 1)
      this.#say(
        `Stopping: the running jobs have ${STOP_DEADLINE / 1_000} s to finish. A second Ctrl-C or SIGTERM stops at once.`,
      )
    void this.#serving!.stop(this.#stops === 1 ? STOP_DEADLINE : 0, this.#stops < 3 ? undefined : 0)
  }
}
