/**
 * A new, empty store, with open handles on it and one virtual clock for all of them.
 *
 * A store under test provides only a `Place`. Everything else that a subject needs is here.
 */
import type { RecoverOptions, Store, StoreOptions } from '../../src/store/contract/store.ts'
import { Caller, LEASE } from './caller.ts'

/** An empty place for jobs (a file, or a key prefix on a server), on which handles can be made. */
export interface Place {
  /** A new handle on this place, not yet opened. */
  handle(options: StoreOptions): Store
  /**
   * Copies the contents of the place. @returns a function that sets the place back to the copy, while every
   * handle is closed
   */
  save?(): Promise<() => Promise<void>>
  /** The keys or tables that contain a text. */
  mentions?(text: string): Promise<string[]>
  /** Replaces a word in the limits of each group, as another version of Lark might have written them. */
  rewordLimits?(from: string, to: string): Promise<void>
  /** Removes the place. Called when every handle is closed. */
  remove(): Promise<void>
}

export type MakePlace = () => Promise<Place>

/** Makes a harness. Each subject gets this function. */
export type Make = (options?: Partial<StoreOptions>) => Promise<Harness>

/** A clock that moves only when a test moves it. */
export class Clock {
  now = Date.UTC(2026, 0, 1)

  advance(ms: number): void {
    this.now += ms
  }
}

const HOUR = 3_600_000

const defaults: StoreOptions = {
  retention: {
    completed: { count: 1_000, age: HOUR },
    failed: { count: 10_000, age: 30 * 24 * HOUR, bytes: 1_000_000_000, whole: 100, ofKind: 10 },
    cancelled: { count: 1_000, age: HOUR },
  },
}

export class Harness implements AsyncDisposable {
  readonly clock = new Clock()
  /** The first handle, or the handle that was opened after the last rollback. It is open. */
  store: Store
  readonly #place: Place
  readonly #options: StoreOptions
  readonly #handles: Store[] = []
  readonly #callers = new Map<string, Caller>()

  private constructor(place: Place, options: Partial<StoreOptions>) {
    this.#place = place
    this.#options = { ...defaults, ...options, clock: () => this.clock.now }
    this.store = this.#handle()
  }

  static async make(makePlace: MakePlace, options: Partial<StoreOptions> = {}): Promise<Harness> {
    const harness = new Harness(await makePlace(), options)
    await harness.store.open()
    return harness
  }

  /** Another handle on the same place, as another process would have. */
  async another(options: Partial<StoreOptions> = {}): Promise<Store> {
    const store = this.#handle(options)
    await store.open()
    return store
  }

  /** The caller with this name. All uses of a name in a test share one numbering of calls. */
  caller(id = 'ada', partition = 'emails', store = this.store): Caller {
    const name = `${id} ${partition}`
    let caller = this.#callers.get(name)
    if (caller === undefined) {
      caller = new Caller(store, id, partition)
      this.#callers.set(name, caller)
    }
    return caller
  }

  /**
   * Copies the contents of the place. @returns a function that sets the place back to the copy, like a server
   * that lost its last changes
   */
  async save(): Promise<() => Promise<void>> {
    const restore = await this.#place.save!()
    return async () => {
      await Promise.all(this.#handles.splice(0).map((store) => store.close()))
      await restore()
      this.store = await this.another()
      for (const caller of this.#callers.values()) caller.store = this.store
    }
  }

  /** The keys or tables of the store that contain a text. Empty for a store that cannot search. */
  async mentions(text: string): Promise<string[]> {
    return (await this.#place.mentions?.(text)) ?? []
  }

  async rewordLimits(from: string, to: string): Promise<void> {
    await this.#place.rewordLimits!(from, to)
  }

  /** Lets the leases end, and takes their jobs back. @returns the ids */
  async takeBack(options: Pick<RecoverOptions, 'forgiving' | 'fromWithin'> = {}): Promise<string[]> {
    this.clock.advance(LEASE)
    return (await this.store.recover('emails', options)).recovered
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((store) => store.close()))
    await this.#place.remove()
  }

  #handle(options: Partial<StoreOptions> = {}): Store {
    const store = this.#place.handle({ ...this.#options, ...options })
    this.#handles.push(store)
    return store
  }
}
