/**
 * News: the ends of nodes that a flow has not seen yet. Each end is news once. A worker gets a limited number
 * of ends at a time, and a flow keeps results while it has room.
 */
import { expect } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { NODES } from '../../src/model/flow.ts'
import {
  MAX_BYTES,
  MAX_ERROR,
  MAX_ITEMS,
  MAX_NEWS,
  MAX_RESULTS,
  RESULT_NOT_KEPT,
  RESULT_PURGED,
} from '../../src/store/contract/store.ts'
import { end, failed, flowingIn, kept, node, range, START } from './flow-home.ts'
import type { Make } from './harness.ts'
import { ids, job, jobError } from './jobs.ts'

export function flowNodes(make: Make): void {
  const flowing = flowingIn(make)

  flowing('the end of a node is news once, in the order of arrival, and makes the flow due', async (home) => {
    await home.make('flow', { next: START + 5_000 })
    await home.make('other')
    const ends = [
      node(3, { result: '{"n":3}', at: START + 1 }),
      node(1, { state: 'failed', reason: 'skipped', error: 'no', at: START + 2 }),
      node(2, { state: 'cancelled', reason: 'user' }),
    ]
    expect(
      await home.apply(...ends, node(1, failed), node(3, { flow: 'other' }), node(0, { flow: 'none' })),
    ).toEqual(['counted', 'counted', 'counted', 'repeated', 'counted', 'unknown'])
    expect(await home.apply(node(10_000 + 3), node(3), ends[1]!)).toEqual(['counted', 'repeated', 'repeated'])
    const news = [...ends, node(10_000 + 3)].map(kept)
    expect((await home.read()).news).toEqual(news)
    expect((await home.read('other')).news).toEqual([kept(node(3))])
    expect(await home.next()).toBe(0)
    const due = await home.due()
    expect(due.find(({ id }) => id === 'flow')!.news).toEqual(news)
    expect(ids(due).sort()).toEqual(['flow', 'other'])
  })

  flowing('news that was heard is not handed out again, and stays counted', async (home) => {
    await home.make()
    await home.apply(node(0), node(1), node(2))
    const [first] = await home.due()
    await home.apply(node(3), node(1))
    expect(
      await home.write({ id: 'flow', rev: first!.rev, state: '1', heard: first!.news.length }),
    ).toMatchObject({ isWritten: true })
    const [second] = await home.due()
    expect(second).toMatchObject({ state: '1', news: [kept(node(3))] })
    await home.write({ id: 'flow', rev: second!.rev, state: '2', heard: 1 })
    expect(await home.due()).toEqual([])
    expect(await home.next()).toBeUndefined()
    expect(await home.apply(node(0), node(1), node(2), node(3))).toEqual(Array(4).fill('repeated'))
    expect((await home.read()).news).toEqual([])
    expect(await home.due()).toEqual([])
  })

  flowing('a write that has heard nothing leaves the news, and the flow is due at once', async (home) => {
    const { id, rev } = await home.make()
    await home.apply(node(0))
    expect(await home.due()).toHaveLength(1)
    await home.write({ id, rev, state: '1', next: START + 9_000 })
    expect((await home.due())[0]).toMatchObject({ state: '1', news: [kept(node(0))] })
  })

  flowing(
    'news does not make a flow due that is handed out, until its lease is over',
    async (home, harness) => {
      const { id, rev } = await home.make('flow', { next: START })
      expect(await home.due(500)).toHaveLength(1)
      await home.apply(node(0))
      expect(await home.due(500)).toEqual([])
      expect(await home.next()).toBe(500)
      harness.clock.now += 500
      expect((await home.due(500))[0]!.news).toEqual([kept(node(0))])
      await home.apply(node(1))
      expect(await home.next()).toBe(500)
      await home.write({ id, rev, state: '1', heard: 1, next: home.now + 9_000 })
      expect(await home.next()).toBe(0)
      expect((await home.due(500))[0]!.news).toEqual([kept(node(1))])
      await home.change('flow', { heard: 1, next: home.now + 9_000 })
      expect(await home.next()).toBe(9_000)
      // The end is not handed out again.
      await home.apply(node(2))
      expect(await home.next()).toBe(0)
    },
  )

  flowing(
    'a flow is handed out with a limited number of news, and is due again for the others',
    async (home) => {
      await home.make()
      const total = 2 * MAX_NEWS + 300
      for (let from = 0; from < total; from += MAX_ITEMS)
        await home.apply(...range(from, Math.min(from + MAX_ITEMS, total)).map((n) => node(n)))
      const heard: number[] = []
      for (const count of [MAX_NEWS, MAX_NEWS, 300]) {
        const [due] = await home.due()
        expect(due!.news).toHaveLength(count)
        heard.push(...due!.news.map(({ index }) => index - NODES))
        await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: count })
      }
      expect(heard).toEqual(range(0, total))
      expect(await home.due()).toEqual([])
    },
  )

  flowing('how nodes ended is kept with their results, in the order asked', async (home) => {
    await home.make()
    const error = 'é'.repeat(MAX_ERROR + 50)
    const ends = [
      node(0, { result: '{"url":"é€😀\\u0000|;,"}', at: START + 7 }),
      node(10_001, { state: 'failed', error }),
      node(2, { state: 'cancelled', reason: 'user: so|it,is;' }),
      node(3, { result: 'null' }),
    ]
    await home.apply(...ends)
    await home.change('flow', { heard: 9 })
    const asked = [10_001, 0, 5, 3, 2].map((n) => NODES + n)
    const { flow, ...first } = ends[0]!
    expect(await home.store.ends('home', 'flow', asked)).toEqual([
      { ...kept(ends[1]!), error: error.slice(0, MAX_ERROR) },
      first,
      { ...kept(ends[3]!), result: 'null' },
      kept(ends[2]!),
    ])
    expect(await home.store.ends('home', 'flow', [])).toEqual([])
    expect(await home.store.ends('home', 'other', asked)).toEqual([])
    expect(await home.store.ends('elsewhere', 'flow', asked)).toEqual([])
  })

  flowing(
    'the results of a flow are kept while they have room together, and of others it is kept that they were not',
    async (home, harness) => {
      const { store } = home
      await home.make()
      await home.make('other')
      // The ends of jobs in the home partition, and of jobs in other partitions.
      const id = (number: number) => memberId({ flow: 'flow', home: 'home', index: NODES + number })
      const caller = harness.caller('ada', 'home')
      await caller.run(job({ id: id(0) }), { kind: 'completed', result: '"at home"' })
      const sixteenth = `"${'é'.repeat(MAX_RESULTS / 32 - 1)}"`
      for (const n of range(1, 16)) await home.apply(node(n, { result: sixteenth }))
      await home.apply(node(1, { result: sixteenth }))
      const left = MAX_RESULTS / 16 - Buffer.byteLength('"at home"')
      await home.apply(
        node(16, { result: `"${'x'.repeat(left - 1)}"` }),
        node(17, { result: `"${'x'.repeat(left - 2)}"` }),
      )
      await caller.run(job({ id: id(18) }), { kind: 'completed', result: '""' })
      await home.apply(node(19), node(20, { flow: 'other', result: '""' }))
      const resultOf = async (n: number, flow = 'flow') =>
        (await store.ends('home', flow, [NODES + n]))[0]?.result
      expect(await resultOf(0)).toBe('"at home"')
      expect(await resultOf(15)).toBe(sixteenth)
      expect(await resultOf(16)).toBe(RESULT_NOT_KEPT)
      expect(await resultOf(17)).toHaveLength(left)
      expect(await resultOf(18)).toBe(RESULT_NOT_KEPT)
      expect(await resultOf(19)).toBeUndefined()
      expect(await resultOf(20, 'other')).toBe('""')
      // The results of other nodes can use the room of a purged node.
      await store.purge('home', 'flow', [NODES + 1])
      await home.apply(node(21, { result: `"${'x'.repeat(left - 100)}"` }), node(22, { result: sixteenth }))
      expect(await resultOf(21)).toHaveLength(left - 98)
      expect(await resultOf(22)).toBe(RESULT_NOT_KEPT)
    },
  )

  flowing('of ends that are purged nothing is kept but that, how and why', async (home, harness) => {
    await home.make('flow', { crowd: { reserved: 5 } })
    const caller = harness.caller('ada', 'home')
    const id = memberId({ flow: 'flow', home: 'home', index: NODES })
    const error = jobError({ message: 'at "home" of ada' })
    await caller.run(job({ id }), { kind: 'failed', error })
    const ends = [
      node(1, { state: 'failed', reason: 'skipped', error: 'ada is away' }),
      node(2, { result: '"of ada"' }),
      node(3, { state: 'cancelled', reason: 'user' }),
      end(4, { state: 'failed', error: 'no ada' }),
    ]
    await home.apply(...ends, node(5, { result: '"of bob"' }))
    const { store } = home
    const indices = [NODES, NODES + 1, NODES + 2, NODES + 3, 4]
    for (const _ of range(1, 2)) await store.purge('home', 'flow', [...indices, 3, NODES + 9])
    const { error: _, ...first } = kept(ends[0]!)
    const { error: __, ...last } = kept(ends[3]!)
    expect((await store.ends('home', 'flow', indices)).slice(1)).toEqual([
      first,
      { ...kept(ends[1]!), result: RESULT_PURGED },
      kept(ends[2]!),
      last,
    ])
    expect((await store.ends('home', 'flow', [NODES]))[0]).toEqual({
      ...{ index: NODES, state: 'failed', at: expect.any(Number) },
    })
    expect((await store.ends('home', 'flow', [NODES + 5]))[0]!.result).toBe('"of bob"')
    expect((await home.read()).news).toHaveLength(5)
    expect(await home.apply(...ends)).toEqual(Array(4).fill('repeated'))
    // If the node completes later, its end is news again, with the result.
    expect(await home.apply(node(1, { result: '7' }))).toEqual(['counted'])
    expect((await store.ends('home', 'flow', [NODES + 1]))[0]!.result).toBe('7')
    await store.purge('home', 'none', [NODES])
    await store.purge('elsewhere', 'flow', [NODES])
  })

  flowing(
    'a node that had failed and completes is news again, and else its first end holds',
    async (home) => {
      await home.make()
      const [first, second] = [node(0, { ...failed, at: 1 }), node(0, { result: '7', at: 2 })]
      await home.apply(first, node(1, { result: '1' }))
      const [due] = await home.due()
      expect(await home.apply(second, node(0, failed), second)).toEqual(['counted', 'repeated', 'repeated'])
      expect(await home.apply(node(1, failed), node(1, { result: '2' }))).toEqual(['repeated', 'repeated'])
      expect(await home.store.ends('home', 'flow', [NODES, NODES + 1])).toEqual([
        { ...kept(second), result: '7' },
        { ...kept(node(1)), result: '1' },
      ])
      // The writer has seen only the failure of the node.
      await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: due!.news.length })
      const [next] = await home.due()
      expect(next!.news).toEqual([kept(second)])
      await home.change('flow', { heard: 1 })
      expect(await home.apply(first, second)).toEqual(['repeated', 'repeated'])
      expect(await home.due()).toEqual([])
    },
  )

  flowing(
    'results that have no room in an answer are left out, and come when asked for again',
    async (home) => {
      await home.make()
      const large = JSON.stringify('x'.repeat(MAX_BYTES * 0.4))
      const sizes = [large, large, large, `"${'y'.repeat(MAX_BYTES * 2)}"`, '1']
      for (const [n, result] of sizes.entries()) await home.apply(node(n, { result }))
      let asked = range(0, sizes.length).map((n) => NODES + n)
      const answers: number[] = []
      while (asked.length > 0) {
        const found = await home.store.ends('home', 'flow', asked)
        expect(found.length).toBeGreaterThan(0)
        for (const { index, result } of found) expect(result === sizes[index - NODES]).toBe(true)
        expect(found.map(({ index }) => index)).toEqual(asked.slice(0, found.length))
        answers.push(found.length)
        asked = asked.slice(found.length)
      }
      expect(answers).toEqual([2, 1, 1, 1])
      const due = await home.due()
      expect(due[0]!.news).toEqual(sizes.map((_, n) => kept(node(n))))
    },
  )
}
