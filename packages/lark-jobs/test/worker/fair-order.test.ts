/**
 * The fair order of queues, checked by counting.
 */
import { describe, expect, test, vi } from 'vitest'
import { SqliteStore } from '../../src/store/sqlite/store.ts'
import { Claimer } from '../../src/worker/fetch/claimer.ts'
import { FairOrder, TURN } from '../../src/worker/fetch/fair-order.ts'
import { RoundRobin } from '../../src/worker/fetch/round-robin.ts'
import { WeightedShares } from '../../src/worker/fetch/weighted-shares.ts'
import { options } from '../sqlite/folder.ts'

/** This store is never called. */
const store = new SqliteStore(':memory:', options)

/** Makes claimers for queues with these weights, one for each partition. */
function claimers(weights: readonly number[], partitions = 1): Claimer[] {
  return weights.flatMap((weight, rank) =>
    Array.from({ length: partitions }, (_, part) => {
      const partition = part === 0 ? `queue-${rank}` : `queue-${rank}/${part}`
      return new Claimer({ store, partition, rank, weight, caller: 'ada', leaseMs: 15_000 })
    }),
  )
}

/**
 * Takes jobs in turn from all these claimers, as a worker does. @returns the rank of the queue of each job
 */
class Held {
  readonly round: RoundRobin
  readonly #shares: WeightedShares | undefined

  constructor(all: readonly Claimer[], strict = false) {
    const isWeighted = !strict && new Set(all.map(({ weight }) => weight)).size > 1
    this.#shares = isWeighted ? new WeightedShares({ concurrency: 10 }) : undefined
    this.round = new RoundRobin(strict, this.#shares)
    for (const claimer of all) this.round.set(claimer, true)
  }

  take(count: number, row = 1): Claimer[] {
    return Array.from({ length: count }, () => {
      const claimer = this.round.next(() => row)!
      this.#shares?.started(claimer, this.round.weight)
      return claimer
    })
  }

  ranks(count: number, row = 1): number[] {
    return this.take(count, row).map(({ rank }) => rank)
  }
}

/** Returns how often each rank occurs. */
function times(ranks: readonly number[]): number[] {
  const counts: number[] = []
  for (const rank of ranks) counts[rank] = (counts[rank] ?? 0) + 1
  return counts
}

describe('prefetched jobs', () => {
  test.each([
    ['no weights', [1, 1, 1]],
    ['equal ones', [5, 5, 5]],
  ])('%s: the queues take turns', (_, weights) => {
    expect(new Held(claimers(weights)).ranks(9)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2])
  })

  test('by weight: each queue gets jobs in proportion to its weight, and the lightest queue is never late', () => {
    const ranks = new Held(claimers([6, 3, 1])).ranks(1_000)
    expect(times(ranks)).toEqual([600, 300, 100])
    const low = ranks.flatMap((rank, i) => (rank === 2 ? [i] : []))
    const gaps = low.slice(1).map((at, i) => at - low[i]!)
    expect(Math.max(...gaps)).toBeLessThanOrEqual(11)
    // The jobs of the heaviest queue do not come all in a row.
    expect(ranks.join('')).not.toContain('0'.repeat(6))
  })

  test('queues with the highest weight starve no other queue', () => {
    expect(times(new Held(claimers([100, 1])).ranks(10_100))).toEqual([10_000, 100])
  })

  test('several whole turns in a row are in proportion, too', () => {
    const ranks = new Held(claimers([3, 1])).ranks(400 * TURN, TURN)
    expect(times(ranks)).toEqual([300 * TURN, 100 * TURN])
    for (let i = 0; i < ranks.length; i += TURN) expect(new Set(ranks.slice(i, i + TURN)).size).toBe(1)
  })

  test('a queue with more partitions gets no more jobs, and its partitions take turns', () => {
    const all = [...claimers([2]), ...claimers([9, 1], 3).slice(3)]
    const taken = new Held(all).take(900)
    expect(times(taken.map(({ rank }) => rank))).toEqual([600, 300])
    for (const claimer of all.slice(1)) expect(taken.filter((each) => each === claimer)).toHaveLength(100)
  })

  test('a queue that had no jobs comes first, and has saved up at most one turn of all slots', () => {
    const all = claimers([1, 1, 4])
    const held = new Held(all)
    held.take(60)
    held.round.set(all[0]!, false)
    expect(times(held.ranks(500)).slice(1)).toEqual([100, 400])
    held.round.set(all[0]!, true)
    const [own, other, heavy] = times(held.ranks(600))
    expect(own).toBeGreaterThanOrEqual(100)
    expect(own).toBeLessThanOrEqual(110)
    expect(heavy! / other!).toBeCloseTo(4, 0.5)
  })

  test('strict order: only the first queue, whatever its weight', () => {
    const all = claimers([1, 50])
    const held = new Held(all, true)
    expect(times(held.ranks(50))).toEqual([50])
    held.round.set(all[0]!, false)
    expect(held.take(1)).toEqual([all[1]])
  })
})

