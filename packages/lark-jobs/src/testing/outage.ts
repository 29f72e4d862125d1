/**
 * The times at which the store of a fake does not answer, by the clock of the fake.
 */
import { JobsError } from '../model/errors.ts'
import type { FakeClock } from './fake-clock.ts'

/** Milliseconds that a dispatch waits for the store, as `dispatch/send-buffer.ts` does. */
const PATIENCE = 5_000

export class Outage {
  readonly #clock: FakeClock
  readonly #name: string
  #until = Number.NEGATIVE_INFINITY
  #loses: 'calls' | 'answers' = 'calls'
  /** How many calls of workers wait for its end. */
  waiting = 0

  constructor(clock: FakeClock, name: string) {
    this.#clock = clock
    this.#name = name
  }

  /**
   * If two outages overlap, the later end counts.
   *
   * @param ms how long
   * @param loses whether calls do not arrive, or are carried out and their answers do not arrive
   */
  begin(ms: number, loses: 'calls' | 'answers'): void {
    this.#until = Math.max(this.#until, this.#clock.now + ms)
    this.#loses = loses
  }

  /** When the store answers again; undefined if it answers. */
  get until(): number | undefined {
    return this.#until > this.#clock.now ? this.#until : undefined
  }

  /** Waits until the store answers. The clock must be moved by somebody else. */
  async over(): Promise<void> {
    while (this.until !== undefined) {
      const until = this.until
      this.waiting += 1
      await new Promise<void>((resolve) => this.#clock.alarm(until, resolve))
      this.waiting -= 1
    }
  }

  /** For a call that does not wait. @throws STORE_UNREACHABLE */
  check(): void {
    if (this.until === undefined || this.#loses === 'answers') return
    throw new JobsError('STORE_UNREACHABLE', `${this.#name} does not answer`)
  }

  /**
   * A dispatch waits for the store for some seconds, which pass by the clock of the fake.
   *
   * @param pass moves the clock
   * @param ids of the jobs, for the error
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
