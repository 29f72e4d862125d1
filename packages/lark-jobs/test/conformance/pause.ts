/**
 * A paused partition hands out no jobs.
 */
import { expect, test } from 'vitest'
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

  test('a paused partition queues jobs, hands none out, and returns no nextDue', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await store.configure('emails', { paused: true })
    const list = jobs(2)
    const delayed = job({ delay: 100 })
    expect(await caller.enqueue(...list, delayed)).toEqual(['queued', 'queued', 'queued'])
    const exchange = await caller.exchange([], { limit: 5, lease: LEASE })
    expect(exchange.jobs).toEqual([])
    expect(exchange.nextDue).toBeUndefined()
    expect(await store.counts('emails')).toMatchObject({ waiting: 2, delayed: 1 })
    // A job that becomes due meanwhile waits like the others.
    harness.clock.advance(100)
    expect(await caller.claim(5)).toEqual([])
    expect(await store.counts('emails')).toMatchObject({ waiting: 3, delayed: 0 })
    await store.configure('emails', { paused: false })
    expect(ids(await caller.claim(5))).toEqual(ids([...list, delayed]))
  })

  test('jobs of a paused partition settle, renew and are taken back as usual', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const [first, second, third] = await caller.claim(3)
    await store.configure('emails', { paused: true })
    const settlements = [settlement(first!, completed), settlement(second!, retried(0))]
    const exchange = await caller.exchange(settlements, { limit: 5, lease: LEASE })
    expect(exchange).toMatchObject({ verdicts: ['settled', 'settled'], jobs: [] })
    expect((await store.extend('emails', 'ada', [third!], LEASE)).lost).toEqual([])
    harness.clock.advance(LEASE)
    expect((await store.recover('emails')).recovered).toEqual([third!.id])
  })
}
