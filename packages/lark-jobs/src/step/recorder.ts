/**
 * The entries of a run on their way to the store. Entries that are made in one tick, or while a call is under
 * way, travel together. An entry that only a later run needs waits until another entry is sent.
 * The states of an entry:
 *
 *   late (waits for another entry) → waiting → sent → stored
 */
import { JobsError } from '../model/errors.ts'
import type { Recorded } from '../model/journal.ts'
import type { ClaimedJob } from '../model/record.ts'
import { asNonRetryable } from '../model/run/non-retryable.ts'
import { MAX_BYTES, MAX_ITEMS } from '../store/contract/store.ts'
import type { Replay } from './replay.ts'

/**
 * The maximum number of entries of a job (`MAX_ENTRIES`), and the maximum size of all its entries, in bytes
 * (`MAX_JOURNAL`).
 */
export const MAX_ENTRIES = 10_000
export const MAX_JOURNAL = 67_108_864

interface Waiting {
  /** How many entries will be stored when this entry is stored. */
  at: number
  stored: () => void
  failed: (error: unknown) => void
}

export class Recorder {
  /** How many entries are stored. */
  #at: number
  #bytes: number
  /** How many entries the store has from earlier runs. */
  readonly #from: number
  readonly #stored: string[] = []
  #late: string[] = []
  /** The number of entries up to and including the last entry that decides how a later run continues. */
  #decisive = 0
  #entries: string[] = []
  /** How many of the first waiting entries are being sent. */
  #sent = 0
  #waiting: Waiting[] = []
  #isProgress = false
  /** Whether the store counts failures or crashes of the job. Progress of the job sets them to 0. */
  #hasFaults: boolean
  /** Whether a step of this run can be undone. */
  hasUndos: true | undefined
  /**
   * Whether entries are recorded even if the journal is full. The entries of undos are recorded even then.
   */
  isUnbounded = false
  readonly #send: () => void
  readonly #replay: Pick<Replay, 'pass' | 'next'>

  /** @param send requests a call to the store. The call gets the entries from `take` */
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

  /** Whether entries are on their way to the store. */
  get isBusy(): boolean {
    return this.#entries.length > 0
  }

  /** The place of the entry that is recorded next. */
  get next(): number {
    return this.#at + this.#entries.length + this.#late.length
  }

  /**
   * Records an entry that this run does not wait for. The entry is sent together with the next entry that
   * must be sent.
   *
   * @param decides whether a later run could continue differently without this entry. Such an entry is stored
   *   before the next step begins (`decided`)
   */
  later(entry: string, decides = false, bytes = Buffer.byteLength(entry)): void {
    this.#bytes += bytes
    this.#late.push(entry)
    if (decides) this.#decisive = this.next
  }

  /**
   * Records the end of a step or a wait. Resolves when the run may continue after this end, or returns
   * undefined if the run may continue at once. A later run continues in the order of the entries, so earlier
   * ends must be recorded before.
   */
  ended(entry: string, decides: boolean): Promise<void> | undefined {
    this.later(entry, decides)
    if (this.isBusy) return this.#record(false)
    return this.#replay.next()
  }

  /**
   * Resolves when all entries that decide how a later run continues are stored, or returns undefined if they
   * are already stored. If a step began before these entries are stored, and the worker died, the next run
   * might take another way and never come to this step.
   */
  decided(): Promise<void> | undefined {
    if (this.#decisive <= this.#at) return undefined
    if (this.#decisive > this.#at + this.#entries.length) return this.#record(false)
    return this.#storedAt(this.#decisive)
  }

  /**
   * Refuses entries beyond the limits of a job, before the work of the step is done.
   *
   * @param entries the minimum number of entries that the work needs
   * @param bytes the size of these entries
   * @throws STEPS_TOO_MANY, which a retry cannot solve
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
   * @param isProgress whether the entry is progress of the job
   * @throws STEPS_TOO_MANY; rejects with LEASE_LOST if this run no longer holds the job
   */
  now(entry: string, isProgress: boolean): Promise<void> {
    const bytes = Buffer.byteLength(entry)
    this.checkRoom(1, bytes)
    this.later(entry, false, bytes)
    return this.#record(isProgress)
  }

  /**
   * Records that a signal was taken. Resolves when the entry is stored. The wait has reserved room for this
   * entry.
   *
   * @param isProgress false if the signal says that a child job has failed. If such signals counted as
   *   progress, each of them would reset the failures of this job, and the job could be retried for ever
   */
  taken(entry: string, isProgress: boolean): Promise<void> {
    this.later(entry)
    return this.#record(isProgress)
  }

  #record(isProgress: boolean): Promise<void> {
    this.#isProgress ||= isProgress
    this.#entries.push(...this.#late)
    this.#late.length = 0
    const stored = this.#storedAt(this.#at + this.#entries.length)
    this.#send()
    return stored
  }

  /** Resolves when `at` entries are stored. */
  #storedAt(at: number): Promise<void> {
    return new Promise((stored, failed) => this.#waiting.push({ at, stored, failed }))
  }

  /** Returns the entries to send now, as many as fit in one call. */
  take(): Recorded | undefined {
    if (this.#sent > 0 || this.#entries.length === 0) return undefined
    let bytes = 0
    while (this.#sent < Math.min(this.#entries.length, MAX_ITEMS) && (this.#sent === 0 || bytes < MAX_BYTES))
      bytes += this.#entries[this.#sent++]!.length
    return this.#recorded(this.#entries.slice(0, this.#sent), this.#isProgress && this.#hasFaults)
  }

  /** Handles the answer of the store, or the loss of the lease. */
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
   * Sends the entries again that the store has confirmed and then lost in a failover.
   *
   * @returns false if the store has also lost entries of an earlier run
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

  /** Handles a call without an answer: the same entries are sent again. */
  unanswered(): void {
    this.#sent = 0
  }

  /** All entries that are not stored yet, for the outcome of the run. */
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
