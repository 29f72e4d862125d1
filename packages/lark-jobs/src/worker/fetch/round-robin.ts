/**
 * Claimers in the order of their turns. The queues take turns, and within a queue its partitions take turns.
 * The claimer that has waited longest since its last turn comes first. A claimer that leaves the round and
 * comes back keeps the time of its last turn, because a claimer that was busy settling must not lose its
 * place. With weights, the queue that has had the least work for its weight comes first
 * (`weighted-shares.ts`). `fair-order.ts` decides which claimers take part.
 */
import type { Claimer } from './claimer.ts'
import type { WeightedShares } from './weighted-shares.ts'

export class RoundRobin {
  readonly #strict: boolean
  readonly #shares: WeightedShares | undefined
  /** How many claimers are in the round. */
  size = 0
  /** The claimers of each queue, by the rank of the queue. The claimer whose turn is next comes first. */
  readonly #members = new Map<number, Claimer[]>()
  /**
   * The ranks of the queues in the round. The queue whose turn is next comes first; with weights, the list
   * has no order.
   */
  readonly #ranks: number[] = []
  /** The sum of the weights of these queues. */
  weight = 0
  #turn = 0
  /** The claimer that was chosen last, and how many more times it is chosen in this turn. */
  #last: { claimer: Claimer; left: number } | undefined
  /** When each queue (by its rank) and each claimer had its last turn. */
  readonly #had = new Map<number | Claimer, number>()

  /** @param shares given if the queues have different weights */
  constructor(strict: boolean, shares?: WeightedShares) {
    this.#strict = strict
    this.#shares = shares
  }

  /** How many queues are in the round. */
  get queues(): number {
    return this.#ranks.length
  }

  /** The rank of the queue whose turn it is. */
  get first(): number {
    return this.#ranks[0] ?? Number.POSITIVE_INFINITY
  }

  get all(): Claimer[] {
    return this.#ranks.flatMap((rank) => this.#members.get(rank)!)
  }

  /** How many partitions of a queue are in the round. */
  of(rank: number): number {
    return this.#members.get(rank)?.length ?? 0
  }

  /** Adds the claimer to the round if it belongs there, and removes the claimer otherwise. */
  set(claimer: Claimer, belongs: boolean): void {
    const { rank, weight } = claimer
    let members = this.#members.get(rank)
    if (members === undefined) {
      members = []
      this.#members.set(rank, members)
    }
    const at = members.indexOf(claimer)
    if (belongs === at >= 0) return
    this.size += belongs ? 1 : -1
    const placeOf = (each: number) => (this.#strict ? each : (this.#had.get(each) ?? 0))
    const place = placeOf(rank)
    if (belongs) {
      const had = this.#had.get(claimer) ?? 0
      const next = firstOf(members, (each) => (this.#had.get(each) ?? 0) > had)
      members.splice(next, 0, claimer)
      if (members.length > 1) return
      this.weight += weight
      const nextRank = firstOf(this.#ranks, (each) => placeOf(each) > place)
      this.#ranks.splice(nextRank, 0, rank)
    } else {
      members.splice(at, 1)
      if (this.#last?.claimer === claimer) this.#last = undefined
      if (members.length > 0) return
      this.weight -= weight
      const from = this.#shares === undefined ? firstOf(this.#ranks, (each) => placeOf(each) >= place) : 0
      this.#ranks.splice(this.#ranks.indexOf(rank, from), 1)
    }
  }

  /**
   * The claimer whose turn it is. @param rowOf returns how many times in a row a claimer is chosen; by
   * default once
   */
  next(rowOf?: (claimer: Claimer) => number): Claimer | undefined {
    if (this.#last !== undefined && this.#last.left > 0) {
      this.#last.left--
      return this.#last.claimer
    }
    if (this.#shares !== undefined) this.#bring(this.#shares)
    const rank = this.#ranks[0]
    if (rank === undefined) return undefined
    const members = this.#members.get(rank)!
    const claimer = members[0]!
    if (members.length === 1 && this.#ranks.length === 1) return claimer
    this.#turn++
    this.#had.set(claimer, this.#turn)
    this.#had.set(rank, this.#turn)
    const row = rowOf?.(claimer) ?? 1
    this.#last = row > 1 ? { claimer, left: row - 1 } : undefined
    if (members.length > 1) members.push(members.shift()!)
    if (!this.#strict && this.#ranks.length > 1) this.#ranks.push(this.#ranks.shift()!)
    return claimer
  }

  /** Moves the queue that has had the least work for its weight to the front. */
  #bring(shares: WeightedShares): void {
    const ranks = this.#ranks
    let [least, at] = [Number.POSITIVE_INFINITY, 0]
    for (let i = 0; i < ranks.length; i++) {
      const had = shares.of(ranks[i]!)
      if (had < least) [least, at] = [had, i]
    }
    if (at > 0) ranks.unshift(...ranks.splice(at, 1))
  }
}

/**
 * The index of the first item for which `isSo` is true. `isSo` must be true for all later items, too. The
 * search is binary, because a thousand queues may have jobs.
 */
function firstOf<T>(list: readonly T[], isSo: (item: T) => boolean): number {
  let [from, to] = [0, list.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (isSo(list[middle]!)) to = middle
    else from = middle + 1
  }
  return from
}
