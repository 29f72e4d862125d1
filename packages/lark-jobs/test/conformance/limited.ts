/** Jobs with a limiter. Only a claimer with permits of the limiter gets these jobs. */
import { expect, test } from 'vitest'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, settlement } from './jobs.ts'

export function limited(make: Make): void {
  test('a claimer without permits gets no job, and the answer names the limiters that have jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [stripe, plain] = [jobs(3, { limiter: 'stripe' }), jobs(2)]
    await caller.enqueue(...stripe, ...plain)
    const answer = await caller.exchange([], { limit: 9, leaseMs: LEASE })
    expect(ids(answer.jobs)).toEqual(ids(plain))
    expect(answer).toMatchObject({ limited: { stripe: 3 } })
    expect(answer.nextDue).toBeUndefined()
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 3 })
  })

  test('a claim gets as many jobs as it has permits for, in their order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(5, { limiter: 'stripe' })
    await caller.enqueue(...list)
    const permits = { stripe: 2, other: 9 }
    const answer = await caller.exchange([], { limit: 9, leaseMs: LEASE, permits })
    expect(ids(answer.jobs)).toEqual(ids(list.slice(0, 2)))
    expect(answer.jobs[0]!.limiter).toBe('stripe')
    expect(answer.limited).toEqual({ stripe: 3 })
    const last = await caller.exchange([], { limit: 9, leaseMs: LEASE, permits: { stripe: 9 } })
    expect(ids(last.jobs)).toEqual(ids(list.slice(2)))
    expect(last.limited).toBeUndefined()
  })

  test('jobs of several limiters and jobs without a limiter take turns', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const lists = [jobs(4), jobs(4, { limiter: 'a' }), jobs(4, { limiter: 'b*2' })]
    await caller.enqueue(...lists.flat())
    const permits = { a: 4, 'b*2': 1 }
    const { jobs: claimed } = await caller.exchange([], { limit: 6, leaseMs: LEASE, permits })
    const of = claimed.map(({ limiter = '' }) => limiter)
    expect(of.slice(0, 3).sort()).toEqual(['', 'a', 'b*2'])
    expect(of.filter((limiter) => limiter === 'b*2')).toHaveLength(1)
    expect(claimed).toHaveLength(6)
  })

  test('a job that has ended and is retried still has its limiter', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const one = job({ limiter: 'stripe', priority: 7 })
    await caller.enqueue(one)
    const permits = { stripe: 1 }
    const { jobs: held } = await caller.exchange([], { limit: 1, leaseMs: LEASE, permits })
    await caller.exchange([settlement(held[0]!, failed)], { limit: 0, leaseMs: LEASE })
    await harness.store.alter('emails', [one.id], { kind: 'retry' })
    expect(await caller.claim(1)).toEqual([])
    expect(await harness.store.get('emails', one.id)).toMatchObject({ limiter: 'stripe', priority: 7 })
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE, permits })).jobs).toHaveLength(1)
  })

  test('groups of jobs with a limiter take turns within their limits, and can be paused', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const of = (name: string) => ({ limiter: 'stripe', group: { name, limits: { concurrency: 1 } } })
    await caller.enqueue(...jobs(3, of('a')), ...jobs(3, of('b')), ...jobs(3, { group: { name: 'a' } }))
    const permits = { stripe: 9 }
    const { jobs: held } = await caller.exchange([], { limit: 2, leaseMs: LEASE, permits })
    expect(held.map(({ group, limiter }) => [group, limiter])).toEqual([
      ['a', undefined],
      ['a', 'stripe'],
    ])
    await harness.store.pause('emails', 'a')
    const settlements = held.map((each) => settlement(each, completed))
    const next = await caller.exchange(settlements, { limit: 9, leaseMs: LEASE, permits })
    expect(next.jobs.map(({ group }) => group)).toEqual(['b'])
    await harness.store.pause('emails', 'a', 0)
    const rest = await caller.exchange([], { limit: 9, leaseMs: LEASE, permits })
    expect(rest.jobs.map(({ group }) => group)).toEqual(['a', 'a', 'a'])
  })

  test('a delayed job of a limiter that is due waits for a permit', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job({ limiter: 'stripe', delay: 500 }))
    const early = await caller.exchange([], { limit: 1, leaseMs: LEASE })
    expect(early).toEqual({ verdicts: [], jobs: [], nextDue: 500 })
    harness.clock.advance(500)
    expect((await caller.exchange([], { limit: 1, leaseMs: LEASE })).limited).toEqual({ stripe: 1 })
  })
}
