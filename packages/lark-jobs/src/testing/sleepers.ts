/**
 * Moves the clock for a job that `dispatchNow` runs in a fake, and for the children of this job. They may
 * sleep at the same time. The clock moves only when all of them are waiting, and it moves to the end of the
 * sleep that ends first.
 */
import type { WaitTimes } from '../step/wait-clock.ts'
import type { FakeClock } from './fake-clock.ts'
import { sleep, soon } from './real-time.ts'

/**
 * How many turns the event loop gets before the clock moves, so that code that awaits the end of a sleep can
 * go on first.
 */
const CALM = 10

export class Sleepers implements WaitTimes {
  readonly short = 0
  readonly soon = soon
  readonly #clock: FakeClock
  readonly #pass: (at: number) => Promise<void>
  /** How many of the jobs are not waiting. */
  #busy = 0
  /** The times at which the sleeps end: milliseconds since 1970. */
  readonly #ends = new Set<{ at: number }>()
  #isPassing = false

  /** @param pass moves the clock */
  constructor(clock: FakeClock, pass: (at: number) => Promise<void>) {
    this.#clock = clock
    this.#pass = pass
  }

  now(): number {
    return this.#clock.now
  }

  after(ms: number, act: () => void, isSleep?: boolean): () => void {
    const end = { at: this.#clock.now + ms }
    const stop = this.#clock.alarm(end.at, () => {
      this.#ends.delete(end)
      act()
    })
    if (isSleep) this.#ends.add(end)
    this.#look()
    return () => {
      this.#ends.delete(end)
      stop()
    }
  }

  busy(change: 1 | -1): void {
    this.#busy += change
    this.#look()
  }

  get #allSleep(): boolean {
    return this.#busy === 0 && this.#ends.size > 0
  }

  #look(): void {
    if (this.#allSleep && !this.#isPassing) void this.#passOn()
  }

  async #passOn(): Promise<void> {
    this.#isPassing = true
    while (this.#allSleep) {
      for (let turn = 0; turn < CALM && this.#allSleep; turn++) await sleep(turn)
      if (this.#allSleep) await this.#pass(Math.min(...[...this.#ends].map(({ at }) => at)))
    }
    this.#isPassing = false
  }
}
