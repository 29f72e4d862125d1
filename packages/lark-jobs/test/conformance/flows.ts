/**
 * Flows: if several workers write a flow at the same time, only one succeeds. Jobs are queued in the same
 * atomic step, and a due flow is handed out once. (`flow-nodes.ts`, `flow-ends-at-home.ts` and
 * `flow-members.ts` test that each end counts once, and `rollbacks.ts` tests servers that lose acknowledged
 * writes.)
 */
import { expect, test } from 'vitest'
import { MAX_FLOW_ID, NODES } from '../../src/model/flow.ts'
import {
  MAX_BYTES,
  MAX_DUE,
  MAX_ITEMS,
  type MemberEnd,
  type StoredFlow,
} from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import {
  end,
  failed,
  flowingIn,
  gone,
  Home,
  kept,
  MOMENT,
  node,
  PATIENCE,
  range,
  START,
  unwritten,
} from './flow-home.ts'
import type { Make } from './harness.ts'
import { ids, job } from './jobs.ts'
import { Book, wrote } from './schedules.ts'

export function flows(make: Make): void {
  const flowing = flowingIn(make)

  // writing

  flowing('a flow is kept as it was written, with a number', async (home) => {
    const { store } = home
    expect(await store.get('home', 'flow')).toEqual({ at: START })
    const made = await home.make()
    expect(made).toEqual({
      id: 'flow',
      rev: expect.any(Number),
      definition: 'definition of flow',
      state: '{}',
      news: [],
      crowd: { reserved: 0, completed: 0, failed: 0 },
    })
    expect(made.rev).toBeGreaterThan(0)
    expect(await store.get('home', 'flow')).toEqual({ at: START, found: made })
    expect(await store.state('home', 'flow')).toBe(made.state)
    for (const [home, id] of [
      ['home', 'other'],
      ['elsewhere', 'flow'],
    ] as const)
      expect(await store.state(home, id)).toBeUndefined()
    expect(await store.get('elsewhere', 'flow')).toEqual({ at: START })
  })

  flowing('without a definition it stays, and with one both change; the number rises', async (home) => {
    const { id, rev } = await home.make()
    const answer = await home.write({ id, rev, state: '1' })
    const second = await home.read()
    expect(second).toMatchObject({ rev: answer.rev, definition: 'definition of flow', state: '1' })
    expect(second.rev).toBeGreaterThan(rev)
    await home.write({ id, rev: second.rev, definition: 'other', state: '2' })
    const third = await home.read()
    expect(third).toMatchObject({ definition: 'other', state: '2' })
    expect(third.rev).toBeGreaterThan(second.rev)
  })

  flowing('one that is there is not made again, and one that is not there is not changed', async (home) => {
    expect(await home.write({ id: 'flow', rev: 7, state: '1', jobs: [job()] })).toEqual(unwritten)
    expect(await home.find()).toBeUndefined()
    const made = await home.make()
    const again = { id: 'flow', rev: 0, definition: 'other', state: '2', next: START, jobs: [job()] }
    expect(await home.write(again)).toEqual(unwritten)
    expect(await home.read()).toEqual(made)
    expect(await home.due()).toEqual([])
    expect(await home.harness.store.counts('home')).toMatchObject({ waiting: 0 })
  })

  flowing('of two writers that have read the same, one writes, and its jobs are queued', async (home) => {
    const { id, rev } = await home.make()
    const texts = ['"ada"', '"bob"']
    const write = (state: string) =>
      home.write({ id, rev, state, next: home.now + 5, jobs: [job({ payload: state })] })
    const answers = await Promise.all(texts.map(write))
    const first = answers.findIndex(({ isWritten }) => isWritten)
    expect(answers[first]).toEqual(wrote('queued'))
    expect(answers[1 - first]).toEqual(unwritten)
    expect(await home.read()).toMatchObject({ state: texts[first] })
    const { jobs } = await home.harness.store.list('home', { state: 'waiting' })
    expect(jobs.map(({ payload }) => payload)).toEqual([texts[first]])
  })

  flowing('a write that is sent again changes nothing', async (home) => {
    const { id, rev } = await home.make()
    await home.apply(node(0), node(1))
    const write = { id, rev, state: '1', heard: 1, jobs: [job()], crowd: { reserved: 5 } }
    expect(await home.write(write)).toEqual(wrote('queued'))
    const after = await home.read()
    expect(after).toMatchObject({ state: '1', news: [kept(node(1))], crowd: { reserved: 5 } })
    expect(await home.write(write)).toEqual(unwritten)
    expect(await home.read()).toEqual(after)
  })

  flowing('an apply does not change the number, nor the texts', async (home) => {
    const made = await home.make('flow', { crowd: { reserved: 5 } })
    await home.apply(node(0), end(0))
    const { rev, definition, state } = await home.read()
    expect({ rev, definition, state }).toEqual({
      rev: made.rev,
      definition: made.definition,
      state: made.state,
    })
  })

  flowing('a removed flow is gone, with all that is kept of it', async (home, harness) => {
    const { store } = home
    const { rev } = await home.make('flow', { next: START + 100, crowd: { reserved: 3_000, alarm: 1 } })
    await home.apply(node(0, { result: '7' }), end(0), end(2_500), end(1, failed))
    expect(await home.write({ id: 'flow', rev: rev + 1, remove: true })).toEqual(unwritten)
    expect(await home.next()).toBe(0)
    expect(await home.write({ id: 'flow', rev, remove: true })).toEqual(gone)
    async function expectNothing(): Promise<void> {
      expect(await home.find()).toBeUndefined()
      expect(await home.next()).toBeUndefined()
      expect(await home.apply(node(0), end(0))).toEqual(['unknown', 'unknown'])
      expect(await store.ends('home', 'flow', [1, NODES])).toEqual([])
      expect(await store.missing('home', 'flow', -1, 9)).toEqual([])
      expect(await store.failed('home', 'flow', -1, 9)).toEqual([])
      expect(await store.reopen('home', 'flow', [1])).toBe(0)
      expect(await store.list('home', 9)).toEqual([])
    }
    await expectNothing()
    harness.clock.now += 100
    expect(await home.due()).toEqual([])
    expect(await home.write({ id: 'flow', rev, remove: true })).toEqual(unwritten)
    expect(await home.write({ id: 'flow', rev: 0, remove: true })).toEqual(gone)
    const again = await home.make('flow', { crowd: { reserved: 3 } })
    expect(again).toMatchObject({ news: [], crowd: { reserved: 3, completed: 0, failed: 0 } })
    expect(await home.write({ id: 'flow', rev: 0, remove: true })).toEqual(unwritten)
    expect(await store.missing('home', 'flow', -1, 9)).toEqual([0, 1, 2])
    expect(await store.ends('home', 'flow', [1, NODES])).toEqual([])
    expect(await home.apply(node(0), end(0), end(1, failed))).toEqual(['counted', 'counted', 'counted'])
  })

  flowing('who has read a flow that was removed does not write the next one', async (home, harness) => {
    const { id, rev } = await home.make()
    harness.clock.now += 1
    await home.write({ id, rev, remove: true })
    const next = await home.make()
    expect(await home.write({ id, rev, state: 'stale', jobs: [job()] })).toEqual(unwritten)
    expect(await home.read()).toEqual(next)
  })

  flowing('a partition with a flow and no job is a partition', async (home, harness) => {
    await home.write({ id: 'flow', rev: 7, state: '{}' })
    await home.apply(end(0))
    expect(await harness.store.partitions()).toEqual([])
    await home.make()
    expect(await harness.store.partitions()).toEqual(['home'])
  })

  flowing('jobs are queued with the write, like others', async (home, harness) => {
    const { store } = harness
    const large = JSON.stringify('x'.repeat(50_000))
    const lock = { name: 'one', until: 'done' } as const
    const list = [job({ payload: large, priority: 3, options: { tries: 2 } }), job({ delay: 500, lock })]
    expect(await home.write({ id: 'flow', rev: 0, definition: 'd', state: '{}', jobs: list })).toEqual(
      wrote('queued', 'queued'),
    )
    expect(await store.counts('home')).toMatchObject({ waiting: 1, delayed: 1 })
    expect(await store.get('home', list[0]!.id)).toMatchObject({
      payload: large,
      priority: 3,
      options: { tries: 2 },
      queuedAt: START,
    })
    const { rev } = await home.read()
    const other = job({ lock })
    expect(await home.write({ id: 'flow', rev, state: '1', jobs: [other, job()] })).toEqual(
      wrote({ kind: 'rejected', reason: 'unique', by: list[1]!.id }, 'queued'),
    )
    expect(await home.read()).toMatchObject({ state: '1' })
  })

  flowing('a job that is there already counts as queued, whatever became of it', async (home, harness) => {
    const caller = harness.caller('ada', 'home')
    const [waiting, over] = [job(), job()]
    await caller.run(over, { kind: 'completed' })
    await caller.enqueue(waiting)
    const again = [waiting, over].map((each) => ({ ...each, payload: '"other"' }))
    const { nextTick, ...answer } = await home.store.write(
      'home',
      { id: 'flow', rev: 0, definition: 'd', state: '1', jobs: again },
      { max: 1, full: 'reject' },
    )
    expect(answer).toEqual(wrote('queued', 'queued'))
    expect(await harness.store.get('home', waiting.id)).toMatchObject({ payload: waiting.payload })
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 1, completed: 1 })
  })

  flowing(
    'a full queue rejects the jobs, or drops its first, and the flow is written',
    async (home, harness) => {
      const held = job()
      await harness.caller('ada', 'home').enqueue(held)
      const write = async (full: 'reject' | 'drop-oldest', rev: number) => {
        const change = { id: 'flow', rev, definition: 'd', state: full, jobs: [job()] }
        return home.store.write('home', change, { max: 1, full })
      }
      const first = await write('reject', 0)
      expect(first).toEqual(wrote({ kind: 'rejected', reason: 'full' }))
      expect(await write('drop-oldest', first.rev)).toEqual(wrote('queued'))
      expect(await harness.store.get('home', held.id)).toMatchObject({
        state: 'cancelled',
        reason: 'dropped',
      })
      expect(await home.read()).toMatchObject({ state: 'drop-oldest' })
    },
  )

  flowing(`a write with ${MAX_ITEMS} jobs`, async (home, harness) => {
    const jobs = range(0, MAX_ITEMS).map(() => job())
    const { jobs: answers } = await home.write({ id: 'flow', rev: 0, definition: 'd', state: '1', jobs })
    expect(answers).toEqual(jobs.map(() => 'queued'))
    expect(await harness.store.counts('home')).toMatchObject({ waiting: MAX_ITEMS })
  })

  flowing('jobs of a write ring as many workers as there are jobs', async (home, harness) => {
    const { id, rev } = await home.make()
    const callers = ['ada', 'bob', 'cyd'].map((name) => harness.caller(name, 'home'))
    for (const caller of callers) expect(await caller.claim()).toEqual([])
    await home.write({ id, rev, state: '1', jobs: [job(), job()] })
    const waits = callers.map(async (caller) => (await harness.store.wait(caller.id, MOMENT)).length)
    expect((await Promise.all(waits)).filter((count) => count > 0)).toHaveLength(2)
  })

  // due

  flowing(
    'those that are due for longest are handed out first, and once in a lease',
    async (home, harness) => {
      const { store } = harness
      for (const [id, next] of Object.entries({ c: 30, a: 20, b: 10, later: 1_000 }))
        await home.make(id, { next: START + next })
      await home.make('never')
      expect(await store.schedules.due('home', 9, 500)).toEqual({
        at: START,
        due: [],
        flows: [],
        nextTick: 10,
      })
      harness.clock.now += 30
      const a = await home.read('a')
      const { at, due, flows, nextTick } = await store.schedules.due('home', 2, 500)
      expect([at, due, ids(flows), nextTick]).toEqual([home.now, [], ['b', 'a', 'c'], 500])
      expect(flows[1]).toEqual(a)
      expect(await store.schedules.due('home', 2, 500)).toEqual({
        at: home.now,
        due: [],
        flows: [],
        nextTick: 500,
      })
      harness.clock.now += 499
      expect(await home.due()).toEqual([])
      harness.clock.now += 1
      expect(ids(await home.due()).sort()).toEqual(['a', 'b', 'c'])
      expect(await home.next()).toBe(470)
    },
  )

  flowing('flows and schedules of a partition are handed out together', async (home, harness) => {
    const book = new Book(harness, 'home')
    expect(await harness.store.schedules.due('home', 9, 500)).toEqual({ at: START, due: [], flows: [] })
    for (const [n, id] of ['a', 'b', 'c'].entries()) await book.make(id, n)
    for (const [n, id] of ['x', 'y', 'z'].entries()) await home.make(id, { next: START + n })
    expect(await home.next()).toBe(0)
    harness.clock.now += 9
    const { due, flows, nextTick } = await harness.store.schedules.due('home', 2, 500)
    expect([ids(due), ids(flows), nextTick]).toEqual([['a', 'b'], ['x', 'y', 'z'], 0])
    const rest = await harness.store.schedules.due('home', 2, 100)
    expect([ids(rest.due), ids(rest.flows), rest.nextTick]).toEqual([['c'], [], 100])
  })

  flowing('whoever takes no schedules is told when a flow is due', async (home, harness) => {
    const book = new Book(harness, 'home')
    const take = () => harness.store.schedules.due('home', 0, 500)
    await book.make('nightly', 0)
    expect(await take()).toEqual({ at: START, due: [], flows: [] })
    await home.make('flow', { next: START + 50 })
    expect(await take()).toEqual({ at: START, due: [], flows: [], nextTick: 50 })
    harness.clock.now += 50
    const { due, flows, nextTick } = await take()
    expect([due, ids(flows), nextTick]).toEqual([[], ['flow'], 500])
    expect(await book.due()).toEqual(['nightly'])
  })

  flowing('when the next flow or schedule is due, whichever is written', async (home, harness) => {
    const book = new Book(harness, 'home')
    expect(await home.next()).toBeUndefined()
    const first = await home.make('one', { next: START + 5_000 })
    expect(await home.next()).toBe(5_000)
    const nightly = await book.make('nightly', 3_000)
    expect(await home.next()).toBe(3_000)
    await home.make('two', { next: START + 1_000 })
    expect(await home.next()).toBe(1_000)
    await home.change('two', { next: START + 7_000 })
    expect(await home.next()).toBe(3_000)
    await book.write({ id: 'nightly', rev: nightly.rev, remove: true })
    expect(await home.next()).toBe(5_000)
    await home.write({ id: 'one', rev: first.rev, remove: true })
    expect(await home.next()).toBe(7_000)
    await home.change('two')
    expect(await home.next()).toBeUndefined()
  })

  flowing('the write and the apply that change it say when the next is due', async (home) => {
    const { nextTick, rev } = await home.store.write('home', {
      id: 'flow',
      rev: 0,
      definition: 'd',
      state: '1',
      next: START + 400,
    })
    expect(nextTick).toBe(400)
    expect(await home.store.apply('home', [node(0)])).toEqual({ verdicts: ['counted'], nextTick: 0 })
    const removed = await home.store.write('home', { id: 'flow', rev, remove: true })
    expect(removed).toEqual(gone)
    expect(await home.store.apply('home', [node(0)])).toEqual({ verdicts: ['unknown'] })
  })

  flowing(
    'one that was written while it was handed out is due when the write says so',
    async (home, harness) => {
      for (const id of ['one', 'two', 'three']) await home.make(id, { next: START })
      expect(ids(await home.due()).sort()).toEqual(['one', 'three', 'two'])
      await home.change('one', { next: home.now + 50 })
      await home.change('two')
      await home.change('three', { next: home.now + LEASE + 50 })
      expect(await home.next()).toBe(50)
      harness.clock.now += 50
      expect(ids(await home.due())).toEqual(['one'])
      harness.clock.now += LEASE
      expect(ids(await home.due()).sort()).toEqual(['one', 'three'])
    },
  )

  flowing('hands out no more bytes than fit into an answer, or one', async (home, harness) => {
    const definition = 'x'.repeat(MAX_BYTES * 0.4)
    for (const [n, times] of [1, 1, 3, 1].entries())
      await home.make(`f${n}`, { definition: definition.repeat(times), next: START - 10 + n })
    expect(ids(await home.due())).toEqual(['f0', 'f1'])
    const found = await home.due()
    expect(ids(found)).toEqual(['f2'])
    expect(found[0]!.definition).toHaveLength(definition.length * 3)
    expect(ids(await home.due())).toEqual(['f3'])
    harness.clock.now += LEASE
    await new Book(harness, 'home').write({ id: 's', rev: 0, definition, state: '{}', next: START })
    const seen = { schedules: [] as string[], flows: [] as string[] }
    for (let call = 0; call < 5 && seen.schedules.length + seen.flows.length < 5; call++) {
      const { due, flows } = await harness.store.schedules.due('home', 9, LEASE)
      const bytes = [...due, ...flows].reduce((sum, each) => sum + each.definition.length, 0)
      expect(bytes <= MAX_BYTES || due.length + flows.length === 1).toBe(true)
      seen.schedules.push(...ids(due))
      seen.flows.push(...ids(flows))
    }
    expect(seen.schedules).toEqual(['s'])
    expect(seen.flows.sort()).toEqual(['f0', 'f1', 'f2', 'f3'])
  })

  flowing('500 flows of a partition are handed out by page', async (home, harness) => {
    const names = range(0, 500).map((n) => `f${n}`)
    for (const [n, id] of names.entries()) await home.make(id, { next: START + 1 + n })
    harness.clock.now += names.length
    for (let page = 0; page < names.length / MAX_DUE; page++)
      expect(ids(await home.due())).toEqual(names.slice(page * MAX_DUE, (page + 1) * MAX_DUE))
    expect(await home.due()).toEqual([])
  })

  flowing('a flow that is due sooner than all others rings a waiting worker', async (home, harness) => {
    const { store } = harness
    const idle = async () => expect(await harness.caller('ada', 'home').claim()).toEqual([])
    const rings = async (ms: number) => (await store.wait('ada', ms)).length > 0
    await idle()
    await home.make('one', { next: START + 5_000 })
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.make('two', { next: START + 5_001 })
    await home.make('flow')
    await new Book(harness, 'home').make('nightly', 6_000)
    expect(await rings(MOMENT)).toBe(false)
    await home.apply(node(0))
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.apply(node(1))
    expect(await rings(MOMENT)).toBe(false)
    const [due] = await home.due(100)
    await home.write({ id: 'flow', rev: due!.rev, state: '1', heard: 1, next: START + 9_000 })
    // The flow still has ends that no worker has seen, so the flow is due at once.
    expect(await rings(PATIENCE)).toBe(true)
    await idle()
    await home.change('flow', { heard: 1, next: START + 9_000 })
    expect(await rings(MOMENT)).toBe(false)
    expect(await home.next()).toBe(5_000)
  })

  // lists, ids

  flowing('the flows of a partition by page, the newest first', async (home, harness) => {
    expect(await home.store.list('home', 9)).toEqual([])
    const names = range(0, 25).map((n) => `f${(n * 7) % 25}`)
    for (const [n, id] of names.entries()) {
      harness.clock.now += 1
      await home.make(id, { crowd: { reserved: n } })
    }
    await home.apply(node(0, { flow: 'f0' }), end(0, { flow: 'f7' }))
    await home.change('f7', { state: 'changed' })
    const found: Omit<StoredFlow, 'news'>[] = []
    for (;;) {
      const page = await home.store.list('home', 10, found.at(-1)?.id)
      if (page.length === 0) break
      expect(page.length).toBeLessThanOrEqual(10)
      found.push(...page)
    }
    expect(ids(found)).toEqual([...names].reverse())
    const { news, ...seventh } = await home.read('f7')
    expect(found.find(({ id }) => id === 'f7')).toEqual(seventh)
    expect(await home.store.list('elsewhere', 9)).toEqual([])
  })

  flowing('a page has no more bytes than fit into an answer, or one flow', async (home) => {
    const definition = 'x'.repeat(MAX_BYTES * 0.4)
    for (const [n, times] of [1, 3, 1, 1].entries())
      await home.make(`f${n}`, { definition: definition.repeat(times) })
    const list = async (before?: string) => ids(await home.store.list('home', 9, before))
    expect(await list()).toEqual(['f3', 'f2'])
    expect(await list('f2')).toEqual(['f1'])
    expect(await list('f1')).toEqual(['f0'])
    expect(await list('f0')).toEqual([])
    expect(await list('gone')).toEqual([])
  })

  flowing('an unusual id is one like others', async (home) => {
    const names = ['a-b_c', '-', '_', '0', '__proto__', 'constructor', 'hasOwnProperty', 'size', 'rev']
    for (const id of [...names, 'x'.repeat(MAX_FLOW_ID)]) {
      const text = `${id}\n|,;!é€😀"'\\`
      await home.make(id, { definition: text, state: text, next: START, crowd: { reserved: 2 } })
      const [due] = await home.due()
      expect(due).toMatchObject({ id, definition: text, state: text })
      const of = (given: MemberEnd) => ({ ...given, flow: id })
      expect(
        await home.apply(of(node(0, { result: text, error: text })), of(end(1, failed)), of(end(2))),
      ).toEqual(['counted', 'counted', 'unknown'])
      expect(await home.store.ends('home', id, [NODES])).toMatchObject([{ result: text, error: text }])
      expect(await home.store.missing('home', id, -1, 9)).toEqual([0])
      await home.write({ id, rev: due!.rev, state: text, heard: 1 })
      expect(await home.due()).toEqual([])
    }
  })
}

