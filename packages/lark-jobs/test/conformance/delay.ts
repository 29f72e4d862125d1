/** Delayed jobs, and the due times that a claimer gets. */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { ids, job, jobs, retried, settlement } from './jobs.ts'

const nothing = { limit: 0, leaseMs: LEASE }

export function delay(make: Make): void {
  test('a delayed job is handed out as soon as it is due, and not before', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job({ delay: 1_000 })
    await caller.enqueue(given)
    harness.clock.advance(999)
    expect(await caller.claim()).toEqual([])
    harness.clock.advance(1)
    expect(ids(await caller.claim())).toEqual([given.id])
  })

  test('counts, get and list show a delayed job as waiting as soon as it is due', async () => {
    await using harness = await make()
    const { store, clock } = harness
    const given = job({ delay: 1_000 })
    await harness.caller().enqueue(given)
    const dueAt = clock.now + 1_000
    expect(await store.counts('emails')).toMatchObject({ waiting: 0, delayed: 1 })
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'delayed', dueAt })
    expect(ids((await store.list('emails', { state: 'delayed' })).jobs)).toEqual([given.id])
    expect((await store.list('emails', { state: 'waiting' })).jobs).toEqual([])
    clock.advance(1_000)
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, delayed: 0 })
    expect(await store.get('emails', given.id)).toMatchObject({ state: 'waiting', dueAt })
    expect((await store.list('emails', { state: 'delayed' })).jobs).toEqual([])
    expect(ids((await store.list('emails', { state: 'waiting' })).jobs)).toEqual([given.id])
  })

  test('a job with a delay of 0 is not delayed', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job({ delay: 0 }))
    expect(await caller.claim()).toHaveLength(1)
  })

  test('nextDue is undefined if there are no jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    expect((await caller.exchange([], nothing)).nextDue).toBeUndefined()
    await caller.enqueue(job())
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBeUndefined()
  })

  test('nextDue is 0 if more jobs wait than were claimed', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(2), job({ delay: 500 }))
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBe(0)
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).nextDue).toBe(500)
  })

  test('nextDue is the earliest due time of all priorities', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(
      job({ delay: 3_000, priority: 10 }),
      job({ delay: 1_000, priority: -10 }),
      job({ delay: 2_000 }),
    )
    harness.clock.advance(100)
    expect((await caller.exchange([], nothing)).nextDue).toBe(900)
    harness.clock.advance(900)
    expect((await caller.exchange([], nothing)).nextDue).toBe(0)
  })

  test('nextDue includes jobs that the same exchange gives back', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const held = await caller.claimOne()
    const exchange = await caller.exchange([settlement(held, retried(250))], { limit: 1, leaseMs: LEASE })
    expect(exchange.jobs).toEqual([])
    expect(exchange.nextDue).toBe(250)
  })
}
