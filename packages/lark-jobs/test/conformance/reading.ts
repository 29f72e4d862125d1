/** get, list and counts: each job is in one state, pages are complete, and their order is right. */
import { expect, test } from 'vitest'
import type { State } from '../../src/model/record.ts'
import type { Filter, Store } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement } from './jobs.ts'

const none = { waiting: 0, delayed: 0, blocked: 0, active: 0, completed: 0, failed: 0, cancelled: 0 }

async function listAll(store: Store, filter: Filter): Promise<string[]> {
  const found: string[] = []
  let cursor: string | undefined
  do {
    const page = await store.list('emails', { ...filter, ...(cursor === undefined ? {} : { cursor }) })
    found.push(...ids(page.jobs))
    expect(new Set(found).size, 'a page that shows a job again').toBe(found.length)
    expect(page.jobs.length).toBeLessThanOrEqual(filter.limit ?? 100)
    for (const record of page.jobs) expect(record.state).toBe(filter.state)
    cursor = page.cursor
  } while (cursor !== undefined)
  return found
}

export function reading(make: Make): void {
  test('the answer is empty for jobs and partitions that do not exist', async () => {
    await using harness = await make()
    const { store } = harness
    expect(await store.get('emails', 'nobody')).toBeUndefined()
    expect(await store.log('emails', 'nobody')).toEqual([])
    expect(await store.counts('emails')).toEqual(none)
    expect(await store.list('emails', { state: 'waiting' })).toEqual({ jobs: [] })
    expect(await store.list('emails', { state: 'failed' })).toEqual({ jobs: [] })
  })

  test('a job is in exactly one state after every step of its life', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const given = job({ delay: 100 })
    const seen: State[] = []
    async function look(): Promise<void> {
      const record = await store.get('emails', given.id)
      expect(await store.counts('emails')).toEqual({ ...none, [record!.state]: 1 })
      for (const state of Object.keys(none) as State[]) {
        expect(await listAll(store, { state })).toEqual(state === record!.state ? [given.id] : [])
      }
      seen.push(record!.state)
    }
    await caller.enqueue(given)
    await look()
    clock.advance(100)
    await look()
    const first = await caller.claimOne()
    await look()
    await caller.settle(first, retried(50))
    await look()
    clock.advance(50)
    await caller.claimOne()
    clock.advance(LEASE)
    await store.recover('emails')
    await look()
    await caller.settle(await caller.claimOne(), failed)
    await look()
    await store.alter('emails', [given.id], { kind: 'retry' })
    await look()
    await caller.settle(await caller.claimOne(), completed)
    await look()
    expect(seen).toEqual([
      'delayed',
      'waiting',
      'active',
      'delayed',
      'waiting',
      'failed',
      'waiting',
      'completed',
    ])
  })

  test('pages of waiting and delayed jobs are in the order in which the jobs would run', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const low = jobs(30, { priority: -1 })
    const normal = jobs(30)
    const high = jobs(30, { priority: 1 })
    await caller.enqueue(...low, ...high, ...normal)
    const delayed = [300, 100, 200].map((delay) => job({ delay }))
    await caller.enqueue(...delayed)
    const expected = ids([...high, ...normal, ...low])
    expect(await listAll(harness.store, { state: 'waiting', limit: 7 })).toEqual(expected)
    expect(await listAll(harness.store, { state: 'waiting', limit: 30 })).toEqual(expected)
    expect(await listAll(harness.store, { state: 'waiting' })).toEqual(expected)
    expect(await listAll(harness.store, { state: 'delayed', limit: 2 })).toEqual(
      ids([delayed[1]!, delayed[2]!, delayed[0]!]),
    )
  })

  test('pages of ended jobs have the latest end first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(12)
    await caller.enqueue(...list)
    const held = await caller.claim(12)
    for (const claimed of held) {
      await caller.settle(claimed, completed)
      clock.advance(1)
    }
    const expected = ids(list).reverse()
    for (const limit of [1, 5, 12, 100]) {
      expect(await listAll(store, { state: 'completed', limit })).toEqual(expected)
    }
  })

  test('pages have each job once although many jobs ended at the same instant', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(50)
    await caller.enqueue(...list)
    const held = await caller.claim(50)
    await caller.exchange(
      held.map((claimed) => settlement(claimed, completed)),
      { limit: 0, leaseMs: LEASE },
    )
    const found = await listAll(harness.store, { state: 'completed', limit: 7 })
    expect(found.sort()).toEqual(ids(list))
  })

  test('pages of ended jobs can have the earliest end first', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(12)
    await caller.enqueue(...list)
    const held = await caller.claim(12)
    for (const [i, claimed] of held.entries()) {
      await caller.settle(claimed, failed)
      // Three jobs end at each instant.
      if (i % 3 === 2) clock.advance(1)
    }
    const all = await listAll(store, { state: 'failed' })
    for (const limit of [1, 2, 5, 12]) {
      expect(await listAll(store, { state: 'failed', limit, isOldestFirst: true })).toEqual(all.toReversed())
    }
    await caller.enqueue(...jobs(3, { priority: 1 }), ...jobs(3))
    const waiting = await listAll(store, { state: 'waiting' })
    expect(await listAll(store, { state: 'waiting', isOldestFirst: true })).toEqual(waiting)
  })

  test('the cursor of any job of a page continues the list after this job, in every state', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const group = { name: 'acme' }
    const some = (more: object = {}) => [
      ...jobs(3, more),
      ...jobs(2, { ...more, priority: 1 }),
      ...jobs(2, { ...more, priority: -1 }),
      ...jobs(2, { ...more, group }),
    ]
    await caller.enqueue(...some({ delay: 10 }))
    clock.advance(10)
    await caller.enqueue(...some())
    await caller.enqueue(...some({ delay: 1_000 }))
    const ended = harness.caller('b')
    for (const claimed of await ended.claim(6)) await ended.settle(claimed, completed)
    await caller.claim(3)
    await caller.claim(2)
    for (const state of ['waiting', 'delayed', 'active', 'completed'] as const) {
      for (const isOldestFirst of [false, true]) {
        const filter = { state, isOldestFirst }
        const all = await listAll(store, filter)
        expect(all.length).toBeGreaterThan(4)
        for (const verb of ['list', 'heads'] as const) {
          const page = await store[verb]('emails', { ...filter, isMarked: true, limit: all.length - 1 })
          expect(page.marks).toHaveLength(all.length - 2)
          for (const [i, cursor] of [...page.marks!, page.cursor!].entries()) {
            const rest = await store.heads('emails', { ...filter, cursor })
            expect(ids(rest.jobs), `${verb} of ${state} after ${i}`).toEqual(all.slice(i + 1))
          }
        }
      }
    }
    expect(await store.list('emails', { state: 'failed', isMarked: true })).toEqual({ jobs: [], marks: [] })
  })

  test('the next page of waiting jobs continues after the last job, whichever jobs begin or are removed meanwhile', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const high = jobs(4, { priority: 1 })
    const due = jobs(6, { delay: 10 })
    await caller.enqueue(...high, ...due)
    clock.advance(10)
    const list = jobs(12)
    const low = jobs(3, { priority: -1 })
    await caller.enqueue(...list, ...low)
    const expected = ids([...high, ...due, ...list, ...low])
    for (const [shown, begun, gone] of [
      [2, 1, 3],
      [3, 2, 5],
      [6, 3, 9],
      [10, 3, 11],
      [14, 4, 15],
      [17, 9, 20],
    ] as const) {
      const page = await store.list('emails', { state: 'waiting', limit: shown - 1 })
      const before = ids(page.jobs)
      await caller.claim(begun)
      await store.alter('emails', [expected[gone]!], { kind: 'cancel', reason: 'user' })
      const rest: string[] = []
      let cursor = page.cursor
      while (cursor !== undefined) {
        const next = await store.list('emails', { state: 'waiting', limit: 2, cursor })
        rest.push(...ids(next.jobs))
        cursor = next.cursor
      }
      // The waiting jobs that the first page did not have.
      const waiting = await listAll(store, { state: 'waiting' })
      expect(rest, `after ${shown - 1}`).toEqual(waiting.filter((id) => !before.includes(id)))
    }
  })

  test('the next page of jobs with equal times continues after the last job, even if this job was removed', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(7, { delay: 500 }))
    const first = await store.list('emails', { state: 'delayed', limit: 3 })
    await store.alter('emails', [first.jobs[2]!.id], { kind: 'reschedule', in: 9_000 })
    const second = await store.list('emails', { state: 'delayed', cursor: first.cursor! })
    expect(second.jobs.slice(0, -1).map(({ id }) => id)).toEqual(
      (await listAll(store, { state: 'delayed' })).slice(2, -1),
    )
    expect(second.jobs.at(-1)!.id).toBe(first.jobs[2]!.id)
    await caller.enqueue(...jobs(7))
    const held = await caller.claim(7)
    await caller.exchange(
      held.map((claimed) => settlement(claimed, completed)),
      { limit: 0, leaseMs: LEASE },
    )
    for (const isOldestFirst of [false, true]) {
      const filter = { state: 'completed', isOldestFirst } as const
      const all = await listAll(store, filter)
      const page = await store.list('emails', { ...filter, limit: 3 })
      await store.alter('emails', [page.jobs[2]!.id], { kind: 'remove' })
      const rest = await store.list('emails', { ...filter, cursor: page.cursor! })
      expect(ids(rest.jobs)).toEqual(all.slice(3))
    }
  })

  test('active jobs are listed by page', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(25)
    await caller.enqueue(...list)
    await caller.claim(25)
    expect((await listAll(harness.store, { state: 'active', limit: 10 })).sort()).toEqual(ids(list))
  })

  test('active jobs are listed by the end of their lease, then by token, then in the order of the claim', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const web = harness.caller('web')
    const low = jobs(2, { priority: -1 })
    await web.enqueue(...low, ...jobs(4))
    const late = await harness.caller('late').claim(2, 9_000)
    const bob = await harness.caller('bob').claim(1, 5_000)
    const ada = await harness.caller('ada').claimAhead(1, 2, 5_000)
    expect(ids(ada.slice(1))).toEqual(ids(low))
    const expected = ids([...ada, ...bob, ...late])
    for (const limit of [1, 2, 3, 100]) {
      expect(await listAll(store, { state: 'active', limit })).toEqual(expected)
    }
    await harness.caller('ada').extend([ada[0]!], 9_500)
    clock.advance(100)
    await harness.caller('bob').extend([bob[0]!], 8_900)
    expect(await listAll(store, { state: 'active', limit: 2 })).toEqual(ids([...bob, ...late, ...ada]))
  })

  test('a list of active jobs by id has each job once, although leases are renewed and jobs are settled meanwhile', async () => {
    await using harness = await make()
    const { store } = harness
    const list = jobs(9)
    await harness.caller().enqueue(...list)
    const held = [...(await harness.caller('bob').claim(4)), ...(await harness.caller('ada').claim(5))]
    const filter = { state: 'active', isById: true, isMarked: true } as const
    const all = await store.list('emails', filter)
    expect(all).toMatchObject({ jobs: list.map(({ id }) => ({ id, state: 'active' })) })
    expect(all.cursor).toBeUndefined()
    expect(all.jobs[0]).toEqual(await store.get('emails', list[0]!.id))
    const first = await store.list('emails', { ...filter, limit: 4 })
    expect(ids(first.jobs)).toEqual(ids(list.slice(0, 4)))
    await harness.caller('bob').extend([held[0]!], 3 * LEASE)
    await harness.caller('bob').settle(held[3]!, completed)
    await harness.caller('ada').settle(held[5]!, completed)
    const rest = ids(list).filter((_, i) => i >= 4 && i !== 5)
    const next = await store.list('emails', { ...filter, limit: 4, cursor: first.cursor! })
    expect(ids(next.jobs)).toEqual(rest)
    const after = await store.heads('emails', { ...filter, cursor: first.marks![1]! })
    expect(ids(after.jobs)).toEqual([list[2]!.id, ...rest])
    expect(after.jobs[0]).toMatchObject({ holder: 'bob', claimedAt: harness.clock.now })
  })

  test('the next page of active jobs continues after the last job, even if this job was settled', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(6))
    const first = await caller.claim(3, 5_000)
    const second = await caller.claim(3, 6_000)
    const page = await store.list('emails', { state: 'active', limit: 2 })
    expect(ids(page.jobs)).toEqual(ids(first.slice(0, 2)))
    await caller.settle(first[1]!, completed)
    const rest = await store.list('emails', { state: 'active', cursor: page.cursor! })
    expect(ids(rest.jobs)).toEqual(ids([first[2]!, ...second]))
    await caller.settle(first[0]!, completed)
    await caller.settle(first[2]!, completed)
    const others = await store.list('emails', { state: 'active', cursor: page.cursor! })
    expect(ids(others.jobs)).toEqual(ids(second))
  })

  test('by default, a page has at most 100 jobs', async () => {
    await using harness = await make()
    await harness.caller().enqueue(...jobs(150))
    const first = await harness.store.list('emails', { state: 'waiting' })
    expect(first.jobs).toHaveLength(100)
    expect(first.cursor).toBeTypeOf('string')
  })

  test.each([
    [0, 1],
    [-3, 1],
    [0.2, 1],
    [1.5, 1],
    [2.9, 2],
    [5_000, 1_000],
  ])('a page with a limit of %d has %i jobs', async (limit, size) => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = jobs(1_000)
    const late = jobs(50)
    await caller.enqueue(...list)
    await caller.enqueue(...late)
    const expected = ids([...list, ...late])
    const first = await store.list('emails', { state: 'waiting', limit })
    expect(ids(first.jobs)).toEqual(expected.slice(0, size))
    const second = await store.list('emails', { state: 'waiting', limit, cursor: first.cursor! })
    expect(ids(second.jobs)).toEqual(expected.slice(size, 2 * size))
    for (const state of ['delayed', 'active', 'failed'] as const) {
      expect(await store.list('emails', { state, limit })).toEqual({ jobs: [] })
    }
  })

  test('`now` uses the same clock as the times of jobs', async () => {
    await using harness = await make()
    expect(await harness.store.now()).toBe(harness.clock.now)
    harness.clock.advance(1_234)
    expect(await harness.store.now()).toBe(harness.clock.now)
    const given = job()
    await harness.caller().enqueue(given)
    expect((await harness.store.get('emails', given.id))?.queuedAt).toBe(await harness.store.now())
  })

  test('every time in a record comes from the clock of the store, and not from that of the process', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const given = job({ delay: 1_000 })
    const queuedAt = clock.now
    await caller.enqueue(given)
    const dueAt = queuedAt + 1_000
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'delayed', queuedAt, dueAt })
    clock.advance(3_000)
    const held = await caller.claimOne()
    expect(await store.get('emails', given.id)).toMatchObject({ queuedAt, claimedAt: queuedAt + 3_000 })
    clock.advance(2_000)
    await caller.settle(held, retried(4_000))
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'delayed', dueAt: queuedAt + 9_000 })
    clock.advance(4_000)
    await caller.settle(await caller.claimOne(), completed)
    const record = await store.get('emails', given.id)
    expect(record).toMatchObject({ state: 'completed', queuedAt, finishedAt: queuedAt + 9_000 })
    expect(record).not.toHaveProperty('claimedAt')
  })

  test('list returns the same records as get', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.run(job({ priority: 2, options: { tries: 9 } }), { kind: 'completed', result: '[1]' })
    const { jobs: listed } = await harness.store.list('emails', { state: 'completed' })
    expect(listed).toEqual([await harness.store.get('emails', listed[0]!.id)])
  })
}
