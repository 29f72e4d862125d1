/**
 * The order in which a worker's claimers may call for jobs, and how many jobs each call may ask for. (The
 * store decides the order of jobs within a partition: `store/sql/claim/order.ts`,
 * `store/redis/lua/claim/shared/order.lua`.)
 *
 *   strict      queue by queue, as listed; a later queue gets the slots that the earlier queues leave free
 *   fair        the queues take turns; a call asks for at most the queue's part of the slots, so that no
 *               queue takes all slots
 *   by weight   first the queue with the fewest started jobs for its weight (`weighted-shares.ts`); its part
 *               of the slots is in proportion to its weight
 *
 * The partitions of a queue take turns and share the queue's part of the slots, so a queue with more
 * partitions does not get more slots. `round-robin.ts` keeps the turns.
 *
 * A worker may serve a thousand partitions of which only a few have jobs. So no function here loops over all
 * claimers: each claimer is sorted into the sets below when something has changed for it.
 */

import type { Slots } from '../slots.ts'
import type { Claimer } from './claimer.ts'
import { RoundRobin } from './round-robin.ts'
import type { WeightedShares } from './weighted-shares.ts'

/** How many jobs a queue gets in its turn if jobs are so short that the other queues hardly wait longer. */
export const TURN = 16

export class FairOrder {
  readonly #strict: boolean
  readonly #slots: Pick<Slots, 'concurrency'>
  /** Claimers that may have jobs, or whose call is under way: they share the slots. */
  readonly #busy: RoundRobin
  /**
   * The busy claimers, except those that get no answer from the store. This round is used only if the queues
   * have weights.
   */
  readonly #present: RoundRobin
  /**
   * Claimers that may call: they may have jobs, or they have outcomes. A call with outcomes can claim jobs at
   * no extra cost.
   */
  readonly #asking: RoundRobin
  /** Claimers that may have jobs, and have prefetched none. */
  readonly #hungry: RoundRobin
  readonly #calling = new Set<Claimer>()
  readonly #settling = new Set<Claimer>()
  /** Claimers that need a call even without a free slot: they have outcomes, or few prefetched jobs left. */
  readonly #pressing = new Set<Claimer>()
  /**
   * The pressing claimers, except the fast claimers that could prefetch only less than a whole turn (the
   * comment on `pressing` says why).
   */
  readonly #urgent = new Set<Claimer>()
  /** Undefined if all queues have the same weight or their order is strict. */
  readonly #shares: WeightedShares | undefined

  /** @param shares given if the queues have different weights and their order is not strict */
  constructor(strict: boolean, slots: Pick<Slots, 'concurrency'>, shares?: WeightedShares) {
    this.#strict = strict
    this.#slots = slots
    this.#shares = shares
    this.#busy = this.round()
    this.#present = this.round()
    this.#asking = this.round()
    this.#hungry = this.round()
  }

