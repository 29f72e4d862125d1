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
import type { JobsError } from '../errors.ts'
import type { Outcome } from '../record.ts'
import { type Exchange, MAX_BYTES, MAX_ITEMS, type Settlement, type Store } from '../store/store.ts'

/** Milliseconds without a ring after which a worker looks again by itself: rings are hints. */
const REST = 5_000
/** Milliseconds between two sendings of a call, doubling from the first to the second. */
const RESEND = { from: 100, to: 2_000 }

/** What the store may answer better the next time. */
const resendable = new Set(['STORE_UNREACHABLE', 'STORE_UNCERTAIN', 'STORE_REFUSED'])

export class Claimer {
  readonly partition: string
  readonly #store: Store
  readonly #caller: string
  readonly #lease: number
  readonly #trouble: (error: unknown) => void
  #number = 0
  #settlements: Settlement[] = []
  calling = false
  #underway = 0
  /** It rang during the call that is under way, whose answer may be from before. */
  #rung = false
  /** By `performance.now()`; 0 when ready. */
  restUntil = 0

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

  /** Outcomes that wait for a call. */
  get hasSettlements(): boolean {
    return this.#settlements.length > 0
  }

  /** Outcomes that are not yet answered for. */
  get isSettling(): boolean {
    return this.#settlements.length + this.#underway > 0
  }

  settle(id: string, token: string, outcome: Outcome): void {
    this.#settlements.push({ id, token, outcome })
  }

  /** Makes it ready. */
  ring(): void {
    this.restUntil = 0
    this.#rung = true
  }

  /**
   * One call: everything to settle that fits, and a claim of up to `room` jobs.
   *
   * @returns undefined when `signal` was aborted before an answer came: the leases will end by themselves
   */
  async exchange(
    room: number,
    signal: AbortSignal,
  ): Promise<(Exchange & { settled: Settlement[] }) | undefined> {
    this.calling = true
    this.#rung = false
    const want = Math.min(room, MAX_ITEMS)
    const settled = this.#take()
    this.#underway = settled.length
    const call = { caller: this.#caller, number: ++this.#number }
    try {
      for (let wait = RESEND.from; ; wait = Math.min(RESEND.to, wait * 2)) {
        try {
          const asked = { limit: want, lease: this.#lease }
          const reply = await unlessAborted(
            signal,
            this.#store.exchange(this.partition, call, settled, asked),
          )
          if (reply === undefined) return undefined
          this.#rest(want, reply)
          return { ...reply, settled }
        } catch (error) {
          if (signal.aborted) return undefined
          this.#trouble(error)
          // Ours, and it would come again: the leases end by themselves.
          if (!resendable.has((error as JobsError).code)) return undefined
          await pause(wait, undefined, { signal }).catch(() => {})
          if (signal.aborted) return undefined
        }
      }
    } finally {
      this.calling = false
      this.#underway = 0
    }
  }

  /** Who asked for nothing is not rung, so it must ask as soon as it can. */
  #rest(want: number, reply: Exchange): void {
    const now = performance.now()
    const nextDue = now + (reply.nextDue ?? Number.POSITIVE_INFINITY)
    // Spread, so that a fleet that went idle together does not look again together.
    const hasLess = reply.jobs.length < want && !this.#rung
    this.restUntil = hasLess ? Math.min(nextDue, now + REST * (0.75 + Math.random() / 2)) : 0
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

/** The promise's value; undefined as soon as the signal is aborted. */
function unlessAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined)
    signal.addEventListener('abort', leave, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
    if (signal.aborted) leave()
  })
}
