/**
 * A fresh, empty place to keep jobs, with open handles on it and one virtual clock for all of them.
 *
 * An engine brings only a `Place`; everything else a subject needs is here.
 */
import type { Store, StoreOptions } from '../../src/store/contract/store.ts'
import { Caller, LEASE } from './caller.ts'

/** What an engine brings: somewhere empty (a file, a key prefix on a server) that handles can be made on. */
export interface Place {
  /** A new handle on this place, not yet opened. */
  handle(options: StoreOptions): Store
  /** Called when every handle is closed. */
  remove(): Promise<void>
}

export type MakePlace = () => Promise<Place>

/** What subjects are given. */
export type Make = (options?: Partial<StoreOptions>) => Promise<Harness>

/** A clock that moves only when told. */
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
    failed: { count: 10_000, age: 30 * 24 * HOUR },
    cancelled: { count: 1_000, age: HOUR },
  },
}

export class Harness implements AsyncDisposable {
  readonly clock = new Clock()
  /** The first handle; open. */
  readonly store: Store
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

  /** A second handle on the same place, as another process would have. */
  async another(): Promise<Store> {
    const store = this.#handle()
    await store.open()
    return store
  }

  /** The caller of that name, who goes on counting its calls wherever a test mentions it. */
  caller(id = 'ada', partition = 'emails', store = this.store): Caller {
    const name = `${id} ${partition}`
    let caller = this.#callers.get(name)
    if (caller === undefined) {
      caller = new Caller(store, id, partition)
      this.#callers.set(name, caller)
    }
    return caller
  }

  /** Lets the leases end, and takes back what they were of. @returns the ids */
  async takeBack(forgiving = false): Promise<string[]> {
    this.clock.advance(LEASE)
    return (await this.store.recover('emails', { forgiving })).recovered
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((store) => store.close()))
    await this.#place.remove()
  }

  #handle(): Store {
    const store = this.#place.handle(this.#options)
    this.#handles.push(store)
    return store
  }
}