  /** Makes another round with the same order of queues. */
  round(): RoundRobin {
    return new RoundRobin(this.#strict, this.#shares)
  }

  /** Whether some claimer may have jobs or has a call under way. */
  get isBusy(): boolean {
    return this.#busy.queues > 0
  }

  /** Whether calls are under way. */
  get isCalling(): boolean {
    return this.#calling.size > 0
  }

  /** Whether the store has not answered for some outcomes. */
  get isSettling(): boolean {
    return this.#settling.size > 0
  }

  /** Sorts a claimer into the sets again, because something has changed for it. */
  changed(claimer: Claimer): void {
    const { calling, isAway, isResting, hasSettlements, prefetch } = claimer
    const isFree = claimer.limits === undefined
    this.#busy.set(claimer, calling || !isResting)
    if (this.#shares !== undefined) this.#present.set(claimer, !isAway && (calling || !isResting))
    this.#asking.set(claimer, !calling && (!isResting || hasSettlements))
    this.#hungry.set(claimer, isFree && !calling && !isResting && prefetch.size === 0)
    const { want, perSlot = 0 } = prefetch
    const isShort = isFree && !isResting && prefetch.isLow && want > 0
    put(this.#pressing, claimer, !calling && (hasSettlements || isShort))
    // If each slot could run `TURN` jobs, `rowOf` returns a whole turn (`TURN`), however many slots there
    // are.
    const isTurn = want >= TURN || perSlot < TURN
    put(this.#urgent, claimer, !calling && (hasSettlements || (isShort && isTurn)))
    put(this.#calling, claimer, calling)
    put(this.#settling, claimer, claimer.isSettling)
  }

  /**
   * Claimers that may need a call even if no slot is free. If more partitions take turns than there are
   * slots, a claimer that would prefetch less than a whole turn makes no call. There may be thousands of such
   * claimers, so this list leaves them out. (Measured on 2026-11-26, 2 cores, shared, Redis, one job in each
   * of 5,000 queues: the worker took 3.6 s of CPU with all claimers in this list, and 2.6 s without these
   * claimers.)
   */
  get pressing(): Iterable<Claimer> {
    return this.isCrowded ? this.#urgent : this.#pressing
  }

  /**
   * Whether the claimer needs a call even if no slot is free and more partitions take turns than there are
   * slots.
   */
  isUrgent(claimer: Claimer): boolean {
    return this.#urgent.has(claimer)
  }

  /** The claimer that may call next. Undefined while each claimer rests or has a call under way. */
  next(): Claimer | undefined {
    // In strict order, a later queue waits for the answer to an earlier queue's call, because only this
    // answer tells how many slots are left.
    if (this.#strict && this.#busy.first < this.#asking.first) return undefined
    return this.#asking.next()
  }

  /** Notes that a job of the claimer's queue has started. */
  started(claimer: Claimer): void {
    this.#shares?.started(claimer, Math.max(claimer.weight, this.#present.weight))
  }

  /** Whether jobs of the claimer may be prefetched. */
  mayHold(claimer: Claimer): boolean {
    return claimer.limits === undefined && !this.#leads(claimer)
  }

  /** Whether the queue of the claimer is so far above its share that the other queues must come first. */
  #leads(claimer: Claimer): boolean {
    if (this.#shares === undefined || this.#present.weight <= claimer.weight) return false
    return this.#shares.leads(claimer, this.#present.weight)
  }

  /**
   * The next claimer without prefetched jobs. Undefined if the prefetched jobs of other claimers start first.
   *
   * @param holding the claimers that have prefetched jobs
   */
  nextHungry(holding: RoundRobin): Claimer | undefined {
    const { first } = this.#hungry
    if (this.#strict && (this.#busy.first < first || holding.first <= first)) return undefined
    const claimer = this.#hungry.next()
    return claimer !== undefined && this.#leads(claimer) ? undefined : claimer
  }

  /** Whether more partitions take turns than there are slots. */
  get isCrowded(): boolean {
    return !this.#strict && this.#busy.size > this.#slots.concurrency
  }

  /**
   * How many jobs of one queue start in a row: a whole turn if jobs are short and more partitions take turns
   * than there are slots, and otherwise one. Jobs that start in a row also end together, so one call settles
   * them.
   *
   * @param reach how many jobs the worker could start within the horizon (`prefetch.ts`)
   */
  row(reach: number): number {
    if (this.#shares !== undefined) this.#shares.reach = reach
    return this.#rowAt(reach)
  }

  /**
   * How many jobs of one claimer start in a row. The number depends on how long its own jobs run, so a fast
   * queue gets a whole turn even beside a slow queue. (Measured in `intake.test.ts` with one slot, on a
   * server, beside a queue with jobs of 3 ms: 4,960 starts a second instead of 330.)
   *
   * @param row the result of `row()`, which is used until a first job of the claimer has ended
   */
  rowOf({ prefetch: { perSlot } }: Claimer, row: number): number {
    return perSlot === undefined ? row : this.#rowAt(perSlot * this.#slots.concurrency)
  }

  #rowAt(reach: number): number {
    return this.isCrowded && reach >= Math.max(TURN, this.#slots.concurrency) ? TURN : 1
  }

  /**
   * How many jobs of one claimer may be prefetched. If more partitions take turns than there are slots, a
   * fast claimer gets its next turn only after all other claimers. Jobs that the claimer could not start in
   * this turn would have to be given back.
   *
   * @param soon how many jobs the worker will start within the horizon
   */
  most(row: number, soon: number): number {
    return this.isCrowded ? Math.max(row, Math.floor(soon / this.#busy.size)) : Number.POSITIVE_INFINITY
  }

  /**
   * How many jobs a claimer may ask for in one call. @param row the result if more partitions take turns than
   * there are slots
   */
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
