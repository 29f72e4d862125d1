/**
 * The entries of earlier runs, which a run reads again. Results are handed out in the order in which they
 * were recorded, so that a `Promise.race` over steps and waits has the same winner as in the first run. If
 * the code of this run never asks for a recorded name, the results after that name are delayed by one turn of
 * the event loop.
 */
import type { Journal, KeptSignal } from '../model/journal.ts'
import type { KeptError } from '../model/record.ts'
import type { KeptToken } from './approval.ts'
import type { Child } from './child.ts'
import { type Entry, readEntry, readJson, readTime, readTries } from './entries.ts'
import { StepError } from './step-error.ts'
import { convert, type How } from './step-options.ts'
import type { Turns } from './turns.ts'

/** How a step or a wait ended. */
export interface StepEnd {
  kind: 'result' | 'error' | 'over' | 'got'
  value: string
  /** The index of this end among all recorded ends. */
  place: number
}

/**
 * Whether a recorded end is the end of this wait. In an earlier version of the code, the name may have
 * belonged to a step, or to a wait for other signals.
 */
export function endsWait(
  { kind, value }: StepEnd,
  names: readonly string[],
  signals: readonly KeptSignal[],
): boolean {
  if (kind !== 'got') return kind === 'over'
  const signal = signals[Number(value)]
  return signal === undefined || names.includes(signal.name)
}

/** Reads the result of a step that an earlier run recorded. @throws StepError */
export function recorded(key: string, { kind, value }: StepEnd, { from }: Pick<How, 'from'>): unknown {
  if (kind === 'error') throw new StepError(key, readJson(value) as KeptError)
  return convert(value, from)
}

/** A step or wait that has begun and has not ended. */
export interface Begun {
  /** How many tries have failed. */
  failed: number
  /** The time until which the step or wait waits. Undefined if it has no such time. */
  until?: number
}

/** The failed tries to undo a step. */
export interface UndoTries {
  failed: number
  /** When the next try is due. */
  until: number
  /** The message of the error of the last try. */
  message: string
}

export class Replay {
  readonly #ended = new Map<string, StepEnd>()
  readonly #begun = new Map<string, Begun>()
  /** The place of each iteration as JSON, by the key of the iteration. */
  readonly items = new Map<string, string>()
  /** The keys of the steps to undo, in the order in which they began, with their failed tries. */
  readonly undos = new Map<string, UndoTries>()
  /** The keys of all steps and waits that have ended, by the index of their ends. */
  readonly #order: string[] = []
  /** The child jobs, by their keys. `isOver`: the handler threw the error of the child. */
  readonly children = new Map<string, Child & { isOver?: true }>()
  /** The hash of the first token of each approval, by the key of the approval. */
  readonly tokens = new Map<string, string>()
  /** The name of the job in rows of the application's database. Undefined if no row was written. */
  rowName: string | undefined
  /** How often a result of each step was undone or forgotten, by the key of the step. */
  readonly #again = new Map<string, number>()
  /** The numbers of the signals that were taken. */
  readonly taken = new Set<number>()
  /** The error of the entry that cannot be read. */
  #damage: unknown
  /** How many entries were read. */
  #read = 0
  #count = 0
  #more: ((from: number) => Promise<Journal | undefined>) | undefined
  #reading: Promise<void> | undefined
  /** The index of the next end. */
  #next = 0
  readonly #asked = new Map<number, () => void>()
  /** The ends that are new in this run, and that wait for their turn, in order. */
  #fresh: (() => void)[] = []
  #isTurning = false
  readonly #turns: Turns
  readonly #spent: (run: number, ms: number) => void

  /**
   * @param more reads the entries from an index on
   * @param spent receives the number of a run that was suspended, and the time that the attempt had used
   *   until then
   */
  constructor(
    journal: Journal | undefined,
    more: (from: number) => Promise<Journal | undefined>,
    turns: Turns,
    spent: (run: number, ms: number) => void,
  ) {
    this.#more = more
    this.#turns = turns
    this.#spent = spent
    if (journal !== undefined) this.#add(journal)
  }

  /** Whether all entries are read. */
  get isWhole(): boolean {
    return this.#read >= this.#count
  }

