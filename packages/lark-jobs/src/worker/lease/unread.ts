/**
 * What the store may have handed to a worker in one partition while its event loop did not get to read it: by the
 * call that is under way, or with a ring. Shared with the lease thread, which takes it back when the loop stands
 * still. Whichever of the two is first gets it:
 *
 *   nothing → unread (under its number) → read, by the worker
 *                                       → recalled, by the thread; the worker then gives back what comes
 */

/** Where claims come from. */
export const CALL = 0
export const RING = 1
export type Source = typeof CALL | typeof RING
export const sources: readonly Source[] = [CALL, RING]

export class Unread {
  readonly memory: SharedArrayBuffer
  /** Of each source: the number of the call; below 0 when the claim was recalled, 0 when there is none. */
  readonly #numbers: Int32Array
  /** Since when, by `performance.now()` of the worker. */
  readonly #since: Float64Array

  constructor(memory = new SharedArrayBuffer(24)) {
    this.memory = memory
    this.#since = new Float64Array(memory, 0, 2)
    this.#numbers = new Int32Array(memory, 16, 2)
  }

  /** The worker has asked, or will take what comes with a ring. @param number of the call, 0 to expect nothing */
  expect(source: Source, number: number, now: number): void {
    this.#since[source] = now
    Atomics.store(this.#numbers, source, number)
  }

  /** The worker reads it. @returns false when it was recalled */
  read(source: Source, number: number): boolean {
    return Atomics.compareExchange(this.#numbers, source, number, 0) === number
  }

  /** Since when something is unread; undefined when nothing is. */
  since(source: Source): number | undefined {
    return Atomics.load(this.#numbers, source) > 0 ? this.#since[source] : undefined
  }

  /** The thread takes it. @returns its number; undefined when there is none, or the worker was first */
  recall(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    if (number <= 0) return undefined
    return Atomics.compareExchange(this.#numbers, source, number, -number) === number ? number : undefined
  }

  /** The number of what was recalled and the worker has not come to. */
  recalled(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    return number < 0 ? -number : undefined
  }
}

/**
 * Milliseconds that an answer may take, or a job be held, before the loop is asked for a sign; how long that may take;
 * and after how many without one it is taken to stand still, until it gives it: a turn takes less than one (64 jobs).
 */
const PATIENCE = { answer: 10, sign: 15, turn: 5 }
/** Milliseconds between two tries to take back what the worker has not come to. */
const AGAIN = 250

export interface RecallerOptions {
  /** Of each partition. */
  unread: readonly Unread[]
  /** Asks the event loop for a sign: `sign` then returns this number. And says whether something was recalled. */
  ask: (number: number, hasRecalled: boolean) => void
  /** The number of the last sign. */
  sign: () => number
  /**
   * When the event loop last read an answer, by `performance.now()`: one that is busy turns slowly, and does not stand
   * still. (Measured on 2026-11-25, 2 cores that much else shared, 2,000 queues with one job each: all that might come with
   * a ring was recalled again and again, a call for each queue, and 10,100 calls were made for 2,000 jobs.)
   */
  beat: () => number
  /** Whether any job runs, which could block the loop. */
  runs: () => boolean
  /** Since when jobs are held ahead, at the longest; undefined when none are. */
  holdsSince: () => number | undefined
  /** Has the store take back the claim of this number in a partition. */
  recover: (partition: number, number: number) => Promise<unknown>
}

/**
 * The thread's part. It asks the event loop for a sign, and when none comes, takes back what the store may have handed
 * over. While jobs are prefetched it asks as well, so that the thread knows whether to wait until the loop returns them.
 */
export class Recaller {
  readonly #options: RecallerOptions
  #asked = { number: 0, at: 0 }
  #recovering = false
  #againAt = Number.POSITIVE_INFINITY

  constructor(options: RecallerOptions) {
    this.#options = options
  }

  /** @param at now, by `performance.now()` of the worker */
  look(at: number): void {
    const { unread, sign, runs, holdsSince } = this.#options
    const isWaiting = () => unread.some((each) => (each.since(CALL) ?? at) + PATIENCE.answer <= at)
    const isHolding = () => (holdsSince() ?? at) + PATIENCE.answer <= at
    const isOffering = () => runs() && unread.some((each) => each.since(RING) !== undefined)
    if (sign() !== this.#asked.number) {
      if (this.#owedFor(at) >= PATIENCE.sign) this.#recall(at)
    } else if (at - this.#asked.at >= PATIENCE.answer && (isHolding() || isWaiting() || isOffering())) {
      this.#ask(at)
    }
    if (at >= this.#againAt && !this.#recovering) void this.#recover(at)
  }

  /** Whether the event loop was asked for a sign, and owes it for longer than a turn takes. */
  isOwed(at: number): boolean {
    return this.#options.sign() !== this.#asked.number && this.#owedFor(at) >= PATIENCE.turn
  }

  /** Milliseconds since the loop was asked for a sign, or last turned. */
  #owedFor(at: number): number {
    return at - Math.max(this.#asked.at, this.#options.beat())
  }

  /** The loop hears of it when it turns, or it would wait for rings that do not come any more. */
  #recall(at: number): void {
    const { unread } = this.#options
    const recalled = unread.flatMap((each) => [each.recall(CALL), each.recall(RING)])
    if (recalled.every((number) => number === undefined)) return
    this.#againAt = at
    this.#ask(at, true)
  }

  #ask(at: number, hasRecalled = false): void {
    this.#asked = { number: this.#asked.number + 1, at }
    this.#options.ask(this.#asked.number, hasRecalled)
  }

  /** Again and again until the worker has come to it: the store may get to see the call only after this. */
  async #recover(at: number): Promise<void> {
    this.#recovering = true
    this.#againAt = Number.POSITIVE_INFINITY
    const { unread, recover } = this.#options
    const tries: Promise<unknown>[] = []
    for (const [partition, each] of unread.entries()) {
      const call = each.recalled(CALL)
      const ring = each.recalled(RING)
      if (call !== undefined) tries.push(recover(partition, call))
      // A claim that comes with a ring has the number of the call before it, and a half.
      if (ring !== undefined) tries.push(recover(partition, ring + 0.5))
    }
    if (tries.length > 0) this.#againAt = at + AGAIN
    await Promise.allSettled(tries)
    this.#recovering = false
  }
}
