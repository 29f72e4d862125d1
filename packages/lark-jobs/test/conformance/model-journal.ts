/**
 * The journal of a job in the model: its entries, its signals, the steps to undo, and how long the job was
 * suspended.
 */
import type { Journal, KeptSignal, Recorded } from '../../src/model/journal.ts'
import { restedIn, resting } from '../../src/store/contract/rules/suspended-time.ts'
import type { AppendVerdict, NewSignal } from '../../src/store/contract/store.ts'

export class ModelJournal {
  readonly entries: string[] = []
  readonly signals: KeptSignal[] = []
  /** The stored state of undoing (`store/contract/rules/undoing.ts`). */
  undo: string | null = null
  #rests: string | null = null

  /**
   * Adds those entries that the journal does not have yet.
   *
   * @returns how many entries the journal has, if entries before the new ones are missing
   */
  record({ at, entries, hasUndos }: Recorded): number | undefined {
    if (hasUndos) this.undo = ''
    if (at > this.entries.length) return entries.length > 0 ? this.entries.length : undefined
    this.entries.push(...entries.slice(this.entries.length - at))
    return undefined
  }

  append({ at, entries }: Pick<Recorded, 'at' | 'entries'>): AppendVerdict {
    if (at === this.entries.length) this.entries.push(...entries)
    return this.entries.slice(at).join('\0') === entries.join('\0') && at <= this.entries.length
      ? 'added'
      : 'changed'
  }

  /** @returns whether the signal is new */
  hear({ name, text, key }: NewSignal): boolean {
    if (key !== undefined && this.signals.some((kept) => kept.name === name && kept.key === key)) return false
    this.signals.push({ name, text, ...(key !== undefined && { key }) })
    return true
  }

  heardAfter(heard: number): KeptSignal[] {
    return this.signals.slice(heard).map(({ name, text }) => ({ name, text }))
  }

  rest(now: number): void {
    this.#rests = resting(this.#rests, now)
  }

  /** Called when the job is claimed: its suspension is over. */
  wake(now: number): void {
    if (this.#rests !== null) this.#rests = `${restedIn(this.#rests, now)}`
  }

  /** Called when a person retries the job. */
  forgetRest(): void {
    this.#rests = null
  }

  /** Returns the journal as `journals.read` returns it, with the keys of the signals. */
  readWhole(now: number): Journal | undefined {
    const journal = this.read(now)
    return journal && { ...journal, signals: [...this.signals] }
  }

  /** Returns the journal as a claim returns it; undefined if the journal is empty. */
  read(now: number): Journal | undefined {
    const { entries, signals, undo } = this
    if (entries.length + signals.length === 0 && undo === null && this.#rests === null) return undefined
    return {
      ...{ entries: [...entries], count: entries.length, bytes: Buffer.byteLength(entries.join('')) },
      signals: this.heardAfter(0),
      ...(undo !== null && { undo }),
      ...(this.#rests !== null && { rested: restedIn(this.#rests, now) }),
    }
  }
}
