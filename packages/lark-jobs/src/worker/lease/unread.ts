/**
 * A claim is unread if the store may have handed jobs to the worker, and the worker has not read the message
 * yet: the answer to a call, or a ring (`fetch/rings.ts`) that brings jobs. While the event loop is blocked,
 * the lease thread (`lease-watch.ts`) makes the store take back these jobs, so that another worker gets them.
 * The worker and the thread share the memory of an `Unread` for each partition. For each claim, the side that
 * acts first decides:
 *
 *   nothing → unread (under the number of the call) → read, by the worker
 *                                                   → recalled, by the thread. If jobs of the claim still
 *                                                     come, the worker gives them back
 */

/** The sources of a claim: the answer to a call, and a ring. */
export const CALL = 0
export const RING = 1
export type Source = typeof CALL | typeof RING
export const sources: readonly Source[] = [CALL, RING]
const calls: readonly Source[] = [CALL]

export class Unread {
  readonly memory: SharedArrayBuffer
  /** How many claims of each source are unread, in all partitions of the worker. */
  readonly #counts: Int32Array
  /**
   * The number of the call for each source. It is negative if the claim was recalled, and 0 if no claim is
   * expected.
   */
  readonly #numbers: Int32Array
  /** Since when the claim of each source has been expected, by `performance.now()` of the worker. */
  readonly #since: Float64Array

  /** @param counts the counts that all partitions of a worker share (`Pulse.unread`) */
  constructor(counts: Int32Array = new Int32Array(2), memory = new SharedArrayBuffer(24)) {
    this.#counts = counts
    this.memory = memory
    this.#since = new Float64Array(memory, 0, 2)
    this.#numbers = new Int32Array(memory, 16, 2)
  }

