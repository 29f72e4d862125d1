/**
 * Whose turn it is: the order in which a worker's claimers may ask for jobs, and how many a call.
 *
 * Strict: queue by queue, as listed; a later one gets what the earlier ones leave. Fair: each queue in its turn, and at
 * most its part of the slots a call, so that none of them takes all while others have jobs. Within a queue its
 * partitions take turns and share, so a queue does not get more by having more of them.
 *
 * A worker may serve a thousand partitions of which a few have jobs. So nothing here looks at all of them: a claimer
 * is put where it belongs when something has changed for it.
 */
import type { Claimer } from './claimer.ts'

/** Jobs that a queue gets in its turn, if the worker is so fast that others hardly notice. */
export const TURN = 16

/**
 * Claimers in the order of their turns: queues among each other, and within a queue its partitions. Whose last turn is
 * longest ago comes first, also when it was away meanwhile: who is busy settling must not lose its place.
 */
export class Round {
  readonly #strict: boolean
  /** How many it has. */
  size = 0
  /** Those of each queue, by its rank, the next first. */
  readonly #members = new Map<number, Claimer[]>()
  /** Ranks of the queues that have some, the next first. */
  readonly #ranks: number[] = []
  #turn = 0
  /** Who had the last turn, and how many more times it comes in that. */
  #last: { claimer: Claimer; left: number } | undefined
  /** When a queue, by its rank, and a claimer had its last turn. */
  readonly #had = new Map<number | Claimer, number>()

  constructor(strict: boolean) {
    this.#strict = strict
  }

  /** How many queues have some. */
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

  /** How many there are of a queue. */
  of(rank: number): number {
    return this.#members.get(rank)?.length ?? 0
  }

  /** Takes a claimer in, or lets it go. */
  set(claimer: Claimer, belongs: boolean): void {
    const { rank } = claimer
    let members = this.#members.get(rank)
    if (members === undefined) {
      members = []
      this.#members.set(rank, members)
    }
    const at = members.indexOf(claimer)
    if (belongs === at >= 0) return
    this.size += belongs ? 1 : -1
    if (belongs) {
      insert(members, claimer, (each) => this.#had.get(each) ?? 0)
      if (members.length === 1)
        insert(this.#ranks, rank, (each) => (this.#strict ? each : (this.#had.get(each) ?? 0)))
    } else {
      members.splice(at, 1)
      if (this.#last?.claimer === claimer) this.#last = undefined
      if (members.length === 0) this.#ranks.splice(this.#ranks.indexOf(rank), 1)
    }
  }

  /** Whose turn it is; after so many times in a row, it is that of another. */
  next(row = 1): Claimer | undefined {
    if (this.#last !== undefined && this.#last.left > 0) {
      this.#last.left--
      return this.#last.claimer
    }
    const rank = this.#ranks[0]
    if (rank === undefined) return undefined
    const members = this.#members.get(rank)!
    const claimer = members[0]!
    if (members.length === 1 && this.#ranks.length === 1) return claimer
    this.#turn++
    this.#had.set(claimer, this.#turn)
    this.#had.set(rank, this.#turn)
    this.#last = row > 1 ? { claimer, left: row - 1 } : undefined
    if (members.length > 1) members.push(members.shift()!)
    if (!this.#strict && this.#ranks.length > 1) this.#ranks.push(this.#ranks.shift()!)
    return claimer
  }
}

/** Into a list in order of place, behind those of the same: a thousand queues may have jobs. */
function insert<T>(list: T[], item: T, placeOf: (item: T) => number): void {
  const place = placeOf(item)
  let [from, to] = [0, list.length]
  while (from < to) {
    const middle = (from + to) >> 1
    if (placeOf(list[middle]!) <= place) from = middle + 1
    else to = middle
  }
  list.splice(from, 0, item)
}

export class Turns {
  readonly #strict: boolean
  readonly #concurrency: number
  /** May have jobs, or are being asked: they share the slots. */
  readonly #busy: Round
  /** May be asked: those that may have jobs, and those with outcomes, since a claim costs nothing on the way. */
  readonly #asking: Round
  /** May have jobs, and hold none. */
  readonly #hungry: Round
  readonly #calling = new Set<Claimer>()
  readonly #settling = new Set<Claimer>()
  /** Want a call whether or not there is a free slot: they have outcomes, or little left ahead. */
  readonly pressing = new Set<Claimer>()

  constructor(strict: boolean, concurrency: number) {
    this.#strict = strict
    this.#concurrency = concurrency
    this.#busy = new Round(strict)
    this.#asking = new Round(strict)
    this.#hungry = new Round(strict)
  }

  /** Some may have jobs, or are being asked. */
  get isBusy(): boolean {
    return this.#busy.queues > 0
  }

  /** Calls are under way. */
  get isCalling(): boolean {
    return this.#calling.size > 0
  }

  /** Outcomes are not yet answered for. */
  get isSettling(): boolean {
    return this.#settling.size > 0
  }

  /** Something is different for a claimer. */
  changed(claimer: Claimer): void {
    const { calling, isResting, hasSettlements, ahead } = claimer
    const isFree = claimer.limits === undefined
    this.#busy.set(claimer, calling || !isResting)
    this.#asking.set(claimer, !calling && (!isResting || hasSettlements))
    this.#hungry.set(claimer, isFree && !calling && !isResting && ahead.size === 0)
    const isShort = isFree && !isResting && ahead.isLow && ahead.want > 0
    put(this.pressing, claimer, !calling && (hasSettlements || isShort))
    put(this.#calling, claimer, calling)
    put(this.#settling, claimer, claimer.isSettling)
  }

  /** Who may ask next; none while all are resting or in a call. */
  next(): Claimer | undefined {
    // Strictly, a later queue waits for the answer of an earlier one: only that tells what is left for it.
    if (this.#strict && this.#busy.first < this.#asking.first) return undefined
    return this.#asking.next()
  }

  /** Whose jobs would start before those that others hold, and who holds none. */
  nextHungry(holding: Round): Claimer | undefined {
    const { first } = this.#hungry
    if (this.#strict && (this.#busy.first < first || holding.first <= first)) return undefined
    return this.#hungry.next()
  }

  /** More take turns than there are slots. */
  get isCrowded(): boolean {
    return !this.#strict && this.#busy.size > this.#concurrency
  }

  /**
   * How many jobs of one queue start in a row: where it is crowded and jobs are short, a whole turn. They end together,
   * and cost one call to settle, where jobs of other queues in between would part them.
   *
   * @param reach how many jobs the worker could start within the horizon
   */
  row(reach: number): number {
    return this.isCrowded && reach >= Math.max(TURN, this.#concurrency) ? TURN : 1
  }

  /** The most jobs that it asks for in one call. @param row where it is crowded */
  share({ rank }: Claimer, row: number): number {
    if (this.isCrowded) return row
    const queues = this.#strict ? 1 : Math.max(1, this.#busy.queues)
    const partitions = Math.max(1, this.#busy.of(rank))
    return Math.ceil(Math.ceil(this.#concurrency / queues) / partitions)
  }
}

function put<T>(set: Set<T>, item: T, belongs: boolean): void {
  if (belongs) set.add(item)
  else set.delete(item)
}
