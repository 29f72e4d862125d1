/**
 * What is under way, counted: so that one can wait for all of it without holding a promise of each.
 */

interface Generation {
  count: number
  /** Called when the count is 0 again; undefined while nobody waits. */
  empty?: () => void
}

export class Underway {
  #generation: Generation = { count: 0 }
  /** Resolves when all older generations are through. */
  #before: Promise<void> = Promise.resolve()

  /** @returns to be called once, when it is over */
  begin(): () => void {
    const generation = this.#generation
    generation.count++
    return () => {
      if (--generation.count === 0) generation.empty?.()
    }
  }

  /** Resolves when everything that has begun so far is over. What begins later is not waited for. */
  through(): Promise<void> {
    const generation = this.#generation
    this.#generation = { count: 0 }
    if (generation.count === 0) return this.#before
    const empty = new Promise<void>((resolve) => {
      generation.empty = resolve
    })
    this.#before = this.#before.then(() => empty)
    return this.#before
  }
}