  /**
   * Finds the recorded end of the step or wait with this name, and reads more of the journal until it finds
   * the name. Undefined if there is no such end.
   */
  async find(key: string): Promise<StepEnd | undefined> {
    if (this.#damage !== undefined) throw this.#damage
    while (!this.isWhole && !this.#ended.has(key)) await this.#readMore()
    return this.#ended.get(key)
  }

  /**
   * The recorded end of the step or wait with this name, or undefined if there is none. The whole journal
   * must have been read.
   */
  found(key: string): StepEnd | undefined {
    if (this.#damage !== undefined) throw this.#damage
    return this.#ended.get(key)
  }

  /** Reads the whole journal. */
  async whole(): Promise<void> {
    while (!this.isWhole) await this.#readMore()
  }

  #readMore(): Promise<void> {
    this.#reading ??= this.#readOn()
    return this.#reading
  }

  begun(key: string): Begun | undefined {
    return this.#begun.get(key)
  }

  /** How often a step that had a result was undone or forgotten. */
  timesAgain(key: string): number {
    return this.#again.get(key) ?? 0
  }

  /**
   * Resolves when the code that awaits this recorded end may continue, or returns undefined if it may
   * continue at once.
   */
  turnOf({ place }: StepEnd): Promise<void> | undefined {
    if (place === this.#next) {
      this.#next += 1
      const turn = this.#turns.next()
      this.#release()
      return turn
    }
    if (place < this.#next) return this.#turns.next()
    return new Promise((resolve) => {
      this.#asked.set(place, resolve)
      this.#passOverSoon()
    })
  }

  /** Hands out a new end after all recorded ends that the code of this run asks for. */
  pass(go: () => void): void {
    if (this.#isOver) {
      this.#turns.pass(go)
      return
    }
    this.#fresh.push(go)
    this.#passOverSoon()
  }

  /**
   * Resolves when the code that awaits a new end may continue, or returns undefined if it may continue at
   * once.
   */
  next(): Promise<void> | undefined {
    return this.#isOver ? this.#turns.next() : new Promise((go) => this.pass(go))
  }

  get #isOver(): boolean {
    return this.#next >= this.#order.length
  }

  /** Stops handing out ends. */
  drop(): void {
    this.#asked.clear()
  }

  /**
   * Parses an entry. The entries after a damaged entry cannot be trusted, so after a damaged entry no step
   * may run.
   */
  #entry(text: string): Entry | undefined {
    try {
      return readEntry(text)
    } catch (error) {
      this.#damage = error
      this.#count = this.#read
      return undefined
    }
  }

  async #readOn(): Promise<void> {
    const journal = await this.#more!(this.#read).finally(() => {
      this.#reading = undefined
    })
    if (journal === undefined || journal.entries.length === 0) this.#count = this.#read
    else this.#add(journal)
  }

  #add({ entries, count }: Journal): void {
    this.#count = count
    for (const text of entries) {
      const entry = this.#entry(text)
      if (entry === undefined) return
      const { kind, key, value } = entry
      this.#read += 1
      switch (kind) {
        case 'try': {
          const { failed, until } = readTries(value)
          this.#begins(key, { failed, until })
          break
        }
        case 'wait':
          this.#begins(key, { failed: 0, ...(value !== '' && { until: readTime(value) }) })
          break
        case 'begun':
          this.undos.set(key, { failed: 0, until: 0, message: '' })
          break
        case 'again': {
          const { failed, until, rest } = readTries(value)
          this.undos.set(key, { failed, until, message: rest })
          break
        }
        case 'items':
          this.items.set(key, value)
          break
        case 'child': {
          const child = readJson(value) as Child
          // An entry for the same child with a time in `seen` only notes that the parent has checked whether
          // the child exists, so the wait continues.
          if (this.children.get(key)?.flow !== child.flow || child.seen === undefined) this.#begun.delete(key)
          this.#ended.delete(key)
          this.children.set(key, child)
          break
        }
        case 'undone':
          this.#again.set(key, this.timesAgain(key) + 1)
          this.undos.delete(key)
          this.children.delete(key)
          this.#begun.delete(key)
          this.#ended.delete(key)
          break
        case 'token':
          this.tokens.set(key, (readJson(value) as KeptToken).first)
          break
        case 'forgotten':
          // Only an undone or forgotten result counts: a failed step may not have committed anything.
          if (this.#ended.get(key)?.kind === 'result') this.#again.set(key, this.timesAgain(key) + 1)
          if (value === '') this.children.delete(key)
          else if (this.children.has(key)) this.children.get(key)!.isOver = true
          this.tokens.delete(key)
          this.items.delete(key)
          this.#begun.delete(key)
          this.#ended.delete(key)
          break
        case 'named':
          this.rowName = readJson(value) as string
          break
        case 'started':
          break
        case 'spent':
          this.#spent(...(value.split('|').map(Number) as [number, number]))
          break
        case 'now':
          for (const begun of this.#begun.values()) begun.until = Number(value)
          break
        default:
          if (kind === 'got') this.taken.add(Number(value))
          this.#ended.set(key, { kind, value, place: this.#order.length })
          this.#order.push(key)
      }
    }
  }

  /** Notes that a step or wait begins. An earlier end with the same name belonged to another step or wait. */
  #begins(key: string, begun: Begun): void {
    this.#begun.set(key, begun)
    this.#ended.delete(key)
  }

  /** Hands out the next ends, as long as the code has asked for them. */
  #release(): void {
    for (let go = this.#asked.get(this.#next); go !== undefined; go = this.#asked.get(this.#next)) {
      this.#asked.delete(this.#next)
      this.#next += 1
      this.#turns.pass(go)
    }
    if (!this.#isOver || this.#fresh.length === 0) return
    for (const go of this.#fresh.splice(0)) this.#turns.pass(go)
  }

  #passOverSoon(): void {
    if (this.#isTurning) return
    this.#isTurning = true
    this.#turns.soon(() => this.#passOver())
  }

  /**
   * Passes the turn to the first end for which the code has asked, because the code does not ask for the ends
   * before it.
   */
  #passOver(): void {
    this.#isTurning = false
    if (this.#asked.size + this.#fresh.length === 0) return
    if (this.#turns.isOver) {
      this.#next = Math.min(this.#order.length, ...this.#asked.keys())
      this.#release()
    }
    if (this.#asked.size + this.#fresh.length > 0) this.#passOverSoon()
  }
}
