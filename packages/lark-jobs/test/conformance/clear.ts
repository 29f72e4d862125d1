/** The verb `clear`: a person removes all jobs of a state. */
import { expect, test } from 'vitest'
import { memberId } from '../../src/model/effect.ts'
import { MAX_ITEMS } from '../../src/store/contract/store.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, line } from './jobs.ts'

export function clear(make: Make): void {
  test('clear removes the jobs of one state, with their logs', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const ended = job()
    await caller.run(job(), failed)
    await caller.run(job(), { kind: 'cancelled', reason: 'user' })
    await caller.run(ended, { kind: 'completed', log: [line('x')] })
    await caller.enqueue(...jobs(2), ...jobs(3, { delay: 1_000 }))
    const all = { waiting: 2, delayed: 3, completed: 1, failed: 1, cancelled: 1, active: 0, blocked: 0 }
    expect(await store.counts('emails')).toEqual(all)

    expect(await store.clear('emails', 'completed')).toBe(1)
    expect(await store.counts('emails')).toEqual({ ...all, completed: 0 })
    expect(await store.get('emails', ended.id)).toBeUndefined()
    expect(await store.log('emails', ended.id)).toEqual([])
    expect(await store.clear('emails', 'delayed')).toBe(3)
    expect(await store.counts('emails')).toEqual({ ...all, completed: 0, delayed: 0 })
    expect(await store.clear('emails', 'waiting')).toBe(2)
    expect(await store.clear('emails', 'failed')).toBe(1)
    expect(await store.clear('emails', 'cancelled')).toBe(1)
    expect(await store.clear('emails', 'blocked')).toBe(0)
    expect(Object.values(await store.counts('emails'))).toEqual([0, 0, 0, 0, 0, 0, 0])
  })

  test('clear of waiting jobs also removes delayed jobs that are due, and keeps the other delayed jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const later = job({ delay: 200, priority: 5 })
    await caller.enqueue(job({ delay: 100 }), later, job())
    harness.clock.advance(100)
    expect(await harness.store.clear('emails', 'waiting')).toBe(2)
    harness.clock.advance(100)
    expect(ids(await caller.claim(5))).toEqual([later.id])
  })

  test('clear does not remove active jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    const [held] = await caller.claim(1)
    expect(await harness.store.clear('emails', 'waiting')).toBe(2)
    expect(await caller.settle(held!, completed)).toBe('settled')
  })

  test(`clear removes at most ${MAX_ITEMS} jobs a call`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(7))
    expect(await harness.store.clear('emails', 'waiting')).toBe(MAX_ITEMS)
    expect(await harness.store.clear('emails', 'waiting')).toBe(7)
    expect(await harness.store.clear('emails', 'waiting')).toBe(0)
  })

  test('clear removes jobs that were kept only for their effects, and the effects are not delivered', async () => {
    await using harness = await make()
    const { store } = harness
    const member = memberId({ flow: 'flow', home: 'home', index: 0 })
    const list = [job({ id: member }), job({ hooked: true }), job({ hooked: true })]
    const [, removed, kept] = ids(list)
    await harness.caller().enqueue(...list)
    await store.alter('emails', ids(list), { kind: 'cancel', reason: 'user' })
    await store.alter('emails', [member, removed!], { kind: 'remove' })
    expect(await store.flows.fates('emails', [member])).toMatchObject([{ kind: 'ended' }])
    expect(await store.clear('emails', 'hidden')).toBe(2)
    expect(await store.clear('emails', 'hidden')).toBe(0)
    expect(await store.flows.fates('emails', [member])).toEqual([{ kind: 'unknown' }])
    const { effects = [] } = await store.recover('emails', { effects: { leaseMs: 1_000 } })
    expect(effects.map(({ job }) => job.id)).toEqual([kept])
    // The id can be used again.
    expect(await harness.caller().enqueue(job({ id: member }))).toEqual(['queued'])
  })
}
