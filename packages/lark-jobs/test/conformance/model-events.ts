/** The part of the model for events: those that the listener has not got yet. */
import type { EventKind } from '../../src/model/event.ts'

export class ModelEvents {
  #all: string[] = []
  #until: number | undefined
  /** Whether the listener has ever called. */
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
   * Whether the listener has stayed away for too long and no event has happened since then. In this case, the
   * store may have removed the events.
   */
  get hasLapsed(): boolean {
    return this.#until !== undefined && this.#until <= this.#now()
  }

  /** Returns the events that the listener gets. */
  listen(ttl: number): { events: string[]; isGap: boolean } {
    const isNew = this.#until === undefined
    const heard = { events: isNew ? [] : this.#all.splice(0), isGap: isNew && this.#hasBegun }
    this.#all = []
    this.#hasBegun = true
    if ((this.#until ?? 0) < this.#now() + ttl / 2) this.#until = this.#now() + ttl
    return heard
  }
}
