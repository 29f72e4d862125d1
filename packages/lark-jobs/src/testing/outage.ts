/**
 * The times at which the store of a fake does not answer, by the clock of the fake.
 */
import { JobsError } from '../model/errors.ts'
import type { FakeClock } from './fake-clock.ts'

/** How long a dispatch waits for the store, in milliseconds: as long as in `dispatch/send-buffer.ts`. */
const PATIENCE = 5_000

export class Outage {
  readonly #clock: FakeClock
  readonly #name: string
  #until = Number.NEGATIVE_INFINITY
  #loses: 'calls' | 'answers' = 'calls'
  /** How many calls of workers wait for the end of the outage. */
  waiting = 0

  constructor(clock: FakeClock, name: string) {
    this.#clock = clock
    this.#name = name
  }

  /**
   * If two outages overlap, the later end counts.
   *
   * @param ms how long the outage lasts
   * @param loses `calls`: calls do not arrive; `answers`: calls are carried out, but their answers do not
   *   arrive
   */
  begin(ms: number, loses: 'calls' | 'answers'): void {
    this.#until = Math.max(this.#until, this.#clock.now + ms)
    this.#loses = loses
  }

  /** The time at which the store answers again. Undefined if it answers. */
  get until(): number | undefined {
    return this.#until > this.#clock.now ? this.#until : undefined
  }

  /** Waits until the store answers again. This does not move the clock. */
  async over(): Promise<void> {
    while (this.until !== undefined) {
      const until = this.until
      this.waiting += 1
      await new Promise<void>((resolve) => this.#clock.alarm(until, resolve))
      this.waiting -= 1
    }
  }

  /** Called before a call that does not wait for the store. @throws STORE_UNREACHABLE */
  check(): void {
    if (this.until === undefined || this.#loses === 'answers') return
    throw new JobsError('STORE_UNREACHABLE', `${this.#name} does not answer`)
  }

  /**
   * Makes a dispatch. It waits for the store for up to `PATIENCE`, by the clock of the fake.
   *
   * @param pass moves the clock
   * @param ids returns the ids of the jobs, for the error
   * @throws STORE_UNREACHABLE; DISPATCH_UNCERTAIN if the answer is lost
   */
  async dispatch<T>(
    act: () => Promise<T>,
    pass: (at: number) => Promise<void>,
    ids: (answer: T | undefined) => string[],
  ): Promise<T> {
    const until = this.until
    if (until === undefined) return await act()
    const isLost = this.#loses === 'answers'
    const answer = isLost ? await act() : undefined
    await pass(Math.min(until, this.#clock.now + PATIENCE))
    if (this.until === undefined) return answer ?? (await act())
    const all = ids(answer)
    const named = { id: all[0], ids: all }
    if (isLost)
      throw new JobsError('DISPATCH_UNCERTAIN', 'The dispatch was sent to the store and got no answer', {
        ...named,
        hint: 'The job may be queued: look for its id (error.id) before you dispatch it again.',
      })
    throw new JobsError('STORE_UNREACHABLE', `${this.#name} does not answer; the job was not sent`, named)
  }
}
