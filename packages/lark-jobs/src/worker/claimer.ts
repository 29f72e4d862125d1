/**
 * A worker's dealings with one partition: outcomes go out, jobs come in, both in one call (`exchange`), one call at
 * a time.
 *
 *   ready     may have jobs: ask when there is room
 *   resting   had less than was asked; until its next job falls due, it rings, or the rest is over
 *   calling   a call is under way
 *
 * A call that fails is sent again under its own number until it is answered: a failed settle is not a failed job.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Outcome } from '../record.ts'
import { type Exchange, MAX_BYTES, MAX_ITEMS, type Settlement, type Store } from '../store/store.ts'

/** Milliseconds without a ring after which a worker looks again by itself: rings are hints. */
export const REST = 5_000
/** Milliseconds between two sendings of a call, doubling from the first to the second. */
const RESEND = { from: 100, to: 2_000 }

export class Claimer {
  readonly partition: string
  readonly #store: Store
  readonly #caller: string
  readonly #lease: number
  readonly #trouble: (error: unknown) => void
  #number = 0
  #settlements: Settlement[] = []
  calling = false
  /** By `performance.now()`; 0 when ready. */
  restUntil = 0
  /** When the next delayed job is due, as last heard, by `performance.now()`. */
  nextDue = Number.POSITIVE_INFINITY

  constructor(
    store: Store,
    partition: string,
    caller: string,
    lease: number,
    trouble: (error: unknown) => void,
  ) {
    this.#store = store
    this.partition = partition
    this.#caller = caller
    this.#lease = lease
    this.#trouble = trouble
  }

  get hasSettlements(): boolean {
    return this.#settlements.length > 0
  }

  settle(id: string, token: string, outcome: Outcome): void {
    this.#settlements.push({ id, token, outcome })
  }

  /** Makes it ready. */
  ring(): void {
    this.restUntil = 0
  }

  /**
   * One call: everything to settle that fits, and a claim of `want` jobs.
   *
   * @returns undefined when `signal` was aborted before an answer came: the leases will end by themselves
   */
  async exchange(
    want: number,
    signal: AbortSignal,
  ): Promise<(Exchange & { settled: Settlement[] }) | undefined> {
    this.calling = true
    const settled = this.#take()
    const call = { caller: this.#caller, number: ++this.#number }
    try {
      for (let wait = RESEND.from; ; wait = Math.min(RESEND.to, wait * 2)) {
        try {
          const reply = await this.#store.exchange(this.partition, call, settled, {
            limit: want,
            lease: this.#lease,
          })
          this.#rest(want, reply)
          return { ...reply, settled }
        } catch (error) {
          if (signal.aborted) return undefined
          this.#trouble(error)
          await pause(wait, undefined, { signal }).catch(() => {})
          if (signal.aborted) return undefined
        }
      }
    } finally {
      this.calling = false
    }
  }

  /** Who asked for nothing is not rung, so it must ask as soon as it can. */
  #rest(want: number, reply: Exchange): void {
    const now = performance.now()
    this.nextDue = now + (reply.nextDue ?? Number.POSITIVE_INFINITY)
    // Spread, so that a fleet that went idle together does not look again together.
    this.restUntil =
      reply.jobs.length < want ? Math.min(this.nextDue, now + REST * (0.75 + Math.random() / 2)) : 0
  }

  #take(): Settlement[] {
    let bytes = 0
    let count = 0
    for (const { outcome } of this.#settlements) {
      bytes +=
        (outcome.kind === 'completed' ? (outcome.result?.length ?? 0) : 0) + (outcome.log?.length ?? 0) * 200
      if (count === MAX_ITEMS || (count > 0 && bytes > MAX_BYTES)) break
      count++
    }
    return this.#settlements.splice(0, count)
  }
}
