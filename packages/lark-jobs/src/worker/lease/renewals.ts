/**
 * Renewals that are made again and again, of partitions or of limiters: one call at a time for each. One that
 * does not answer holds up no other. (The node of a cluster is away, or its slot is moving: a call then waits
 * for longer than a short lease lasts.)
 */
export class Renewals {
  readonly #underway = new Map<string, Promise<boolean>>()
  /** Those that did not answer the last time. */
  readonly #away = new Set<string>()

  /**
   * Makes a round: begins each renewal, unless the last one of its name is still under way.
   *
   * @param renewals by name: each resolves to whether the store answered, and never rejects
   * @returns `present`: resolves when all those have ended that answered the last time. `all`: resolves to
   *   whether the
   * store answered all
   */
  begin(renewals: Iterable<readonly [name: string, renew: () => Promise<boolean>]>): {
    present: Promise<unknown>
    all: Promise<boolean>
  } {
    const [present, all]: Promise<boolean>[][] = [[], []]
    for (const [name, renew] of renewals) {
      const call = this.#underway.get(name) ?? this.#call(name, renew)
      all!.push(call)
      if (!this.#away.has(name)) present!.push(call)
    }
    return {
      present: Promise.all(present!),
      all: Promise.all(all!).then((answers) => !answers.includes(false)),
    }
  }

  #call(name: string, renew: () => Promise<boolean>): Promise<boolean> {
    const call = renew().then((isAnswered) => {
      this.#underway.delete(name)
      if (isAnswered) this.#away.delete(name)
      else this.#away.add(name)
      return isAnswered
    })
    this.#underway.set(name, call)
    return call
  }
}
