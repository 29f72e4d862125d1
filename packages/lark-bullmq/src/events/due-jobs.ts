/**
 * The delayed jobs that a listener has heard of. The store writes no event when a delayed job becomes due,
 * because no process moves the job. So the listener itself waits until the job is due.
 */

/** The maximum number of jobs that are remembered. A listener hears of further jobs only when they begin. */
const MOST = 10_000
/** The longest time of a timer, in milliseconds. */
const LONGEST = 2 ** 31 - 1

export class DueJobs {
  readonly #isDue: (id: string) => void
  /** The time at which each job is due, by `performance.now()`. */
  readonly #times = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  /** The time at which the timer ends. */
  #until = Number.POSITIVE_INFINITY

  /** @param isDue called when a job that was not forgotten is due */
  constructor(isDue: (id: string) => void) {
    this.#isDue = isDue
  }

  /** @param delay milliseconds */
  remember(id: string, delay: number): void {
    if (this.#times.size >= MOST && !this.#times.has(id)) return
    const at = performance.now() + delay
    this.#times.set(id, at)
    if (at < this.#until) this.#wait(at)
  }

  /** @returns whether the job was remembered */
  forget(id: string): boolean {
    return this.#times.delete(id)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#times.clear()
  }

  #wait(until: number): void {
    clearTimeout(this.#timer)
    this.#until = until
    const ms = Math.min(LONGEST, Math.max(1, Math.ceil(until - performance.now())))
    this.#timer = setTimeout(() => this.#tell(), ms).unref()
  }

  #tell(): void {
    this.#until = Number.POSITIVE_INFINITY
    const now = performance.now()
    let next = Number.POSITIVE_INFINITY
    for (const [id, at] of this.#times) {
      if (at > now) next = Math.min(next, at)
      else if (this.#times.delete(id)) this.#isDue(id)
    }
    if (next < Number.POSITIVE_INFINITY) this.#wait(next)
  }
}
