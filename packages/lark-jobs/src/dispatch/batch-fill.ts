/**
 * Fills a batch with its members, and seals it. While one lot is sent (`member-lots.ts`), the next lot is
 * collected, so that even a million members need only the memory of two lots.
 *
 * The process that fills a batch must report again and again that it is alive. If the process dies, the batch
 * ends `failed`, with the reason `abandoned`.
 */
import { JobsError } from '../model/errors.ts'
import type { FlowJob, FlowPlace } from '../model/flow.ts'
import { textOf } from '../words/thrown.ts'
import { LOT, LOT_BYTES, MemberLots, type MemberLotsOptions } from './member-lots.ts'
import { bytesOf } from './new-job.ts'
import { patiently } from './patience.ts'

/** The time within which a process that fills a batch must send the next sign of life, in milliseconds. */
export const FILLING = 30_000
/** Milliseconds between two signs of life. */
const BEAT = 10_000
/** How long a member waits for other members of its lot, in milliseconds. */
const SLOW = 250

export class BatchFill {
  readonly #place: FlowPlace
  readonly #options: MemberLotsOptions
  readonly #lots: MemberLots
  #lot: FlowJob[] = []
  #bytes = 0
  /** Resolves when all lots so far have been sent. This promise never rejects. */
  #sending: Promise<void> = Promise.resolve()
  #isSending = false
  /** How many lots have been sent so far. */
  #count = 0
  #error: unknown
  /** Whether the batch is already ending, so that no more members are queued. */
  #isEnding = false

  constructor(place: FlowPlace, options: MemberLotsOptions) {
    this.#place = place
    this.#options = options
    this.#lots = new MemberLots(place, options)
  }

  /**
   * Queues members, and seals the batch.
   *
   * @throws the errors that iterating the members throws; FLOW_ENDED if the batch was given up; the errors of
   *   a dispatch
   */
  async fill(members: Iterable<FlowJob> | AsyncIterable<FlowJob>): Promise<void> {
    const slow = setInterval(() => this.#sendSlow(), SLOW)
    const beat = setInterval(() => this.#say(), BEAT)
    try {
      if (Symbol.iterator in members) {
        for (const member of members) if (this.#isFull(member)) if (await this.#isOver()) break
      } else {
        for await (const member of members) if (this.#isFull(member)) if (await this.#isOver()) break
      }
      this.#send()
      await this.#sending
      if (this.#error !== undefined) throw this.#error
      await patiently(() => this.#options.book.seal(this.#place))
    } catch (error) {
      await this.#abandon(error)
      throw error
    } finally {
      clearInterval(slow)
      clearInterval(beat)
    }
  }

  /** Adds a member to the lot. @returns whether the lot is full */
  #isFull(member: FlowJob): boolean {
    this.#lot.push(member)
    this.#bytes += bytesOf(member.job)
    return this.#lot.length >= LOT || this.#bytes >= LOT_BYTES
  }

  /** Sends the lot after the lots before it have been sent. @returns whether filling is over */
  async #isOver(): Promise<boolean> {
    await this.#sending
    if (this.#error !== undefined) throw this.#error
    this.#send()
    return this.#isEnding
  }

  #sendSlow(): void {
    if (this.#lot.length > 0 && !this.#isSending) this.#send()
  }

  #send(): void {
    const lot = this.#lot
    this.#lot = []
    this.#bytes = 0
    if (lot.length === 0) return
    this.#isSending = true
    this.#sending = this.#sending
      .then(() => (this.#isEnding || this.#error !== undefined ? undefined : this.#queue(lot)))
      .catch((error) => {
        this.#error = error
      })
      .then(() => {
        this.#isSending = false
      })
  }

  async #queue(lot: readonly FlowJob[]): Promise<void> {
    try {
      await this.#lots.queue(lot, { ms: FILLING, lot: ++this.#count })
    } catch (error) {
      if (!JobsError.is(error, 'FLOW_ENDED')) throw error
      this.#isEnding = true
    }
  }

  /**
   * Sends a sign of life. If a sign of life is lost, this does no harm, because the next one follows soon.
   */
  #say(): void {
    if (!this.#isSending) this.#options.book.stillFills(this.#place, FILLING).catch(() => {})
  }

  /**
   * Tells the flow that it gets no more members, so that the batch ends once the queued members have ended.
   */
  async #abandon(error: unknown): Promise<void> {
    await this.#sending
    const because = textOf(error)
    const ending = { state: 'failed', reason: 'abandoned', because } as const
    await this.#options.book
      .change(this.#place, ({ state, crowd, at }) => {
        if (state.phase !== 'filling') return undefined
        const { fillsUntil: _, ...rest } = state
        return {
          state: { ...rest, phase: 'open', filledAt: at, ending: state.ending ?? ending },
          crowd: { reserved: crowd.reserved, size: crowd.reserved },
        }
      })
      // If this call fails, the flow still ends as abandoned, because no sign of life follows.
      .catch(() => {})
  }
}
