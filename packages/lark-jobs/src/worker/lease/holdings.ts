/**
 * Of which limiters a worker holds permits, written where its lease thread can read it: pages of memory that both share,
 * each with up to `NAMES` names. The thread may come to read a name that is just changing into another: it then renews
 * what nobody holds, which is no harm.
 */

/** Names of a page, and bytes for each: a longer one is known to the loop alone. */
const NAMES = 64
const BYTES = 256

/** One page, as either side sees it. */
export class HoldingsPage {
  readonly memory: SharedArrayBuffer
  /** Bytes of each name; 0 where there is none. */
  readonly #lengths: Int32Array
  readonly #text: Buffer

  constructor(memory = new SharedArrayBuffer(NAMES * (4 + BYTES))) {
    this.memory = memory
    this.#lengths = new Int32Array(memory, 0, NAMES)
    this.#text = Buffer.from(memory, NAMES * 4)
  }

  get names(): string[] {
    const names: string[] = []
    for (let index = 0; index < NAMES; index++) {
      const length = Atomics.load(this.#lengths, index)
      if (length > 0) names.push(this.#text.toString('utf8', index * BYTES, index * BYTES + length))
    }
    return names
  }

  write(index: number, name: string): void {
    Atomics.store(this.#lengths, index, this.#text.write(name, index * BYTES, BYTES, 'utf8'))
  }

  clear(index: number): void {
    Atomics.store(this.#lengths, index, 0)
  }
}

interface NameEntry {
  page: HoldingsPage
  index: number
}

export class Holdings {
  readonly #places = new Map<string, NameEntry>()
  readonly #free: NameEntry[] = []
  readonly #added: (page: HoldingsPage) => void

  /** @param added told of each new page */
  constructor(added: (page: HoldingsPage) => void) {
    this.#added = added
  }

  enter(name: string): void {
    if (this.#places.has(name) || Buffer.byteLength(name) > BYTES) return
    const place = this.#free.pop() ?? this.#onNewPage()
    place.page.write(place.index, name)
    this.#places.set(name, place)
  }

  leave(name: string): void {
    const place = this.#places.get(name)
    if (place === undefined) return
    this.#places.delete(name)
    place.page.clear(place.index)
    this.#free.push(place)
  }

  #onNewPage(): NameEntry {
    const page = new HoldingsPage()
    this.#added(page)
    for (let index = NAMES - 1; index > 0; index--) this.#free.push({ page, index })
    return { page, index: 0 }
  }
}
