/**
 * Prefetched jobs: which jobs a claim hands out beyond those that start at once, when they count as started,
 * and what a recovery before their start counts.
 */
import { expect, test } from 'vitest'
import type { Outcome } from '../../src/model/record.ts'
import { MAX_BYTES, MAX_ITEMS } from '../../src/store/contract/store.ts'
import { LEASE } from './caller.ts'
import type { Make } from './harness.ts'
import { completed, failed, ids, job, jobs, retried, settlement, unstarted } from './jobs.ts'

export function ahead(make: Make): void {
  test('a claim with prefetch hands out the jobs that start at once, and then the next jobs in their order', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const low = jobs(3, { priority: -1 })
    const high = jobs(3)
    await caller.enqueue(...low, ...high)
    const claimed = await caller.claimAhead(2, 3)
    expect(ids(claimed)).toEqual(ids([...high, ...low.slice(0, 2)]))
    expect(new Set(claimed.map(({ token }) => token))).toEqual(new Set(['ada.2']))
    expect(claimed.map(({ runs }) => runs)).toEqual([1, 1, 1, 1, 1])
    expect(await harness.store.counts('emails')).toMatchObject({ waiting: 1, active: 5 })
  })

  test('a claim prefetches nothing unless it asks for it', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    expect(await caller.claim(1)).toHaveLength(1)
    expect(await caller.claimAhead(1, 0)).toHaveLength(1)
    expect(await caller.claim(0)).toEqual([])
  })

  test('a claim with a limit of 0 only prefetches', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(3)
    await caller.enqueue(...list)
    expect(ids(await caller.claimAhead(0, 2))).toEqual(ids(list.slice(0, 2)))
    expect(await harness.takeBack()).toHaveLength(2)
    expect(await harness.store.get('emails', list[0]!.id)).toMatchObject({ runs: 0, crashes: 0 })
  })

  test('a paused partition hands out no prefetched jobs', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(3))
    await harness.store.configure('emails', { paused: true })
    expect(await caller.claimAhead(1, 2)).toEqual([])
  })

  test('if a job is taken back before it started, no run is counted and the job keeps its place', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = jobs(6)
    await caller.enqueue(...list)
    await caller.claimAhead(2, 2)
    expect((await harness.takeBack()).sort()).toEqual(ids(list.slice(0, 4)))
    for (const started of list.slice(0, 2)) {
      expect(await store.get('emails', started.id)).toMatchObject({ state: 'waiting', runs: 1, crashes: 1 })
    }
    for (const held of list.slice(2, 4)) {
      const record = await store.get('emails', held.id)
      expect(record).toMatchObject({ state: 'waiting', runs: 0, crashes: 0, failures: 0, errors: [] })
      expect(record).not.toHaveProperty('holder')
    }
    expect(ids(await caller.claim(6))).toEqual(ids(list))
  })

  test('an extend marks only the jobs that it names as started', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const list = jobs(4)
    await caller.enqueue(...list)
    const [, second, third] = await caller.claimAhead(1, 3)
    expect(await caller.extend([third!])).toEqual({ lost: [], notices: [] })
    expect(await caller.extend([third!, second!])).toEqual({ lost: [], notices: [] })
    await harness.takeBack()
    const found = await Promise.all(list.map(({ id }) => harness.store.get('emails', id)))
    expect(found.map((record) => [record?.runs, record?.crashes])).toEqual([
      [1, 1],
      [1, 1],
      [1, 1],
      [0, 0],
    ])
  })

  test('an extend that names a job with another token does not mark the job as started', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    const [held] = await caller.claimAhead(0, 1)
    expect((await caller.extend([{ id: held!.id, token: 'bob.1' }])).lost).toEqual([given.id])
    await harness.takeBack()
    expect(await harness.store.get('emails', given.id)).toMatchObject({ runs: 0, crashes: 0 })
  })

  test('an extend of a job that has not begun and is given back renews the lease, and does not mark the job as started', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const given = job()
    await caller.enqueue(given)
    const [held] = await caller.claimAhead(0, 1)
    harness.clock.advance(LEASE - 1)
    const note = { id: held!.id, token: held!.token, unstarted: true } as const
    expect(await harness.store.extend('emails', 'ada', [note], LEASE)).toEqual({ lost: [], notices: [] })
    harness.clock.advance(1)
    expect(await harness.store.recover('emails')).toMatchObject({ recovered: [], nextLeaseEnd: LEASE - 1 })
    expect(await harness.takeBack()).toEqual([given.id])
    expect(await harness.store.get('emails', given.id)).toMatchObject({ runs: 0, crashes: 0 })
  })

  /** The effect of each outcome on a prefetched job that no extend has named. */
  const settled: [outcome: Outcome, expected: object][] = [
    [completed, { state: 'completed', runs: 1 }],
    [failed, { state: 'failed', runs: 1, failures: 1 }],
    [retried(0), { state: 'waiting', runs: 1, failures: 1 }],
    [
      { kind: 'released', in: 0 },
      { state: 'waiting', runs: 1, releases: 1 },
    ],
    [unstarted, { state: 'waiting', runs: 0, failures: 0, releases: 0 }],
    [
      { kind: 'cancelled', reason: 'user' },
      { state: 'cancelled', runs: 1 },
    ],
  ]
  for (const [outcome, expected] of settled) {
    const words =
      outcome.kind === 'failed' && outcome.retryIn !== undefined ? 'failed, to be retried' : outcome.kind
    test(`the outcome of a prefetched job that no extend has marked as started: ${words}`, async () => {
      await using harness = await make()
      const caller = harness.caller()
      await caller.enqueue(job())
      const [held] = await caller.claimAhead(0, 1)
      expect(await caller.settle(held!, outcome)).toBe('settled')
      expect(await harness.store.get('emails', held!.id)).toMatchObject({ ...expected, crashes: 0 })
    })
  }

  test('a prefetched job that its holder gives back may be prefetched again', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const [held] = await caller.claimAhead(0, 1)
    await caller.settle(held!, unstarted)
    expect(await caller.claimAhead(0, 1)).toHaveLength(1)
  })

  test('if a prefetched job is cancelled, its worker gets a notice, and after a recovery the job ends as cancelled without a run', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = jobs(2)
    await caller.enqueue(...list)
    const [first, second] = await caller.claimAhead(1, 1)
    await store.alter('emails', [second!.id], { kind: 'cancel', reason: 'user' })
    expect(await caller.extend([first!])).toEqual({ lost: [], notices: [] })
    expect(await harness.takeBack()).toEqual([first!.id])
    expect(await store.get('emails', second!.id)).toMatchObject({
      state: 'cancelled',
      reason: 'user',
      runs: 0,
    })
  })

  test('an extend that names a job with a cancel request returns the request', async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(job())
    const [held] = await caller.claimAhead(0, 1)
    await harness.store.alter('emails', [held!.id], { kind: 'cancel', reason: 'user' })
    const { notices } = await caller.extend([held!])
    expect(notices).toEqual([{ kind: 'cancel', id: held!.id, reason: 'user' }])
  })

  test('a call that is sent again hands out the same jobs, and the prefetched jobs still do not count as started', async () => {
    await using harness = await make()
    const { store } = harness
    const caller = harness.caller()
    const list = jobs(4)
    await caller.enqueue(...list)
    const want = { limit: 1, prefetch: 2, leaseMs: LEASE }
    const first = await caller.exchange([], want)
    expect(await store.exchange('emails', caller.last(), [], want)).toEqual(first)
    expect(await store.counts('emails')).toMatchObject({ waiting: 1, active: 3 })
    await harness.takeBack()
    expect(await store.get('emails', list[2]!.id)).toMatchObject({ runs: 0, crashes: 0 })
  })

  test(`a claim hands out at most ${MAX_ITEMS} jobs, prefetched jobs included`, async () => {
    await using harness = await make()
    const caller = harness.caller()
    await caller.enqueue(...jobs(MAX_ITEMS))
    await caller.enqueue(...jobs(5))
    expect(await caller.claimAhead(MAX_ITEMS - 3, 10)).toHaveLength(MAX_ITEMS)
    expect(await harness.takeBack()).toHaveLength(MAX_ITEMS)
    const found = await harness.store.list('emails', { state: 'waiting', limit: MAX_ITEMS })
    expect(found.jobs.filter(({ crashes }) => crashes === 0)).toHaveLength(3)
  })

  test('a claim hands out at most 1 MiB, prefetched jobs included', async () => {
    await using harness = await make()
    const caller = harness.caller()
    for (let n = 0; n < 4; n += 1) await caller.enqueue(job({ payload: 'x'.repeat(400_000) }))
    const { jobs: claimed, nextDue } = await caller.exchange([], { limit: 1, prefetch: 3, leaseMs: LEASE })
    expect(claimed.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThanOrEqual(MAX_BYTES)
    expect([claimed.length, nextDue]).toEqual([2, 0])
    expect(await caller.claimAhead(0, 3)).toHaveLength(2)
  })

  test('a claimer that got all the jobs of its limit is not notified if it got fewer prefetched jobs than it wanted', async () => {
    await using harness = await make()
    const web = harness.caller('web')
    await web.enqueue(job())
    const ada = harness.caller('ada')
    expect(await ada.claimAhead(1, 5)).toHaveLength(1)
    const bob = harness.caller('bob')
    expect(await bob.claimAhead(0, 5)).toEqual([])
    await web.enqueue(...jobs(2))
    expect(await harness.store.wait('ada', 60)).toEqual([])
    expect(await harness.store.wait('bob', 60)).toEqual([])
  })

  test('a claimer that got fewer jobs than its limit is notified of the next job, however many jobs it wanted to prefetch', async () => {
    await using harness = await make()
    const web = harness.caller('web')
    await web.enqueue(job())
    const ada = harness.caller('ada')
    expect(await ada.claimAhead(2, 5)).toHaveLength(1)
    await web.enqueue(job())
    expect(await harness.store.wait('ada', 10_000)).toEqual(['emails'])
  })

  test('a job that an exchange gives back may be prefetched by the same exchange', async () => {
    await using harness = await make()
    const caller = harness.caller()
    const [first, second] = jobs(2)
    await caller.enqueue(first!, second!)
    const held = await caller.claimOne()
    const exchange = await caller.exchange([settlement(held, retried(0))], {
      limit: 1,
      prefetch: 1,
      leaseMs: LEASE,
    })
    expect(ids(exchange.jobs).sort()).toEqual(ids([first!, second!]))
  })
}
