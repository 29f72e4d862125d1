/**
 * The order of jobs: by priority, then by place in line, then first in, first out. The place of a delayed job
 * is its due time.
 */
import { expect, test } from 'vitest'
import type { Make } from './harness.ts'
import { ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

export function order(make: Make): void {
  test('jobs run first in, first out, within one call and over several calls at the same instant', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const first = jobs(12)
    const second = jobs(12)
    await caller.enqueue(...first)
    await caller.enqueue(...second)
    expect(ids(await caller.claim(7))).toEqual(ids(first.slice(0, 7)))
    expect(ids(await caller.claim(100))).toEqual(ids([...first.slice(7), ...second]))
  })

  test('the order of jobs does not depend on their ids', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(20).reverse()
    await caller.enqueue(...list)
    expect(ids(await caller.claim(20))).toEqual(ids(list))
  })

  test('jobs of a higher priority run first, and then the place in line counts', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const low = jobs(2, { priority: -100 })
    const normal = jobs(2)
    const high = jobs(2, { priority: 100 })
    const higherThanNormal = jobs(2, { priority: 1 })
    await caller.enqueue(...low, ...normal, ...high, ...higherThanNormal)
    const expected = ids([...high, ...higherThanNormal, ...normal, ...low])
    expect(ids(await caller.claim(3))).toEqual(expected.slice(0, 3))
    expect(ids(await caller.claim(5))).toEqual(expected.slice(3))
  })

  test('a job of low priority runs while a job of high priority is still delayed', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const high = job({ priority: 100, delay: 1_000 })
    const low = job({ priority: -100 })
    await caller.enqueue(high, low)
    expect(ids(await caller.claim(5))).toEqual([low.id])
  })

  test('the due time of a delayed job is its place among the jobs queued meanwhile', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const delayed = job({ delay: 1_000 })
    await caller.enqueue(delayed)
    harness.clock.advance(999)
    const before = job()
    await caller.enqueue(before)
    harness.clock.advance(2)
    const after = job()
    await caller.enqueue(after)
    expect(ids(await caller.claim(5))).toEqual(ids([before, delayed, after]))
  })

  test('of jobs that are due at the same instant, the job that was dispatched first goes first', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const early = job({ delay: 1_000 })
    await caller.enqueue(early)
    harness.clock.advance(500)
    const late = jobs(3, { delay: 500 })
    await caller.enqueue(...late)
    harness.clock.advance(500)
    const now = job()
    await caller.enqueue(now)
    expect(ids(await caller.claim(5))).toEqual(ids([early, ...late, now]))
  })

  test('jobs that are given back before their start return to the head of the line, in their old order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(6)
    await caller.enqueue(...list)
    const held = await caller.claim(3)
    harness.clock.advance(50)
    for (const claimed of [held[1]!, held[2]!, held[0]!]) await caller.settle(claimed, unstarted)
    expect(ids(await caller.claim(6))).toEqual(ids(list))
  })

  test('a retried job has its place by its due time', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const failing = job()
    await caller.enqueue(failing, ...jobs(1))
    await caller.settle(await caller.claimOne(), retried(100))
    harness.clock.advance(200)
    const late = job()
    await caller.enqueue(late)
    expect(ids(await caller.claim(5)).slice(1)).toEqual([failing.id, late.id])
  })

  test('a delayed job becomes due among more waiting jobs than a claim takes', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const delayed = job({ delay: 10, priority: 5 })
    await caller.enqueue(delayed, ...jobs(50))
    expect(ids(await caller.claim(10))).not.toContain(delayed.id)
    harness.clock.advance(10)
    expect(ids(await caller.claim(1))).toEqual([delayed.id])
  })

  test('aging: one step of priority is worth a certain wait, and at the same place the higher priority goes first', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [low, late] = [job({ priority: -1 }), job({ delay: 1_000 })]
    await caller.enqueue(low, late)
    harness.clock.advance(2_000)
    const [zero, high] = [job(), job({ priority: 1 })]
    await caller.enqueue(zero, high)
    const claim = (aging: number) => caller.exchange([], { limit: 9, prefetch: 9, leaseMs: 60_000, aging })
    // The aged places of the jobs are 1,000 (low), 1,000 (late), 2,000 and 1,000 (high).
    const { jobs: claimed } = await claim(1_000)
    expect(ids(claimed)).toEqual(ids([high, late, low, zero]))
    await caller.exchange(
      claimed.map((held) => settlement(held, unstarted)),
      { limit: 0, leaseMs: 60_000 },
    )
    expect(ids((await claim(10_000)).jobs)).toEqual(ids([high, late, zero, low]))
  })

  test.each([
    ['of a group', { group: { name: 'acme' } }],
    ['of a limiter', { limiter: 'stripe*1' }],
  ])('aging priorities of jobs %s, including jobs that became due or were given back', async (_, fields) => {
    await using harness = await make()
    const caller = harness.caller()
    const [low, late] = [job({ priority: -100, ...fields }), job({ delay: 1_000, ...fields })]
    await caller.enqueue(low, late)
    harness.clock.advance(2_000)
    const [zero, high] = [job(fields), job({ priority: 1, ...fields })]
    await caller.enqueue(zero, high)
    const claim = (aging: number, limit: number) =>
      caller.exchange([], { limit, leaseMs: 60_000, aging, permits: { 'stripe*1': limit } })
    // The aged places of the jobs are 1,000 (late), 1,000 and a step of aging (low), 1,990 (high) and 2,000.
    const { jobs: claimed } = await claim(10, 3)
    expect(ids(claimed)).toEqual(ids([late, low, high]))
    await caller.exchange(
      claimed.map((held) => settlement(held, unstarted)),
      { limit: 0, leaseMs: 60_000 },
    )
    expect(ids((await claim(1, 9)).jobs)).toEqual(ids([low, late, high, zero]))
  })

  test('a claim returns the due times of its jobs that were not due when they were queued', async () => {
    await using harness = await make()
    const { clock } = harness
    const caller = harness.caller()
    const start = clock.now
    const list = [
      job(),
      job({ delay: 300 }),
      job({ delay: 200, group: { name: 'a' } }),
      job({ group: { name: 'b' } }),
    ]
    await caller.enqueue(...list)
    clock.advance(500)
    const want = { limit: 9, leaseMs: 60_000 }
    const { jobs: claimed } = await caller.exchange([], want)
    const dues = new Map(claimed.map(({ id, dueAt }) => [id, dueAt]))
    expect(list.map(({ id }) => dues.get(id))).toEqual([undefined, start + 300, start + 200, undefined])
    const again = await harness.store.exchange('emails', caller.last(), [], want)
    expect(new Map(again.jobs.map(({ id, dueAt }) => [id, dueAt]))).toEqual(dues)
    await caller.exchange(
      claimed.map((held) => settlement(held, { kind: 'released', in: 100 })),
      { limit: 0, leaseMs: 60_000 },
    )
    clock.advance(100)
    const retried = await caller.exchange([], want)
    expect(retried.jobs.map(({ dueAt }) => dueAt)).toEqual(list.map(() => start + 600))
  })

  test('a claim in a queue with aging skips cancelled jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = [...jobs(3, { priority: 1 }), ...jobs(2)]
    await caller.enqueue(...list)
    const gone = ids(list.slice(0, 2))
    await harness.store.alter('emails', gone, { kind: 'cancel', reason: 'user' })
    const { jobs: claimed } = await caller.exchange([], { limit: 9, leaseMs: 60_000, aging: 50 })
    expect(ids(claimed)).toEqual(ids(list.slice(2)))
  })
}
