/**
 * The signals of `jobs:work`, for a worker or for a supervisor: SIGTSTP has it take no more, the first SIGINT or SIGTERM
 * finishes what runs, the second gives back at once.
 *
 *   starting   SIGTSTP is kept until it serves; the others end the process, as they end any program
 *   serving    all of them are told to what runs
 *   released
 *
 * With a listener of its own, SIGTSTP does not suspend a process any more, neither does Ctrl-Z: one that is suspended
 * would only lose its leases. There is no such signal on Windows.
 */
import { STOP_DEADLINE } from '../worker/options.ts'

/** A worker, or a supervisor. */
interface Serving {
  quiet(): void
  stop(deadline: number): unknown
}

export class WorkSignals {
  readonly #say: (text: string) => void
  #serving: Serving | undefined
  #isQuiet = false
  #stops = 0

  /** @param say told people */
  constructor(say: (text: string) => void) {
    this.#say = say
    process.on('SIGTSTP', this.#quiet)
  }

  serve(serving: Serving): void {
    this.#serving = serving
    if (this.#isQuiet) serving.quiet()
    process.on('SIGINT', this.#stop).on('SIGTERM', this.#stop)
  }

  /** They do again what they do in any program. */
  release(): void {
    process.off('SIGTSTP', this.#quiet).off('SIGINT', this.#stop).off('SIGTERM', this.#stop)
  }

  readonly #quiet = (): void => {
    if (this.#isQuiet || this.#stops > 0) return
    this.#isQuiet = true
    this.#say('Quiet: takes no more, and finishes what runs. SIGTERM stops it.')
    this.#serving?.quiet()
  }

  readonly #stop = (): void => {
    this.#stops++
    if (this.#stops === 1)
      this.#say(`Stopping: finishes what runs, ${STOP_DEADLINE / 1_000} s at most. Again to stop now.`)
    void this.#serving!.stop(this.#stops === 1 ? STOP_DEADLINE : 0)
  }
}