  /**
   * Notes that a claim may come, because the worker has made a call or waits for a ring. @param number the
   * number of the call; 0 if no claim is expected any more
   */
  expect(source: Source, number: number, now: number): void {
    this.#since[source] = now
    const before = Atomics.exchange(this.#numbers, source, number)
    Atomics.add(this.#counts, source, Number(number > 0) - Number(before > 0))
  }

  /** Notes that the worker reads the claim. @returns false if the claim was recalled */
  read(source: Source, number: number): boolean {
    return this.#change(source, number, 0)
  }

  /** Since when the claim of a source has been unread. Undefined if the source has no unread claim. */
  since(source: Source): number | undefined {
    return Atomics.load(this.#numbers, source) > 0 ? this.#since[source] : undefined
  }

  /**
   * Recalls the claim; called by the lease thread.
   *
   * @returns the number of the claim. Undefined if there is no unread claim
   */
  recall(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    if (number <= 0) return undefined
    return this.#change(source, number, -number) ? number : undefined
  }

  /** The number of a recalled claim, as long as the worker has not noticed the recall. */
  recalled(source: Source): number | undefined {
    const number = Atomics.load(this.#numbers, source)
    return number < 0 ? -number : undefined
  }

  /** @returns whether the claim was in the state `from`, and is now in the state `to` */
  #change(source: Source, from: number, to: number): boolean {
    if (Atomics.compareExchange(this.#numbers, source, from, to) !== from) return false
    if (from > 0) Atomics.sub(this.#counts, source, 1)
    return true
  }
}

/**
 * Milliseconds. `answer`: when a call has had no answer for this time, or a job has been prefetched for this
 * time, the thread asks the loop for a sign. `sign`: if no sign comes in this time, the thread recalls unread
 * claims. `turn`: if no sign comes in this time, the loop counts as blocked (one turn of 64 jobs takes less
 * than 1 ms).
 */
const PATIENCE = { answer: 10, sign: 15, turn: 5 }
/**
 * For rings, `sign` is longer by 1 ms for each ten partitions in which a ring may bring jobs. A recall costs
 * one call for each partition, and another call when the loop turns again. These calls need about 0.1 ms of
 * the server. On a busy machine, every loop turns late, so without this longer time there would be many
 * recalls. (Measured on 2026-11-26, 5,000 queues with one job each, 2 cores with 19 busy processes: 26,000
 * calls without the longer time.)
 */
const RINGS = 10
/** Milliseconds between two attempts to take back a recalled claim. */
const AGAIN = 250

export interface RecallerOptions {
  /** The unread claims of each partition. */
  unread: readonly Unread[]
  /**
   * How many claims of each source are unread in all partitions. Most checks need only these numbers.
   * (Measured on 2026-11-26, an idle worker of 5,000 queues, 2 cores, shared: a check of each partition took
   * 5 ms, and four checks a second took 2.2 % of a core.)
   */
  counts: Int32Array
  /**
   * Asks the event loop for the sign with this number, and tells the worker whether a claim was recalled.
   * When the loop has given the sign, `sign` returns the same number.
   */
  ask: (number: number, hasRecalled: boolean) => void
  /** The number of the last sign. */
  sign: () => number
  /**
   * When the event loop last read an answer, by `performance.now()`. A loop that reads answers is not
   * blocked, even if it gives its signs late. (Measured without this time on 2026-11-25, 2 cores, shared and
   * busy, 2,000 queues with one job each: the thread recalled the jobs of rings again and again, with a call
   * for each queue, and there were 10,100 calls for 2,000 jobs.)
   */
  beat: () => number
  /** Whether any job runs: only a running job can block the loop. */
  runs: () => boolean
  /** Since when the oldest prefetched job has been held. Undefined if no job is prefetched. */
  holdsSince: () => number | undefined
  /** Makes the store take back the claim with this number. */
  recover: (partition: number, number: number) => Promise<unknown>
}

/**
 * Runs in the lease thread. The recaller asks the event loop for a sign. If no sign comes, the recaller makes
 * the store take back the unread claims. While jobs are prefetched, the recaller asks for signs, too, to find
 * out whether the worker can give back these jobs itself.
 */
export class Recaller {
  readonly #options: RecallerOptions
  #asked = { number: 0, at: 0 }
  #recovering = false
  #againAt = Number.POSITIVE_INFINITY

  constructor(options: RecallerOptions) {
    this.#options = options
  }

  /** @param at the present time by `performance.now()` of the worker */
  look(at: number): void {
    const { unread, counts, sign, runs, holdsSince } = this.#options
    const isWaiting = () =>
      Atomics.load(counts, CALL) > 0 &&
      unread.some((each) => (each.since(CALL) ?? at) + PATIENCE.answer <= at)
    const isHolding = () => (holdsSince() ?? at) + PATIENCE.answer <= at
    const isOffering = () => unread.length > 0 && Atomics.load(counts, RING) > 0 && runs()
    if (sign() !== this.#asked.number) {
      if (this.#owedFor(at) >= PATIENCE.sign) this.#recall(at)
    } else if (at - this.#asked.at >= PATIENCE.answer && (isHolding() || isWaiting() || isOffering())) {
      this.#ask(at)
    }
    if (at >= this.#againAt && !this.#recovering) void this.#recover(at)
  }

  /** Whether the loop counts as blocked, because it has not given a sign for longer than a turn takes. */
  isOwed(at: number): boolean {
    return this.#options.sign() !== this.#asked.number && this.#owedFor(at) >= PATIENCE.turn
  }

  /** Milliseconds since the loop was asked for a sign or last read an answer, whichever is later. */
  #owedFor(at: number): number {
    return at - Math.max(this.#asked.at, this.#options.beat())
  }

  /**
   * Recalls unread claims. The worker is told of the recall, because the store no longer rings for a recalled
   * claim, so the worker must call again.
   */
  #recall(at: number): void {
    const { unread, counts } = this.#options
    const rings = Atomics.load(counts, RING)
    const isTime = this.#owedFor(at) >= PATIENCE.sign + Math.floor(rings / RINGS)
    const recalled = unread.flatMap((each) => (isTime ? sources : calls).map((source) => each.recall(source)))
    if (recalled.every((number) => number === undefined)) return
    this.#againAt = at
    this.#ask(this.#asked.at, true)
  }

  #ask(at: number, hasRecalled = false): void {
    this.#asked = { number: this.#asked.number + 1, at }
    this.#options.ask(this.#asked.number, hasRecalled)
  }

  /**
   * Repeats the recovery until the worker has noticed the recall, because the recalled call may reach the
   * store after the first attempt.
   */
  async #recover(at: number): Promise<void> {
    this.#recovering = true
    this.#againAt = Number.POSITIVE_INFINITY
    const { unread, recover } = this.#options
    const tries: Promise<unknown>[] = []
    for (const [partition, each] of unread.entries()) {
      const call = each.recalled(CALL)
      const ring = each.recalled(RING)
      if (call !== undefined) tries.push(recover(partition, call))
      // A claim that comes with a ring has the number of the call before it, plus a half.
      if (ring !== undefined) tries.push(recover(partition, ring + 0.5))
    }
    if (tries.length > 0) this.#againAt = at + AGAIN
    await Promise.allSettled(tries)
    this.#recovering = false
  }
}
