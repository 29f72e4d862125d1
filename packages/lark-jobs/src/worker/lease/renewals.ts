/**
 * Makes one renewal at a time for each partition or limiter. A renewal without an answer does not delay the
 * other renewals: if a node of a Redis Cluster is unreachable, or a slot moves to another node, a call may
 * wait for longer than a short lease lasts. `lease-keeper.ts` uses this class to renew leases, and
 * `permits/permit-pools.ts` to renew permits.
 */
export class Renewals {
  readonly #underway = new Map<string, Promise<boolean>>()
  /** The names of the renewals that had no answer in the last round. */
  readonly #away = new Set<string>()

  /**
   * Makes a round: begins each renewal, except those whose last call is still under way.
   *
   * @param renewals a function for each name. The promise that the function returns resolves to whether the
   * store answered, and never rejects
   * @returns two promises. `present` resolves when the renewals that were answered in the last round have
   *   ended. `all` resolves to whether the store answered all renewals
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
