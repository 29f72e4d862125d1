/**
 * The events of the model: those that a listener has not heard yet.
 */
import type { EventKind } from '../../src/model/event.ts'

export class ModelEvents {
  #all: string[] = []
  #until: number | undefined
  /** The listener has begun once. */
  #hasBegun = false
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  tell(kind: EventKind, id: string): void {
    if (this.#until === undefined) return
    if (this.#until > this.#now()) this.#all.push(`${id} ${kind}`)
    else this.#until = undefined
  }

  /**
   * The listening has lapsed, and nothing has happened since: the store may have removed what was written.
   */
  get hasLapsed(): boolean {
    return this.#until !== undefined && this.#until <= this.#now()
  }

  /** What the listener hears. */
  listen(ttl: number): { events: string[]; isGap: boolean } {
    const isNew = this.#until === undefined
    const heard = { events: isNew ? [] : this.#all.splice(0), isGap: isNew && this.#hasBegun }
    this.#all = []
    this.#hasBegun = true
    if ((this.#until ?? 0) < this.#now() + ttl / 2) this.#until = this.#now() + ttl
    return heard
  }
}
