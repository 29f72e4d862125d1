/**
 * A paused partition hands out no jobs.
 */
import { expect, test } from 'vitest'
import type { SettingChange } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs, retried, settlement } from './jobs.ts'

export function pause(make: Make): void {
  test('a partition is not paused by default, and keeps its setting', async () => {
    await using harness = await make()
    const { store } = harness
    const groups: unknown[] = []
    expect(await store.configure('emails', {})).toEqual({ paused: false, groups })
    expect(await store.configure('emails', { paused: true })).toEqual({ paused: true, groups })
    expect(await store.configure('emails', {})).toEqual({ paused: true, groups })
    expect(await store.configure('reports', {})).toEqual({ paused: false, groups })
    expect(await store.configure('emails', { paused: false })).toEqual({ paused: false, groups })
  })

  test('a paused partition accepts new jobs, hands out no jobs, and returns no nextDue', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await store.configure('emails', { paused: true })
    const list = jobs(2)
    const delayed = job({ delay: 100 })
    expect(await caller.enqueue(...list, delayed)).toEqual(['queued', 'queued', 'queued'])
    const exchange = await caller.exchange([], { limit: 5, leaseMs: LEASE })
    expect(exchange.jobs).toEqual([])
    expect(exchange.nextDue).toBeUndefined()
    expect(await store.counts('emails')).toMatchObject({ waiting: 2, delayed: 1 })
    // A job that becomes due during the pause waits like the other jobs.
    harness.clock.advance(100)
    expect(await caller.claim(5)).toEqual([])
    expect(await store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0 })
    await store.configure('emails', { paused: false })
    expect(ids(await caller.claim(5))).toEqual(ids([...list, delayed]))
  })

  test('a pause with a time ends by itself, and the setting has its end and its reason', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    await caller.enqueue(job(), job({ delay: 200 }))
    const until = clock.now + 500
    const because = 'the mail server|\nis down'
    const paused = { paused: true, until, because, groups: [] }
    expect(await store.configure('emails', { paused: true, for: 500, because })).toEqual(paused)
    expect(await caller.exchange([], { limit: 5, leaseMs: LEASE })).toEqual({
      verdicts: [],
      jobs: [],
      nextDue: 500,
    })
    clock.advance(300)
    expect(await store.configure('emails', {})).toEqual(paused)
    expect(await caller.exchange([], { limit: 5, leaseMs: LEASE })).toMatchObject({ jobs: [], nextDue: 200 })
    expect((await store.survey('ada', [{ partition: 'emails', waits: true }])).findings).toMatchObject([
      { nextDue: 200 },
    ])
    expect((await store.standings(['emails']))[0]).toMatchObject({ isPaused: true })
    clock.advance(200)
    expect(await store.configure('emails', {})).toEqual({ paused: false, groups: [] })
    expect((await store.standings(['emails']))[0]).toMatchObject({ isPaused: false })
    expect(await caller.claim(5)).toHaveLength(2)
  })

  test('another pause replaces the present pause, unless the call asks to keep the longer one', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const groups: unknown[] = []
    const set = (settings: SettingChange) => store.configure('emails', settings)
    const at = (ms: number) => ({ paused: true, until: clock.now + ms, groups })
    expect(await set({ paused: true, for: 500 })).toEqual(at(500))
    expect(await set({ paused: true, for: 400, keepsLonger: true, because: 'no' })).toEqual(at(500))
    expect(await set({ paused: true, for: 600, keepsLonger: true })).toEqual(at(600))
    expect(await set({ paused: true, for: 100 })).toEqual(at(100))
    expect(await set({ paused: true, because: 'by hand' })).toEqual({
      paused: true,
      because: 'by hand',
      groups,
    })
    expect(await set({ paused: true, for: 900, keepsLonger: true })).toMatchObject({ because: 'by hand' })
    expect(await set({ paused: true, for: 300 })).toEqual(at(300))
    expect(await set({ paused: false })).toEqual({ paused: false, groups })
  })

  test('the setting of a pause names the person and the time, and a pause by a job has no person', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const waiting = job()
    await caller.enqueue(waiting, job(), job({ group: { name: 'a' } }))
    const by = 'ada at web-1'
    const at = clock.now
    const settings = async () => store.configure('emails', {})
    const set = { paused: true, because: 'a|b', by }
    expect(await store.configure('emails', set)).toEqual({ ...set, at, groups: [] })
    clock.advance(10)
    expect((await store.stand('emails', waiting.id))?.pause).toEqual({ because: 'a|b', by, at })
    await store.configure('emails', { paused: true, for: 500, by })
    const until = clock.now + 500
    expect(await settings()).toEqual({ paused: true, until, by, at: clock.now, groups: [] })
    // A separator in a reason cannot name another person.
    await store.configure('emails', { paused: true, because: 'x\x1f7\x1fbob' })
    expect(await settings()).toEqual({ paused: true, because: 'x 7 bob', groups: [] })
    await store.configure('emails', { paused: false })
    const [held] = await caller.claim()
    const outcome = { kind: 'released', in: 700, pauses: 'queue', because: 'x\x1f7\x1fbob' } as const
    await caller.settle(held!, outcome)
    expect(await settings()).not.toHaveProperty('by')
  })

  test('the pause of a group names its person until the pause ends or a job makes it longer', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const caller = harness.caller()
    const list = jobs(3, { group: { name: 'a' } })
    await caller.enqueue(...list)
    const claimed = await caller.claim(2)
    const by = 'ada'
    const at = clock.now
    await store.pause('emails', 'a', 1_000, by)
    const groups = async () => (await store.configure('emails', {})).groups
    const until = at + 1_000
    expect(await groups()).toEqual([{ group: 'a', until, by, at }])
    expect((await store.stand('emails', list[2]!.id))?.lane?.pause).toEqual({ until, by, at })
    await caller.settle(claimed[0]!, { kind: 'released', in: 400, pauses: 'group' })
    expect(await groups()).toEqual([{ group: 'a', until, by, at }])
    await caller.settle(claimed[1]!, { kind: 'released', in: 2_000, pauses: 'group' })
    expect(await groups()).toEqual([{ group: 'a', until: at + 2_000 }])
    await store.pause('emails', 'a', 3_000, by)
    await store.pause('emails', 'b', undefined, by)
    clock.advance(3_000)
    await store.prune('emails')
    expect(await groups()).toEqual([{ group: 'b', by, at }])
    await store.pause('emails', 'a', 1_000)
    expect(await groups()).toEqual([
      { group: 'a', until: clock.now + 1_000 },
      { group: 'b', by, at },
    ])
    await store.pause('emails', 'b', 0, by)
    expect(await groups()).toHaveLength(1)
  })

  test('a released job may pause its partition: no other job begins, and waiting callers get the end of the pause', async () => {
    await using harness = await make()
    const { store } = harness
    const [caller, other] = [harness.caller(), harness.caller('bob')]
    await caller.enqueue(...jobs(3), job({ group: { name: 'a' } }))
    const [held] = await caller.claim()
    const outcome = { kind: 'released', in: 700, pauses: 'queue', because: 'busy' } as const
    const answer = await caller.exchange([settlement(held!, outcome)], { limit: 5, leaseMs: LEASE })
    expect(answer).toEqual({ verdicts: ['settled'], jobs: [], nextDue: 700 })
    expect(await store.configure('emails', {})).toMatchObject({ paused: true, because: 'busy' })
    expect(await store.get('emails', held!.id)).toMatchObject({ state: 'delayed', because: 'busy' })
    await caller.enqueue(job())
    // During the pause, the end of a job notifies no caller. So a caller that is at a limit must get the end
    // of the pause, too.
    const limits = { concurrency: 1 }
    expect(await other.exchange([], { limit: 1, leaseMs: LEASE, limits })).toMatchObject({
      jobs: [],
      nextDue: 700,
    })
    expect(await other.exchange([], { limit: 5, leaseMs: LEASE })).toMatchObject({ jobs: [], nextDue: 700 })
    harness.clock.advance(700)
    expect(await other.claim(9)).toHaveLength(5)
  })

  test('a pause with a time notifies the waiting callers, so that they ask again when the pause ends', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBeUndefined()
    const rung = store.wait('ada', 10_000)
    await store.configure('emails', { paused: true, for: 500 })
    expect(await rung).toEqual(['emails'])
  })

  test('a pause that a job makes longer notifies no caller, and callers find out at the former end of the pause', async () => {
    await using harness = await make()
    const { store } = harness
    const longer = { paused: true, for: 600, keepsLonger: true }
    await store.configure('emails', { paused: true, for: 500 })
    const want = { limit: 1, leaseMs: LEASE }
    expect((await harness.caller('ada', 'emails').exchange([], want)).nextDue).toBe(500)
    await harness.caller('ada', 'others').exchange([], want)
    const rung = store.wait('ada', 10_000)
    await store.configure('emails', longer)
    await store.configure('others', longer)
    expect(await rung).toEqual(['others'])
    harness.clock.advance(500)
    expect((await harness.caller('bob', 'emails').exchange([], want)).nextDue).toBe(100)
  })

  test('jobs of a paused partition are settled, renewed and taken back as usual', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const [first, second, third] = await caller.claim(3)
    await store.configure('emails', { paused: true })
    const settlements = [settlement(first!, completed), settlement(second!, retried(0))]
    const exchange = await caller.exchange(settlements, { limit: 5, leaseMs: LEASE })
    expect(exchange).toMatchObject({ verdicts: ['settled', 'settled'], jobs: [] })
    expect((await store.extend('emails', 'ada', [third!], LEASE)).lost).toEqual([])
    harness.clock.advance(LEASE)
    expect((await store.recover('emails')).recovered).toEqual([third!.id])
  })
}