describe('calls without a free slot', () => {
  /**
   * Makes a claimer that prefetches `want` jobs. The claimer has run fast jobs, or a job that took as long as
   * jobs may be prefetched.
   */
  function fast(claimer: Claimer, want: number, took = 0.01): Claimer {
    const { prefetch } = claimer
    prefetch.push(1, [], false, 0, 0)
    for (let i = 0; i < want; i++) prefetch.ended(took)
    prefetch.push(2, [], false, prefetch.pace.horizon, 0)
    expect(prefetch.want).toBe(want)
    return claimer
  }

  function pressing(all: readonly Claimer[], concurrency: number): Claimer[] {
    const order = new FairOrder(false, { concurrency })
    for (const claimer of all) order.changed(claimer)
    return [...order.pressing]
  }

  test('with more queues than slots, a fast queue that lacks less than a turn is not asked', () => {
    const [few, turn, slow, settling] = claimers([1, 1, 1, 1])
    const all = [fast(few!, TURN - 1), fast(turn!, TURN), fast(slow!, 1, 10), fast(settling!, 1)]
    settling!.settle('1', 'ada.1', { kind: 'completed' }, 0)
    expect(pressing(all, 3)).toEqual([turn, slow, settling])
    expect(pressing(all, 4)).toEqual(all)
  })
})

describe('slots', () => {
  /** A fair order for `concurrency` slots, in which each of these claimers may have jobs. */
  function turnsOf(all: readonly Claimer[], concurrency: number, strict = false): FairOrder {
    const isWeighted = !strict && new Set(all.map(({ weight }) => weight)).size > 1
    const turns = new FairOrder(
      strict,
      { concurrency },
      isWeighted ? new WeightedShares({ concurrency }) : undefined,
    )
    for (const claimer of all) turns.changed(claimer)
    return turns
  }

  /** Shares out free slots as a worker does. All jobs are claimed and started before the next call. */
  function ask(turns: FairOrder, free: number): [rank: number, limit: number][] {
    const asked: [Claimer, number][] = []
    while (free > 0) {
      const claimer = turns.next()
      if (claimer === undefined) break
      const limit = Math.min(free, turns.share(claimer, turns.row(0)))
      asked.push([claimer, limit])
      free -= limit
      vi.spyOn(claimer, 'calling', 'get').mockReturnValue(true)
      turns.changed(claimer)
    }
    for (const [claimer, limit] of asked) {
      vi.spyOn(claimer, 'calling', 'get').mockReturnValue(false)
      turns.changed(claimer)
      for (let i = 0; i < limit; i++) turns.started(claimer)
    }
    return asked.map(([{ rank }, limit]) => [rank, limit])
  }

  /** Returns how many slots each queue gets, if `free` slots are free each time. */
  function given(turns: FairOrder, free: number, rounds: number): number[] {
    const slots: number[] = []
    for (let i = 0; i < rounds; i++)
      for (const [rank, limit] of ask(turns, free)) slots[rank] = (slots[rank] ?? 0) + limit
    return slots
  }

  test('are shared in equal parts, or by weight', () => {
    expect(ask(turnsOf(claimers([1, 1]), 10), 10)).toEqual([
      [0, 5],
      [1, 5],
    ])
    expect(ask(turnsOf(claimers([6, 3, 1]), 10), 10)).toEqual([
      [0, 6],
      [1, 3],
      [2, 1],
    ])
  })

  test('of queues without jobs go to the other queues', () => {
    const all = claimers([6, 3, 1])
    const turns = turnsOf(all.slice(1), 10)
    expect(ask(turns, 10)).toEqual([
      [1, 8],
      [2, 2],
    ])
    expect(ask(turnsOf(all.slice(2), 10), 10)).toEqual([[2, 10]])
  })

  test.each([1, 2, 3, 4, 7, 10])('are shared in proportion with %i free at a time', (free) => {
    const slots = given(turnsOf(claimers([6, 3, 1]), 10), free, 1_000)
    const all = slots.reduce((sum, each) => sum + each, 0)
    expect(all).toBe(free * 1_000)
    for (const [rank, part] of [0.6, 0.3, 0.1].entries()) expect(slots[rank]! / all).toBeCloseTo(part, 2)
  })

  test('with more queues than slots, each queue has a turn by its weight', () => {
    const slots = given(turnsOf(claimers([4, 2, 1, 1, 1, 1]), 3), 1, 1_000)
    for (const [rank, turns] of [400, 200, 100, 100, 100, 100].entries())
      expect(Math.abs(slots[rank]! - turns)).toBeLessThanOrEqual(1)
  })

  test('all go to the first queue in strict order', () => {
    expect(ask(turnsOf(claimers([1, 6]), 10, true), 10)).toEqual([[0, 10]])
  })
})
