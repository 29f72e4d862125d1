/**
 * What a run records, on its way to the store. Entries that end in one tick, or while a call is under way,
 * travel together. What only a later run needs to know waits for the next entry that is written anyway.
 *
 *   late → waiting → sent → stored
 */
import { JobsError } from '../model/errors.ts'
import type { Recorded } from '../model/journal.ts'
import type { ClaimedJob } from '../model/record.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { MAX_BYTES, MAX_ITEMS } from '../store/contract/store.ts'
import type { Replay } from './replay.ts'

/** The most entries of a job, and their bytes. */
export const MAX_ENTRIES = 10_000
export const MAX_JOURNAL = 67_108_864

interface Waiting {
  /** How many entries are stored when it is. */
  at: number
  stored: () => void
  failed: (error: unknown) => void
}

export class Recorder {
  /** How many entries are stored. */
  #at: number
  #bytes: number
  /** How many entries earlier runs have stored, and what this run has stored since. */
  readonly #from: number
  readonly #stored: string[] = []
  #late: string[] = []
  /** How many entries are stored when those are that have decided how the run goes on. */
  #decisive = 0
  #entries: string[] = []
  /** How many of the first of these are under way. */
  #sent = 0
  #waiting: Waiting[] = []
  #isProgress = false
  /** The store has failures or crashes of the job, which do not count any more when the job gets further. */
  #hasFaults: boolean
  /** A step of this run can be undone. */
  hasUndos: true | undefined
  /** What is undone is recorded whatever there is already. */
  isUnbounded = false
  readonly #send: () => void
  readonly #replay: Pick<Replay, 'pass' | 'next'>

  /** @param send asks for a call that brings what `take` returns */
  constructor(
    { journal, failures, crashes }: Pick<ClaimedJob, 'journal' | 'failures' | 'crashes'>,
    send: () => void,
    replay: Pick<Replay, 'pass' | 'next'>,
  ) {
    this.#replay = replay
    this.#at = this.#from = journal?.count ?? 0
    this.#bytes = journal?.bytes ?? 0
    this.#hasFaults = failures + crashes > 0
    this.#send = send
  }

  /** Whether there is something on its way to the store. */
  get isBusy(): boolean {
    return this.#entries.length > 0
  }

  /** The place of the entry that is recorded next. */
  get next(): number {
    return this.#at + this.#entries.length + this.#late.length
  }

  /**
   * Records with the next entry that is written anyway.
   *
   * @param decides the run may go on otherwise if a later run does not find it: it is stored before the next
   *   step begins (`decided`)
   */
  later(entry: string, decides = false, bytes = Buffer.byteLength(entry)): void {
    this.#bytes += bytes
    this.#late.push(entry)
    if (decides) this.#decisive = this.next
  }

  /**
   * Records how a step or a wait ended, and resolves when the run may go on with that: at once, but not
   * before what was recorded earlier, because a later run goes by that order.
   */
  ended(entry: string, decides: boolean): Promise<void> | undefined {
    this.later(entry, decides)
    if (this.isBusy) return this.#record(false)
    return this.#replay.next()
  }

