/**
 * Whose turn it is: the order in which a worker's claimers may ask for jobs, and how many a call.
 *
 * Strict: queue by queue, as listed; a later one gets what the earlier ones leave. Fair: each queue in its turn, and at
 * most its part of the slots a call, so that none of them takes all while others have jobs. By weight: whichever has had
 * least for its weight (`weighted-shares.ts`), and its part of the slots is as large as its weight. Within a queue its partitions
 * take turns and share, so a queue does not get more by having more of them.
 *
 * A worker may serve a thousand partitions of which a few have jobs. So nothing here looks at all of them: a claimer
 * is put where it belongs when something has changed for it.
 */

import type { Slots } from '../slots.ts'
import type { Claimer } from './claimer.ts'
import { RoundRobin } from './round-robin.ts'
import type { WeightedShares } from './weighted-shares.ts'

/** Jobs that a queue gets in its turn, if the worker is so fast that others hardly notice. */
export const TURN = 16

export class FairOrder {
  readonly #strict: boolean
  readonly #slots: Pick<Slots, 'concurrency'>
  /** May have jobs, or are being asked: they share the slots. */
  readonly #busy: RoundRobin
  /** By weight: as well, and the store answers them. */
  readonly #present: RoundRobin
  /** May be asked: those that may have jobs, and those with outcomes, since a claim costs nothing on the way. */
  readonly #asking: RoundRobin
  /** May have jobs, and hold none. */
  readonly #hungry: RoundRobin
  readonly #calling = new Set<Claimer>()
  readonly #settling = new Set<Claimer>()
  /** Want a call whether or not there is a free slot: they have outcomes, or little left ahead. */
  readonly pressing = new Set<Claimer>()
  /** By weight. */
  readonly #shares: WeightedShares | undefined

  /** @param shares where the queues are not all of the same weight, and their order is not strict */
  constructor(strict: boolean, slots: Pick<Slots, 'concurrency'>, shares?: WeightedShares) {
    this.#strict = strict
    this.#slots = slots
    this.#shares = shares
    this.#busy = this.round()
    this.#present = this.round()
    this.#asking = this.round()
    this.#hungry = this.round()
  }

  /** One in the same order. */
  round(): RoundRobin {
    return new RoundRobin(this.#strict, this.#shares)
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
    const { calling, isAway, isResting, hasSettlements, ahead } = claimer
    const isFree = claimer.limits === undefined
    this.#busy.set(claimer, calling || !isResting)
    if (this.#shares !== undefined) this.#present.set(claimer, !isAway && (calling || !isResting))
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

  /** A job of its queue has started. */
  started(claimer: Claimer): void {
    this.#shares?.started(claimer, Math.max(claimer.weight, this.#present.weight))
  }

  /** Whether jobs of it may be leased ahead. */
  mayHold(claimer: Claimer): boolean {
    return claimer.limits === undefined && !this.#leads(claimer)
  }

  /** Whether its queue has had so much more than its share that the others should come first. */
  #leads(claimer: Claimer): boolean {
    if (this.#shares === undefined || this.#present.weight <= claimer.weight) return false
    return this.#shares.leads(claimer, this.#present.weight)
  }

  /** Whose jobs would start before those that others hold, and who holds none. */
  nextHungry(holding: RoundRobin): Claimer | undefined {
    const { first } = this.#hungry
    if (this.#strict && (this.#busy.first < first || holding.first <= first)) return undefined
    const claimer = this.#hungry.next()
    return claimer !== undefined && this.#leads(claimer) ? undefined : claimer
  }

  /** More take turns than there are slots. */
  get isCrowded(): boolean {
    return !this.#strict && this.#busy.size > this.#slots.concurrency
  }

  /**
   * How many jobs of one queue start in a row: where it is crowded and jobs are short, a whole turn. They end together,
   * and cost one call to settle, where jobs of other queues in between would part them.
   *
   * @param reach how many jobs the worker could start within the horizon
   */
  row(reach: number): number {
    if (this.#shares !== undefined) this.#shares.reach = reach
    return this.isCrowded && reach >= Math.max(TURN, this.#slots.concurrency) ? TURN : 1
  }

  /**
   * The most jobs of one claimer that may be held. Where it is crowded, a claimer that is fast while it has its turn has
   * the next turn only after all others, and more than that would go back.
   *
   * @param soon how many jobs the worker will start within the horizon
   */
  most(row: number, soon: number): number {
    return this.isCrowded ? Math.max(row, Math.floor(soon / this.#busy.size)) : Number.POSITIVE_INFINITY
  }

  /** The most jobs that it asks for in one call. @param row where it is crowded */
  share({ rank, weight }: Claimer, row: number): number {
    if (this.isCrowded) return row
    const all = this.#strict ? weight : Math.max(weight, this.#busy.weight)
    const partitions = Math.max(1, this.#busy.of(rank))
    return Math.ceil(Math.ceil((this.#slots.concurrency * weight) / all) / partitions)
  }
}

function put<T>(set: Set<T>, item: T, belongs: boolean): void {
  if (belongs) set.add(item)
  else set.delete(item)
}
