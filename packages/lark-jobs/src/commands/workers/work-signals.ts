/**
 * The signals of `jobs:work`, for a worker or for a supervisor. After SIGTSTP, the worker takes no more jobs.
 * After the first SIGINT or SIGTERM, the worker lets the running jobs finish. After the second of these
 * signals, it gives these jobs back at once. After the third, it no longer waits for a store that is
 * unreachable. `Worker.stop` (`worker/worker.ts`) has the steps of the end. A process under a supervisor uses
 * `supervisor/supervised.ts` instead of this file.
 *
 *   starting   SIGTSTP is remembered; the other signals end the process, as they end any program
 *   serving    all signals are passed on to the worker or supervisor
 *   released   the signals have their usual effect again
 *
 * Under `jobs:work --watch`, the process that watches the sources tells this process when to stop. This
 * process also stops when the watching process ends.
 *
 * Because this file listens for SIGTSTP, this signal and Ctrl-Z do not suspend the process. A suspended
 * worker would only lose its leases. Windows has no SIGTSTP.
 */
import { larkMessage, type ProcessCommand, type ProcessReport, WATCHED } from '../../supervisor/protocol.ts'
import { STOP_DEADLINE } from '../../worker/options.ts'

/** The worker or the supervisor of this process. */
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
    // The variable is removed, so that processes which the application starts do not count as watched.
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
    // An open channel would keep the process alive.
    if (this.#isWatched && process.connected) process.disconnect()
  }

  /**
   * Tells the process that watches the sources that this process is stopping, and needs up to this many
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
    // The worker has not been started, so no job is claimed. The process does not wait, because the store may
    // be unreachable.
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
