/**
 * Makes one renewal at a time for each partition or limiter. A renewal that is not answered does not delay
 * the others. (If a node of a cluster is away, or a slot moves, a call waits for longer than a short lease
 * lasts.) `lease-keeper.ts` renews leases with it, and `permits/permit-pools.ts` permits.
 */
export class Renewals {
  readonly #underway = new Map<string, Promise<boolean>>()
  /** The names of the renewals that had no answer the last time. */
  readonly #away = new Set<string>()

  /**
   * Makes a round: begins each renewal, unless the previous one with its name is still under way.
   *
   * @param renewals by name: each resolves to whether the store answered, and never rejects
   * @returns `present`: resolves when all renewals have ended that were answered the last time. `all`:
   *   resolves to whether the store answered all renewals
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
