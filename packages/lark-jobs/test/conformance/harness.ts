/**
 * A new, empty store with open handles, which all use one virtual clock.
 *
 * A store under test provides only a `Place`. This file has everything else that the tests need.
 */
import type { RecoverOptions, Store, StoreOptions } from '../../src/store/contract/store.ts'
import { Caller, LEASE } from './caller.ts'

/** An empty place for jobs (a file, or a key prefix on a server), on which handles can be made. */
export interface Place {
  /** Makes a new handle on this place. The handle is not open yet. */
  handle(options: StoreOptions): Store
  /**
   * Copies the contents of the place. @returns a function that sets the place back to the copy, while every
   * handle is closed
   */
  save?(): Promise<() => Promise<void>>
  /** Returns the keys or tables that contain a text. */
  mentions?(text: string): Promise<string[]>
  /**
   * Replaces a word in the stored limits of each group, to simulate that another version of Lark has written
   * them.
   */
  rewordLimits?(from: string, to: string): Promise<void>
  /** Removes the place. Called when every handle is closed. */
  remove(): Promise<void>
}

export type MakePlace = () => Promise<Place>

/** Makes a harness. The tests of each subject get this function. */
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
  /** The first handle, or after a rollback the handle that was opened then. The handle is open. */
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

  /** Opens another handle on the same place, like that of another process. */
  async another(options: Partial<StoreOptions> = {}): Promise<Store> {
    const store = this.#handle(options)
    await store.open()
    return store
  }

  /**
   * Returns the caller with this name. A test that uses the name again gets the same caller, which numbers
   * its calls further.
   */
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

  /**
   * Returns the keys or tables of the store that contain a text. The list is empty for a store that cannot
   * search.
   */
  async mentions(text: string): Promise<string[]> {
    return (await this.#place.mentions?.(text)) ?? []
  }

  async rewordLimits(from: string, to: string): Promise<void> {
    await this.#place.rewordLimits!(from, to)
  }

  /** Lets all leases end, and takes back the jobs. @returns the ids of these jobs */
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
