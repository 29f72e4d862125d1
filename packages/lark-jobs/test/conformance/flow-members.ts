/**
 * Members of flows: each end counts once, the flow stores which members did not complete, and some ends make
 * the flow due.
 */
import { expect } from 'vitest'
import { MAX_FAILURES, MAX_ITEMS, type MemberEnd } from '../../src/store/contract/store.ts'
import {
  type Change,
  each,
  end,
  failed,
  flowingIn,
  kept,
  node,
  range,
  START,
  unwritten,
} from './flow-home.ts'
import type { Make } from './harness.ts'
import { ids } from './jobs.ts'

export function flowMembers(make: Make): void {
  const flowing = flowingIn(make)

  flowing('a member counts once, whatever comes how often', async (home) => {
    const size = 2_500
    await home.make('flow', { crowd: { reserved: size } })
    await home.make('other', { crowd: { reserved: 1, size: 1 } })
    expect(
      await home.apply(
        end(0),
        end(0),
        end(1, failed),
        end(1, { state: 'cancelled', reason: 'user' }),
        end(2_499, { state: 'cancelled', reason: 'user' }),
        end(0, failed),
        end(size),
        end(0, { flow: 'other' }),
        end(0, { flow: 'none' }),
      ),
    ).toEqual([
      'counted',
      'repeated',
      'counted',
      'repeated',
      'counted',
      'repeated',
      'unknown',
      'counted',
      'unknown',
    ])
    expect(await home.crowd()).toEqual({ reserved: size, completed: 1, failed: 2, cancelled: 1 })
    expect(await home.crowd('other')).toEqual({ reserved: 1, size: 1, completed: 1, failed: 0 })
    const others = range(0, size).filter((index) => index !== 1_777)
    for (let from = 0; from < others.length; from += MAX_ITEMS)
      await home.apply(...each(others.slice(from, from + MAX_ITEMS)))
    expect(await home.crowd()).toEqual({ reserved: size, completed: size - 1, failed: 0 })
    expect(await home.store.missing('home', 'flow', -1, 9)).toEqual([1_777])
    expect(await home.store.apply('elsewhere', [end(0)])).toEqual({ verdicts: ['unknown'] })
  })

  flowing(
    'a member that had failed and completes counts as completed, and makes the flow due',
    async (home) => {
      await home.make('flow', { crowd: { reserved: 3, size: 3 } })
      await home.apply(end(0, failed), end(1, failed))
      expect(await home.due()).toEqual([])
      expect(await home.store.ends('home', 'flow', [0, 1, 2])).toEqual([
        kept(end(0, failed)),
        kept(end(1, failed)),
      ])
      expect(await home.apply(end(0), end(0))).toEqual(['counted', 'repeated'])
      expect(await home.crowd()).toMatchObject({ completed: 1, failed: 1 })
      expect(await home.store.failed('home', 'flow', -1, 9)).toEqual([1])
      expect(await home.store.ends('home', 'flow', [0, 1, 2])).toEqual([kept(end(1, failed))])
      expect(ids(await home.due())).toEqual(['flow'])
      await home.change()
      // If a member has completed, a later failure does not count.
      expect(await home.apply(end(0, failed))).toEqual(['repeated'])
      expect(await home.crowd()).toMatchObject({ completed: 1, failed: 1 })
      expect(await home.due()).toEqual([])
    },
  )

  flowing(
    'members that were cancelled are counted apart, until they complete or are missing again',
    async (home) => {
      const size = 2_500
      const cancelled = { state: 'cancelled', reason: 'user' } as const
      await home.make('flow', { crowd: { reserved: size } })
      await home.apply(...each(range(1_000, 1_500), cancelled), end(0, failed), end(2_400, cancelled))
      expect(await home.crowd()).toEqual({ reserved: size, completed: 0, failed: 502, cancelled: 501 })
      // Each member counts once, with its first end.
      await home.apply(end(1_000, failed), end(0, cancelled), end(1_001, cancelled))
      expect(await home.crowd()).toMatchObject({ failed: 502, cancelled: 501 })
      await home.apply(end(1_002), end(0))
      expect(await home.crowd()).toMatchObject({ completed: 2, failed: 500, cancelled: 500 })
      expect(await home.store.reopen('home', 'flow', [0, 1_002, 1_003, 1_004, 2_400, 2_499])).toBe(3)
      expect(await home.crowd()).toMatchObject({ completed: 2, failed: 497, cancelled: 497 })
      await home.apply(end(1_003, failed), end(1_004, cancelled), end(2_400))
      await home.change('flow')
      expect(await home.crowd()).toEqual({ reserved: size, completed: 3, failed: 499, cancelled: 498 })
      await home.apply(...each(range(1_000, 1_500)))
      expect(await home.crowd()).toEqual({ reserved: size, completed: 503 - 1, failed: 0 })
    },
  )

  flowing('members are no news, and their results are not kept', async (home) => {
    await home.make('flow', { crowd: { reserved: 3, size: 2 } })
    await home.apply(end(0, { result: '7' }), end(1, { ...failed, result: '8' }))
    const [due] = await home.due()
    expect(due!.news).toEqual([])
    expect(await home.store.ends('home', 'flow', [0, 1])).toEqual([kept(end(1, failed))])
  })

  flowing('an index that is not reserved is unknown, until it is', async (home) => {
    await home.make()
    expect(await home.apply(end(0))).toEqual(['unknown'])
    await home.change('flow', { crowd: { reserved: 1_500 } })
    expect(await home.apply(end(0), end(1_499), end(1_500))).toEqual(['counted', 'counted', 'unknown'])
    await home.change('flow', { crowd: { reserved: 1_501 } })
    expect(await home.apply(end(1_500))).toEqual(['counted'])
    await home.change('flow')
    expect(await home.crowd()).toEqual({ reserved: 1_501, completed: 3, failed: 0 })
  })

  flowing('what a write does not say of the crowd stays', async (home) => {
    await home.make('flow', { crowd: { reserved: 9, alarm: 2 } })
    await home.apply(end(0), end(1, failed))
    await home.change('flow', { crowd: { size: 9, alarm: undefined } })
    expect(await home.crowd()).toEqual({ reserved: 9, size: 9, completed: 1, failed: 1 })
    await home.change('flow', { crowd: { size: 8 } })
    expect(await home.crowd()).toEqual({ reserved: 9, size: 8, completed: 1, failed: 1 })
    expect(await home.due()).toEqual([])
    await home.apply(end(2, failed))
    expect(await home.due()).toHaveLength(1)
  })

  flowing('a flow is due when as many members have ended as there are, and not before', async (home) => {
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 5, size: 5 } })
    await home.apply(...each([0, 1]), end(2, failed))
    await home.apply(end(3))
    expect(await home.next()).toBe(9_000)
    expect(await home.store.apply('home', [end(4, failed)])).toEqual({ verdicts: ['counted'], nextTick: 0 })
    const [due] = await home.due()
    expect(due!.crowd).toEqual({ reserved: 5, size: 5, completed: 3, failed: 2 })
    await home.change('flow', { next: START + 7_000 })
    expect(await home.apply(...each(range(0, 4)))).toEqual(['repeated', 'repeated', 'counted', 'repeated'])
    expect(await home.due()).toHaveLength(1)
    await home.change('flow', { next: START + 7_000 })
    await home.apply(...each(range(0, 4)))
    expect(await home.next()).toBe(7_000)
  })

  flowing('a flow is due when as many members have failed as its alarm says, once', async (home) => {
    await home.make('flow', { crowd: { reserved: 9, alarm: 3 } })
    await home.apply(...each([0, 1], failed), ...each([2, 3]))
    expect(await home.due()).toEqual([])
    await home.apply(...each([4, 5], { state: 'cancelled', reason: 'user' }))
    expect(await home.due()).toHaveLength(1)
    await home.change('flow')
    await home.apply(end(6, failed))
    expect(await home.due()).toEqual([])
    expect(await home.crowd()).toEqual({ reserved: 9, completed: 2, failed: 5, cancelled: 2 })
  })

  flowing(
    'what members reach while their flow is handed out makes it due after the write',
    async (home, harness) => {
      await home.make('flow', { next: START, crowd: { reserved: 4, size: 4, alarm: 1 } })
      const step = async (...ends: MemberEnd[]) => {
        const [due] = await home.due(500)
        await home.apply(...ends)
        expect(await home.next()).toBe(500)
        expect(await home.due()).toEqual([])
        const heard = (await home.read()).news.length
        await home.write({ id: 'flow', rev: due!.rev, state: '1', heard, next: home.now + 9_000 })
        expect((await home.read()).news).toEqual([])
      }
      await step(end(0))
      expect(await home.next()).toBe(9_000)
      await home.change('flow', { next: START })
      for (const reached of [end(1, failed), end(1), end(2)]) {
        await step(reached, node(reached.index), ...(reached.index === 2 ? [end(3)] : []))
        expect(await home.next()).toBe(0)
      }
      await step()
      expect(await home.next()).toBe(9_000)
      // If no worker writes the flow, the flow is due again when the lease is over.
      await home.change('flow', { next: START })
      await home.due(500)
      expect(await home.store.reopen('home', 'flow', [1])).toBe(0)
      harness.clock.now += 500
      expect(await home.due()).toHaveLength(1)
    },
  )

  flowing('what members reached before a write that knows nothing of it makes the flow due', async (home) => {
    const { id, rev } = await home.make('flow', { crowd: { reserved: 2, size: 2 } })
    await home.apply(...each([0, 1]))
    // The writer has read the flow before, and did not get the flow from `due`.
    await home.write({ id, rev, state: '1', next: START + 9_000 })
    expect(await home.next()).toBe(0)
    expect(await home.due()).toHaveLength(1)
    await home.change('flow', { next: START + 9_000 })
    expect(await home.next()).toBe(9_000)
  })

  flowing(
    'who has read a flow before its members reached something does not write after the hand-out',
    async (home) => {
      const { id, rev } = await home.make('flow', { crowd: { reserved: 2, size: 2 } })
      await home.apply(...each([0, 1]))
      const [due] = await home.due()
      expect(due!.rev).toBeGreaterThan(rev)
      expect(await home.write({ id, rev, state: 'stale', next: START + 9_000 })).toEqual(unwritten)
      expect(await home.write({ id, rev: due!.rev, state: '1' })).toMatchObject({ isWritten: true })
    },
  )

  flowing('a write makes the flow due if as many have ended or failed as it says', async (home) => {
    await home.make('flow', { crowd: { reserved: 9 } })
    await home.apply(...each([0, 1]), ...each([2, 3], failed))
    const later = START + 9_000
    const isDue = async (crowd: Change['crowd'] = {}) => {
      await home.change('flow', { next: later, crowd })
      return (await home.due()).length > 0
    }
    expect(await isDue({ size: 5 })).toBe(false)
    expect(await isDue({ size: 4 })).toBe(true)
    expect(await isDue({ size: 4 })).toBe(false)
    expect(await isDue()).toBe(false)
    expect(await isDue({ alarm: 3 })).toBe(false)
    expect(await isDue({ alarm: 2 })).toBe(true)
    expect(await isDue({ alarm: 2 })).toBe(false)
  })

  flowing('a flow with no member is due when it is written with a size of 0', async (home) => {
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 0, size: 0 } })
    expect(await home.due()).toHaveLength(1)
    expect(await home.crowd()).toEqual({ reserved: 0, size: 0, completed: 0, failed: 0 })
  })

  flowing('the members that are missing and those that failed, by page', async (home) => {
    const { store } = home
    const size = 2_100
    await home.make('flow', { crowd: { reserved: size } })
    expect(await store.missing('home', 'flow', -1, 3)).toEqual([0, 1, 2])
    expect(await store.failed('home', 'flow', -1, 3)).toEqual([])
    const all = range(0, size)
    const [bad, good] = [all.filter((n) => n % 7 === 3), all.filter((n) => n % 7 < 2)]
    const missing = all.filter((n) => n % 7 !== 3 && n % 7 >= 2)
    await home.apply(...each(bad, failed))
    await home.apply(...each(good))
    expect(await home.crowd()).toMatchObject({ completed: good.length, failed: bad.length })
    const pages = async (
      page: (after: number) => Promise<number[]>,
      found: number[] = [],
    ): Promise<number[]> => {
      for (;;) {
        const next = await page(found.at(-1) ?? -1)
        if (next.length === 0) return found
        found.push(...next)
      }
    }
    expect(await pages((after) => store.missing('home', 'flow', after, 250))).toEqual(missing)
    expect(await pages((after) => store.missing('home', 'flow', after, 5_000))).toEqual(missing)
    expect(await store.missing('home', 'flow', -1, 5_000)).toHaveLength(MAX_ITEMS)
    expect(await pages((after) => store.failed('home', 'flow', after, 33))).toEqual(bad)
    expect(await store.failed('home', 'flow', bad.at(-2)!, 33)).toEqual([bad.at(-1)])
    expect(await store.missing('home', 'flow', size, 9)).toEqual([])
    for (const where of ['home', 'elsewhere']) {
      expect(await store.missing(where, 'other', -1, 9)).toEqual([])
      expect(await store.failed(where, 'other', -1, 9)).toEqual([])
    }
  })

  flowing('members that failed are missing again, and others stay', async (home) => {
    const { store } = home
    await home.make('flow', { next: START + 9_000, crowd: { reserved: 2_000, size: 4, alarm: 2 } })
    await home.apply(end(0), end(1, failed), end(1_999, failed))
    await home.due()
    await home.change('flow', { next: START + 9_000 })
    expect(await store.reopen('home', 'flow', [0, 1, 1, 5, 1_999, 2_000])).toBe(2)
    expect(await store.reopen('home', 'flow', [1, 1_999])).toBe(0)
    expect(await home.crowd()).toEqual({ reserved: 2_000, size: 4, completed: 1, failed: 0 })
    expect(await store.failed('home', 'flow', -1, 9)).toEqual([])
    expect(await store.missing('home', 'flow', -1, 3)).toEqual([1, 2, 3])
    expect(await store.ends('home', 'flow', [1, 1_999])).toEqual([])
    expect(await home.next()).toBe(9_000)
    // The new ends of the members count, whether they complete or fail, and make the flow due again.
    expect(await home.apply(end(1, { ...failed, error: 'again' }))).toEqual(['counted'])
    expect(await store.ends('home', 'flow', [1])).toEqual([kept(end(1, { ...failed, error: 'again' }))])
    expect(await home.next()).toBe(9_000)
    await home.apply(end(1_999, failed))
    expect(await home.next()).toBe(0)
    expect(await store.reopen('home', 'other', [1])).toBe(0)
    expect(await store.reopen('elsewhere', 'flow', [1])).toBe(0)
  })

  flowing('a late end of an earlier start does not count, whatever comes how often', async (home) => {
    const { store } = home
    const from = (start: number) => ({ ...failed, start })
    await home.make('flow', { crowd: { reserved: 9, size: 3, alarm: 2 } })
    expect(await home.apply(...each([0, 1, 2], from(START)))).toEqual(Array(3).fill('counted'))
    await home.due()
    await home.change()
    expect(await store.reopen('home', 'flow', [0, 1, 2], [START + 50, START + 70, START + 70])).toBe(3)
    const late = each([0, 1, 2], { state: 'cancelled', reason: 'user', start: START + 49 })
    expect(await home.apply(...late, end(0, from(START + 49)))).toEqual(Array(4).fill('former'))
    expect(await home.crowd()).toEqual({ reserved: 9, size: 3, completed: 0, failed: 0 })
    expect(await store.missing('home', 'flow', -1, 3)).toEqual([0, 1, 2])
    expect(await store.ends('home', 'flow', [0, 1, 2])).toEqual([])
    await store.purge('home', 'flow', [0, 1, 2])
    expect(await store.ends('home', 'flow', [0, 1, 2])).toEqual([])
    expect(await home.due()).toEqual([])
    // The end of a run counts if it belongs to the last start of the member or to a later start. The end of a
    // completed member counts for any start.
    const last = [end(0, from(START + 50)), end(1, from(START + 99)), end(2, { start: START })]
    expect(await home.apply(...last)).toEqual(Array(3).fill('counted'))
    expect(await home.due()).toHaveLength(1)
    expect(await home.apply(...late)).toEqual(Array(3).fill('repeated'))
    expect(await home.crowd()).toEqual({ reserved: 9, size: 3, completed: 1, failed: 2 })
    expect(await store.ends('home', 'flow', [0, 1, 2])).toMatchObject([{ index: 0 }, { index: 1 }])
    // Each restart is recorded.
    expect(await store.reopen('home', 'flow', [0, 1], [START + 200, START + 40])).toBe(2)
    expect(await home.apply(...last.slice(0, 2))).toEqual(['former', 'counted'])
    // An end without a start time (from a check, or from the home partition itself) counts as an end of the
    // present start.
    expect(await home.apply(end(0, failed))).toEqual(['counted'])
    expect(await store.ends('home', 'flow', [0, 1])).toMatchObject([{ index: 0 }, { index: 1 }])
  })

  flowing(
    `of the first ${MAX_FAILURES} members that did not complete it is kept how they ended`,
    async (home) => {
      const total = MAX_FAILURES + 300
      await home.make('flow', { crowd: { reserved: total } })
      for (let from = 0; from < total; from += 650)
        await home.apply(...each(range(from, from + 650), { ...failed, reason: 'x' }))
      expect(await home.crowd()).toMatchObject({ failed: total })
      const ends = (from: number) => home.store.ends('home', 'flow', range(from, from + MAX_ITEMS))
      const found = await ends(0)
      expect(found.map(({ index }) => index)).toEqual(range(0, MAX_FAILURES))
      expect(found[0]).toEqual(kept(end(0, { ...failed, reason: 'x' })))
      expect((await ends(MAX_FAILURES)).length).toBe(0)
    },
  )
}
