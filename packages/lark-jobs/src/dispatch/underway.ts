/**
 * Counts the dispatches that have no answer yet. So a caller can wait for all dispatches without a promise
 * for each of them, and a process that ends too early can say how many dispatches were not answered.
 */
import { print } from '../run/job-log.ts'

interface Generation {
  count: number
  /** Called when the count is 0 again. Undefined while no caller waits. */
  empty?: () => void
}

/** Dispatches of this process that have no answer yet. */
let unanswered = 0
let isWatched = false

export class Underway {
  #generation: Generation = { count: 0 }
  /** Resolves when all dispatches before the current generation have ended. */
  #before: Promise<void> = Promise.resolve()

  /**
   * @param dispatches the number of dispatches that begin
   * @returns a function to call once when these dispatches have ended
   */
  begin(dispatches = 1): () => void {
    const generation = this.#generation
    generation.count++
    unanswered += dispatches
    return () => {
      unanswered -= dispatches
      if (--generation.count === 0) generation.empty?.()
    }
  }

  /**
   * Resolves when all dispatches that have begun so far have ended. Dispatches that begin later do not delay
   * this.
   */
  through(): Promise<void> {
    const generation = this.#generation
    this.#generation = { count: 0 }
    if (generation.count === 0) return this.#before
    const empty = new Promise<void>((resolve) => {
      generation.empty = resolve
    })
    this.#before = this.#before.then(() => empty)
    return this.#before
  }

  /** Dispatches of this process that have no answer yet. */
  static get unanswered(): number {
    return unanswered
  }

  /** Lets the process print at its exit how many dispatches have no answer. */
  static watchExit(): void {
    if (isWatched) return
    isWatched = true
    process.once('exit', () => {
      if (unanswered === 0) return
      const text =
        unanswered === 1
          ? '1 dispatch was answered: its job may not be queued. Await it'
          : `${unanswered} dispatches were answered: their jobs may not be queued. Await them`
      print('lark-jobs', undefined, 'warn', `The process ended before ${text}, or Jobs.flush(), first`)
    })
  }
}
