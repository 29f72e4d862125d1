/** Work whose start is delayed. If it is requested several times before it starts, it runs once. */
export class Coalesced {
  /** Delays the work to the end of this tick, after the promises of this tick have settled. */
  static readonly endOfTick = (run: () => void): void => queueMicrotask(() => process.nextTick(run))

  readonly #defer: (run: () => void) => void
  readonly #run: () => void
  isAsked = false

  /** @param defer calls its argument at a later time */
  constructor(defer: (run: () => void) => void, work: () => void) {
    this.#defer = defer
    this.#run = () => {
      this.isAsked = false
      work()
    }
  }

  ask(): void {
    if (this.isAsked) return
    this.isAsked = true
    this.#defer(this.#run)
  }
}
