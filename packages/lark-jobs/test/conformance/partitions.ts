/**
 * Partitions are independent of each other.
 */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, ids, job, jobs } from './jobs.ts'

export function partitions(make: Make): void {
  test('the list of partitions has every partition that ever had a job, and no other', async () => {
    await using harness = await make()
    const { store } = harness
    expect(await store.partitions()).toEqual([])
    await harness.caller('ada', 'emails').enqueue(job())
    await harness.caller('ada', 'emails/3').enqueue(...jobs(2))
    await harness.caller('ada', 'empty').claim()
    await store.clear('emails', 'waiting')
    expect((await store.partitions()).sort()).toEqual(['emails', 'emails/3'])
  })

  test('each partition has its own ids, callers and call numbers', async () => {
    await using harness = await make()
    const { store } = harness
    const names = ['emails', 'emails/0', 'emails/1', 'email']
    const given = job()
    for (const name of names) {
      const caller = harness.caller('ada', name)
      expect(await caller.enqueue({ ...given, payload: JSON.stringify(name) })).toEqual(['queued'])
    }
    const caller = harness.caller('ada', 'emails/0')
    await caller.settle(await caller.claimOne(), completed)
    for (const name of names) {
      expect(await store.get(name, given.id)).toMatchObject({
        partition: name,
        payload: JSON.stringify(name),
        state: name === 'emails/0' ? 'completed' : 'waiting',
      })
    }
  })

  test('pause, maintenance and clear affect one partition', async () => {
    await using harness = await make()
    const { store } = harness
    const left = harness.caller('ada', 'emails/0')
    const right = harness.caller('ada', 'emails/1')
    await left.enqueue(...jobs(2))
    await right.enqueue(...jobs(2))
    await store.configure('emails/0', { paused: true })
    expect(await left.claim(5)).toEqual([])
    const held = await right.claim(1)
    harness.clock.advance(LEASE)
    expect(await store.recover('emails/0')).toEqual({ recovered: [], failed: [] })
    expect((await store.recover('emails/1')).recovered).toEqual(ids(held))
    expect(await store.clear('emails/0', 'waiting')).toBe(2)
    expect(await store.counts('emails/1')).toMatchObject({ waiting: 2 })
  })

  test('names of partitions may be any texts', async () => {
    await using harness = await make()
    for (const name of ['ünï', 'a b', `it's`, 'a:b', '100%']) {
      const caller = harness.caller('ada', name)
      const given = job()
      await caller.enqueue(given)
      expect(ids(await caller.claim())).toEqual([given.id])
    }
    expect(await harness.store.partitions()).toHaveLength(5)
  })
}
