/**
 * Fills a batch with its members, lot by lot: reserves numbers for a lot, queues it, and at last seals the batch. While one
 * lot is sent, the next is collected, so that a million members need the memory of two lots.
 *
 * Numbers are reserved before the jobs are queued, because workers may end these at once. Within a lot, members are sorted
 * by partition: so the flow can say in few words which members are where.
 *
 * Whoever fills must say so again and again. If it dies, the batch ends `failed`, with the reason `abandoned`.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { FlowBook } from '../flow/flow-book.ts'
import type { JobSender } from '../flow/job-sender.ts'
import { rejected } from '../flow/member-end.ts'
import { memberId } from '../model/effect.ts'
import { JobsError } from '../model/errors.ts'
import type { FlowJob, FlowPlace } from '../model/flow.ts'
import type { NewJob } from '../model/record.ts'
import { textOf } from '../model/thrown.ts'
import { bytesOf } from './new-job.ts'

/** Milliseconds in which whoever fills a batch must say more. */
export const FILLING = 30_000
/** Milliseconds between two words of it. */
const BEAT = 10_000
/** Members of a lot, and the bytes of their payloads. */
const LOT = { members: 5_000, bytes: 4_194_304 }
/** Milliseconds for which members wait for others of their lot. */
const SLOW = 250
/** Milliseconds for which it goes on while the store is away, and between two attempts. */
const PATIENCE = 4_750
const AGAIN = 50

export interface FillOptions {
  book: FlowBook
  sender: JobSender
  /** Milliseconds since 1970, by the store's clock. */
  now(home: string): Promise<number>
}

export class BatchFill {
  readonly #place: FlowPlace
  readonly #options: FillOptions
  #lot: FlowJob[] = []
  #bytes = 0
  /** Resolves when all lots that were taken are sent. It never rejects. */
  #sending: Promise<void> = Promise.resolve()
  #isSending = false
  /** How many numbers are reserved. */
  #reserved = 0
  #error: unknown
  /** The batch ends already: nothing more is queued. */
  #isEnding = false

  constructor(place: FlowPlace, options: FillOptions) {
    this.#place = place
    this.#options = options
  }

  /**
   * Queues members, and seals the batch.
   *
   * @throws what the members throw; FLOW_ENDED if the batch was given up; the errors of a dispatch
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

  /** Takes a member. @returns whether the lot is full */
  #isFull(member: FlowJob): boolean {
    this.#lot.push(member)
    this.#bytes += bytesOf({ ...member.job, id: '' })
    return this.#lot.length >= LOT.members || this.#bytes >= LOT.bytes
  }

  /** Sends the lot when those before are sent. @returns whether there is nothing more to do */
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
    const parts = new Map<string, FlowJob[]>()
    for (const member of lot) {
      const part = parts.get(member.partition)
      if (part === undefined) parts.set(member.partition, [member])
      else part.push(member)
    }
    let index = await this.#reserve(
      [...parts].map(([partition, { length: count }]) => ({ partition, count })),
    )
    if (index === undefined) return
    const sent = [...parts].map(([partition, members]) => {
      const jobs = members.map(
        ({ job }): NewJob => ({ ...job, id: memberId({ ...this.#place, index: index!++ }) }),
      )
      return this.#sendJobs(partition, jobs)
    })
    await Promise.all(sent)
  }

  async #sendJobs(partition: string, jobs: readonly NewJob[]): Promise<void> {
    const { sender, book, now } = this.#options
    const answers = await patiently(() => sender.send(partition, jobs))
    if (answers.every((answer) => answer === 'queued')) return
    const { home } = this.#place
    const ends = rejected(jobs, answers, await patiently(() => now(home)))
    if (ends.length > 0) await patiently(() => book.apply(home, ends))
  }

  /** @returns the first number; undefined if the batch ends already */
  async #reserve(runs: readonly { partition: string; count: number }[]): Promise<number | undefined> {
    const { book } = this.#options
    const first = this.#reserved
    const next = runs.reduce((sum, { count }) => sum + count, first)
    try {
      await patiently(async () => {
        // Nobody else reserves while it fills. So it may be that an attempt before this one went through.
        if (((await book.get(this.#place))?.crowd.reserved ?? 0) < next)
          await book.reserve(this.#place, runs, FILLING)
      })
    } catch (error) {
      if (!JobsError.is(error, 'FLOW_ENDED')) throw error
      this.#isEnding = true
      return undefined
    }
    this.#reserved = next
    return first
  }

  /** Says that it still fills. A word that does not arrive is followed by others. */
  #say(): void {
    if (!this.#isSending) this.#options.book.reserve(this.#place, [], FILLING).catch(() => {})
  }

  /** The batch ends, with what is queued, because it gets no more. */
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
      // It ends so too when it has heard nothing for a while.
      .catch(() => {})
  }
}

/** Calls a function that may be called again, until the store has answered, or for a few seconds. */
async function patiently<T>(act: () => Promise<T>): Promise<T> {
  const until = performance.now() + PATIENCE
  for (;;) {
    try {
      return await act()
    } catch (error) {
      const isAway = JobsError.is(error, 'STORE_UNREACHABLE') || JobsError.is(error, 'STORE_UNCERTAIN')
      if (!isAway || performance.now() + AGAIN > until) throw error
      await pause(AGAIN)
    }
  }
}