/** Two processes that count ends and advance flows at the same time. */
export function flowsByTwo(make: Make): void {
  test('each end of a node counts once, although two handles handle the same flow', async () => {
    await using harness = await make()
    const home = new Home(harness)
    const stores = [harness.store, await harness.another()]
    const names = ['a', 'b', 'c']
    for (const id of names) await home.make(id, { state: '', crowd: { reserved: 200, size: 200 } })
    let left = 2 * 20
    async function deliver(store: (typeof stores)[number]): Promise<void> {
      for (let n = 0; n < 20; n++) {
        const ends = names.flatMap((flow) => [
          ...range(0, 10).map((i) => node(n * 10 + i, { flow })),
          ...range(0, 10).map((i) => end(n * 10 + i, { flow })),
        ])
        await store.flows.apply('home', ends)
        left -= 1
      }
    }
    async function advance(store: (typeof stores)[number]): Promise<void> {
      for (;;) {
        const isLast = left === 0
        // With a lease of 0, both handles get the same flow, and only the revision number decides whose write
        // succeeds.
        const { flows } = await store.schedules.due('home', 2, 0)
        if (flows.length === 0 && isLast) return
        for (const { id, rev, state, news } of flows) {
          const heard = news.map(({ index }) => index - NODES)
          const text = [state, ...heard].filter(String).join(' ')
          const jobs = heard.map((n) => job({ id: `${id}-${n}` }))
          await store.flows.write('home', { id, rev, state: text, heard: heard.length, jobs })
        }
      }
    }
    await Promise.all(stores.flatMap((store) => [deliver(store), advance(store)]))
    for (const id of names) {
      const { state, news, crowd } = await home.read(id)
      expect(news).toEqual([])
      expect(
        state
          .split(' ')
          .map(Number)
          .sort((one, other) => one - other),
      ).toEqual(range(0, 200))
      expect(crowd).toEqual({ reserved: 200, size: 200, completed: 200, failed: 0 })
    }
    expect(await harness.store.counts('home')).toMatchObject({ waiting: 600 })
  })
}
