/**
 * Limits that are stored with a partition. Stored limits count for the claims of all workers, whatever limits
 * the claims state.
 */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, settlement } from './jobs.ts'

const none = { limit: 5, prefetch: 5, leaseMs: LEASE }
const rate = { limit: 2, per: 1_000, kind: 'sliding', burst: 2 } as const

export function storedLimits(make: Make): void {
  test('a partition keeps its limits, with and without a pause, until they are removed', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const limits = { concurrency: 3, rate }
    const set = (change: Parameters<typeof store.configure>[1]) => store.configure('emails', change)
    expect(await set({ limits })).toEqual({ paused: false, groups: [], limits })
    expect(await set({})).toEqual({ paused: false, groups: [], limits })
    const because = 'a|b;1:2'
    expect(await set({ paused: true, because })).toEqual({ paused: true, because, groups: [], limits })
    expect(await set({ paused: false })).toEqual({ paused: false, groups: [], limits })
    expect(await set({ paused: true, for: 500, because })).toMatchObject({ because, limits })
    expect(await set({ paused: true, for: 900, keepsLonger: true })).toMatchObject({ limits })
    expect(await set({ limits: { concurrency: 1 } })).toMatchObject({
      until: clock.now + 900,
      limits: { concurrency: 1 },
    })
    clock.advance(900)
    expect(await set({})).toEqual({ paused: false, groups: [], limits: { concurrency: 1 } })
    expect(await set({ limits: null })).toEqual({ paused: false, groups: [] })
    expect(await store.configure('reports', {})).toEqual({ paused: false, groups: [] })
  })

  test('no more jobs are active than the stored limits allow, no job is prefetched, and the end of a job lets the next job begin', async () => {
    await using harness = await make()
    const [ada, bob] = [harness.caller('ada'), harness.caller('bob')]
    const given = jobs(5)
    await ada.enqueue(...given)
    await harness.store.configure('emails', { limits: { concurrency: 2 } })
    const { jobs: first, nextDue } = await ada.exchange([], none)
    expect(ids(first)).toEqual(ids(given.slice(0, 2)))
    expect(nextDue).toBeUndefined()
    expect((await bob.exchange([], none)).jobs).toEqual([])
    expect((await harness.store.stand('emails', given[4]!.id))?.limits).toEqual({ active: 2, free: 0 })
    const rung = harness.store.wait('bob', 10_000)
    const settled = [settlement(first[0]!, completed), settlement(first[1]!, completed)]
    expect((await ada.exchange(settled, { ...none, limit: 1 })).jobs).toHaveLength(1)
    expect(await rung).toEqual(['emails'])
    expect((await bob.exchange([], none)).jobs).toHaveLength(1)
    expect(await harness.store.counts('emails')).toMatchObject({ active: 2, waiting: 1 })
  })

  test('of a stored and a stated concurrency the lower one counts, and of two rates the stored one', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(20))
    const claim = async (limits: object) => (await caller.exchange([], { ...none, limits })).jobs.length
    await harness.store.configure('emails', { limits: { concurrency: 3 } })
    expect(await claim({ concurrency: 1 })).toBe(1)
    expect(await claim({ concurrency: 9 })).toBe(2)
    await harness.store.configure('emails', { limits: { rate } })
    expect(await claim({ concurrency: 4, rate: { ...rate, limit: 5 } })).toBe(1)
    expect(await claim({ concurrency: 9, rate: { ...rate, limit: 5 } })).toBe(1)
    expect(await claim({ rate: { ...rate, limit: 5 } })).toBe(0)
    harness.clock.advance(1_000)
    expect(await claim({})).toBe(2)
    await harness.store.configure('emails', { limits: null })
    expect(await claim({})).toBe(5)
  })

  test('a rate that a person lowers counts the earlier starts, and lets jobs begin again when these starts have expired', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(30))
    const claim = (limit: number) => caller.exchange([], { ...none, limit, prefetch: 0 })
    await harness.store.configure('emails', { limits: { rate: { ...rate, limit: 20, burst: 20 } } })
    expect((await claim(15)).jobs).toHaveLength(15)
    harness.clock.advance(400)
    expect((await claim(5)).jobs).toHaveLength(5)
    await harness.store.configure('emails', { limits: { rate } })
    harness.clock.advance(200)
    expect((await claim(1)).jobs).toEqual([])
    harness.clock.advance(800)
    expect((await claim(1)).jobs).toHaveLength(1)
    expect((await claim(5)).jobs).toHaveLength(1)
    expect((await claim(1)).jobs).toEqual([])
    harness.clock.advance(1_000)
    expect((await claim(5)).jobs).toHaveLength(2)
  })

  test('a change of limits notifies waiting workers, and while a partition has stored limits a notification has no jobs with it', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    expect((await caller.exchange([], { ...none, hand: () => {} })).jobs).toEqual([])
    const rung = store.wait('ada', 10_000)
    await store.configure('emails', { limits: { concurrency: 1 } })
    expect(await rung).toEqual(['emails'])
    await caller.exchange([], { ...none, hand: () => {} })
    await harness.caller('web').enqueue(...jobs(3))
    expect(await store.counts('emails')).toMatchObject({ active: 0, waiting: 3 })
    expect((await caller.exchange([], none)).jobs).toHaveLength(1)
  })

  test('stored limits also count for jobs of groups', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...['a', 'b', 'c'].map((name) => job({ group: { name } })), job())
    await harness.store.configure('emails', { limits: { concurrency: 2 } })
    const { jobs: held } = await caller.exchange([], none)
    expect(held).toHaveLength(2)
    expect((await caller.exchange([settlement(held[0]!, completed)], none)).jobs).toHaveLength(1)
  })
}