  /**
   * Resolves when all is stored that has decided how the run goes on; undefined if it is. A step that began
   * before could be one that the next run, which decides anew, never comes to.
   */
  decided(): Promise<void> | undefined {
    if (this.#decisive <= this.#at) return undefined
    if (this.#decisive > this.#at + this.#entries.length) return this.#record(false)
    return this.#storedAt(this.#decisive)
  }

  /**
   * Refuses what the job would record beyond its limits, before it does anything.
   *
   * @param entries how many it will be at least
   * @param bytes how many they have
   * @throws STEPS_TOO_MANY, which no retry mends
   */
  checkRoom(entries: number, bytes = 0): void {
    const count = this.next + entries
    if (this.isUnbounded || (count <= MAX_ENTRIES && this.#bytes + bytes <= MAX_JOURNAL)) return
    const [what, most] = count > MAX_ENTRIES ? ['entries', MAX_ENTRIES] : ['bytes', MAX_JOURNAL]
    const error = new JobsError('STEPS_TOO_MANY', `The steps of one job record more than ${most} ${what}`, {
      hint: 'Divide the work among several jobs, or iterate with this.eachItem(), which records by lots.',
    })
    throw asNonRetryable(error)
  }

  /**
   * Records an entry. Resolves when it is stored.
   *
   * @param isProgress the job has got further
   * @throws STEPS_TOO_MANY; rejects with LEASE_LOST if the job is not this run's any more
   */
  now(entry: string, isProgress: boolean): Promise<void> {
    const bytes = Buffer.byteLength(entry)
    this.checkRoom(1, bytes)
    this.later(entry, false, bytes)
    return this.#record(isProgress)
  }

  /**
   * Records that a signal was taken, and resolves when it is stored. Its wait has asked for room.
   *
   * @param isProgress not if it tells that a job has failed: then this one could fail for ever
   */
  taken(entry: string, isProgress: boolean): Promise<void> {
    this.later(entry)
    return this.#record(isProgress)
  }

  #record(isProgress: boolean): Promise<void> {
    this.#isProgress ||= isProgress
    this.#entries.push(...this.#late.splice(0))
    const stored = this.#storedAt(this.#at + this.#entries.length)
    this.#send()
    return stored
  }

  /** Resolves when so many entries are stored. */
  #storedAt(at: number): Promise<void> {
    return new Promise((stored, failed) => this.#waiting.push({ at, stored, failed }))
  }

  /** What is to be sent now: as much as one call takes. */
  take(): Recorded | undefined {
    if (this.#sent > 0 || this.#entries.length === 0) return undefined
    let bytes = 0
    while (this.#sent < Math.min(this.#entries.length, MAX_ITEMS) && (this.#sent === 0 || bytes < MAX_BYTES))
      bytes += this.#entries[this.#sent++]!.length
    return this.#recorded(this.#entries.slice(0, this.#sent), this.#isProgress && this.#hasFaults)
  }

  /** The store has answered, or the lease is lost. */
  answered(lost?: JobsError): void {
    if (this.#sent === 0 && lost === undefined) return
    if (lost === undefined) {
      this.#at += this.#sent
      this.#stored.push(...this.#entries.splice(0, this.#sent))
      this.#isProgress = this.#isProgress && this.#entries.length > 0
    }
    this.#sent = 0
    const waiting = this.#waiting
    this.#waiting = lost === undefined ? waiting.filter(({ at }) => at > this.#at) : []
    for (const { at, stored, failed } of waiting)
      if (lost !== undefined) failed(lost)
      else if (at <= this.#at) this.#replay.pass(stored)
    if (this.#entries.length > 0 && lost === undefined) this.#send()
  }

  /**
   * The store has fewer entries than it has confirmed: another server took over. It gets the others again.
   *
   * @returns false if it lacks some of an earlier run
   */
  resend(known: number): boolean {
    this.#sent = 0
    if (known < this.#from) return false
    this.#entries.unshift(...this.#stored.splice(known - this.#from))
    this.#at = known
    this.#isProgress = this.#hasFaults = true
    this.#send()
    return true
  }

  /** There was no answer: the same is sent again. */
  unanswered(): void {
    this.#sent = 0
  }

  /** All that is not stored yet, for the outcome of the run. */
  rest(): Recorded | undefined {
    const entries = [...this.#entries, ...this.#late]
    return entries.length === 0 && this.hasUndos === undefined
      ? undefined
      : this.#recorded(entries, this.#isProgress)
  }

  #recorded(entries: string[], isProgress: boolean): Recorded {
    const recorded: Recorded = { at: this.#at, entries }
    if (isProgress) recorded.isProgress = true
    if (this.hasUndos) recorded.hasUndos = true
    return recorded
  }
}
